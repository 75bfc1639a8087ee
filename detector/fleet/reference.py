"""Moments of models as they are given away: one file format, checked before anything in it is believed.

The bytes are those of `detector.codec`: versioned, checksummed, nothing in them that could run. The one array
holds the charts (`detector.row`) of each key; the rest says what they mean, who learned them, and how far
that unit was, by the number of records that it had scored: of two of one life the larger is the newer,
whatever the clocks say.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector import codec
from detector.contracts import Floats
from detector.errors import FleetError, NewerState, StateError
from detector.merged import Mixing
from detector.row import LEARNED, MATURE, PRIOR, VECTORS, WEIGHT, chart_width

VERSION = 1
SIZE_LIMIT = 16 << 20
"""Bytes of a file or message."""
MOST_KEYS = 10_000
MOST_FEATURES = 2048
LONGEST = 1000
"""Characters of a name: a unit's, a key, a feature."""

_KIND = "kyori.reference"


class Shape(NamedTuple):
    """What the numbers mean: only references of one shape can be merged.

    Attributes
    ----------
    schema : str
        `detector.pipeline.Pipeline.schema`.
    features : tuple of str
        The columns, in their order.
    charts : int
        Charts of a key.
    mixing : Mixing
        How they merge.
    """

    schema: str
    features: tuple[str, ...]
    charts: int
    mixing: Mixing

    @property
    def width(self) -> int:
        """Length of a chart."""
        return chart_width(len(self.features), full=self.mixing.full)

    def differs(self, other: Shape) -> str:
        """Return what another shape has that this one has not, in words; "" = nothing.

        >>> mixing = Mixing(True, 0.0, 0.0)
        >>> one = Shape("00", ("flow", "temp"), 1, mixing)
        >>> one.differs(one._replace(features=("temp", "flow")))
        'the same features in another order: flow, temp, not temp, flow'
        """
        if set(self.features) != set(other.features):
            return f"other features: {', '.join(self.features)}, not {', '.join(other.features)}"
        if self.features != other.features:
            order = f"{', '.join(self.features)}, not {', '.join(other.features)}"
            return f"the same features in another order: {order}"
        if self.mixing != other.mixing or self.charts != other.charts:
            names = ("mode or distance", "covariance.floor", "covariance.shrink")
            unlike = [name for name, a, b in zip(names, self.mixing, other.mixing, strict=True) if a != b]
            return f"other settings: {', '.join(unlike) or 'mode'}"
        if self.schema != other.schema:
            return (
                "other settings of mode, distance or record, or another version of kyori "
                f"(schema {self.schema}, not {other.schema})"
            )
        return ""


class Learned(NamedTuple):
    """How far a unit was.

    Attributes
    ----------
    life : str
        Another one whenever the unit began anew; "" = it was never given one.
    scored : int
        Records that it had scored in this life.
    """

    life: str
    scored: int


@dataclass(frozen=True, slots=True)
class Reference:
    """Moments, by key.

    Attributes
    ----------
    shape : Shape
        What they mean.
    charts : mapping of str to ndarray of shape (shape.charts, shape.width)
        Finite, but for the origins of columns that never had a value.
    units : mapping of str to Learned
        Who learned them, by name; more than one: merged.
    """

    shape: Shape
    charts: Mapping[str, Floats]
    units: Mapping[str, Learned]

    @property
    def records(self) -> float:
        """Records that were learned, over all keys."""
        return float(sum(charts[0, LEARNED] for charts in self.charts.values()))

    def to_bytes(self) -> bytes:
        """Return it as `from_bytes` takes it.

        Raises
        ------
        FleetError
            It is too large.
        """
        _check_size(len(self.charts), self.shape)
        stacked = np.array(list(self.charts.values())).reshape(-1, self.shape.charts, self.shape.width)
        meta: dict[str, str | int | float] = {
            "kind": _KIND,
            "version": VERSION,
            "schema": self.shape.schema,
            "features": json.dumps(self.shape.features),
            "full": int(self.shape.mixing.full),
            "floor": float(self.shape.mixing.floor),
            "prior": float(self.shape.mixing.prior),
            "keys": json.dumps(list(self.charts)),
            "units": json.dumps(self.units),
        }
        try:
            data = codec.encode({"charts": stacked}, meta)
        except ValueError as error:
            raise FleetError(f"the names are too long: {error}") from None
        if len(data) > SIZE_LIMIT:
            raise FleetError(f"{len(data)} bytes, at most {SIZE_LIMIT} are taken; merge the keys into one")
        return data

    @classmethod
    def from_bytes(cls, data: bytes) -> Reference:
        """Return what `to_bytes` was called on.

        Raises
        ------
        FleetError
            It is no reference, is damaged or absurd, or a later version wrote it.
        """
        if len(data) > SIZE_LIMIT:
            raise FleetError(f"more than {SIZE_LIMIT} bytes, which no reference has")
        try:
            arrays, meta = codec.decode(data)
        except NewerState as error:
            raise FleetError(f"{error}; install a later one") from None
        except StateError as error:
            raise FleetError(f"no reference of kyori, or damaged: {error}") from None
        if meta.get("kind") != _KIND:
            raise FleetError("saved by kyori, but no reference")
        version = meta.get("version")
        if type(version) is not int or version < 1:
            raise FleetError("it has no version")
        if version > VERSION:
            raise FleetError(
                f"in version {version} of the format, this kyori knows {VERSION}; install a later one"
            )
        try:
            return _understood(arrays, meta)
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise FleetError(f"what it says of itself makes no sense: {error}") from None


def _understood(arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, str | int | float]) -> Reference:
    features, keys, units = (json.loads(str(meta[name])) for name in ("features", "keys", "units"))
    names = [*_texts(features), *_texts(keys), *_texts(list(units))]
    if len({*features}) != len(features) or len({*keys}) != len(keys) or not features or not units:
        raise ValueError("names are missing, or stand there twice")
    if any(len(name) > LONGEST for name in names):
        raise ValueError(f"a name of more than {LONGEST} characters")
    charts = arrays["charts"]
    mixing = Mixing(_number(meta["full"]) == 1.0, _number(meta["floor"]), _number(meta["prior"]))
    shape = Shape(str(meta["schema"]), tuple(features), charts.shape[1] if charts.ndim == 3 else 0, mixing)
    _check_size(len(keys), shape)
    if charts.dtype != np.float64 or charts.shape != (len(keys), shape.charts, shape.width):
        raise ValueError(f"charts of {charts.dtype} {charts.shape} for {len(keys)} keys")
    if not 1 <= shape.charts <= 2 or not 0.0 <= mixing.floor <= 1.0 or not 0.0 <= mixing.prior <= 1e9:
        raise ValueError("settings that no pipeline has")
    for one in charts.reshape(-1, shape.width):
        _check_chart(one, len(features), full=mixing.full)
    learned = {unit: Learned(*_unit(one)) for unit, one in units.items()}
    return Reference(shape, dict(zip(keys, charts, strict=True)), learned)


def _check_size(keys: int, shape: Shape) -> None:
    if keys > MOST_KEYS or len(shape.features) > MOST_FEATURES:
        raise FleetError(
            f"{keys} keys of {len(shape.features)} features; at most {MOST_KEYS} of {MOST_FEATURES} are taken"
        )


def _check_chart(chart: Floats, d: int, *, full: bool) -> None:
    """Refuse numbers that no chart can hold: what is computed of them has to stay finite."""
    mean, origin, reach, count = chart[VECTORS : VECTORS + 4 * d].reshape(4, d)
    rest = chart[VECTORS + 4 * d :]
    plain = np.concatenate([chart[:VECTORS], mean, reach, count, rest])
    at = np.cumsum([0, *range(d, 1, -1)]) if full else np.arange(d)  # the diagonal entries, by columns
    # What the clocks and levels of the chart say is not taken over; an infinite clock stands for none.
    plain[4:VECTORS] = 0.0
    sound = (
        bool(np.isfinite(plain).all())
        and not np.isinf(origin).any()
        and float(np.abs(plain).max()) <= 1e250
        and min(chart[WEIGHT], chart[PRIOR], chart[LEARNED], reach.min(), count.min()) >= 0.0
        and chart[MATURE] in (0.0, 1.0)
        and bool((rest[at] > 0.0).all() if chart[MATURE] else (rest[at] >= 0.0).all())
    )
    if not sound:
        raise ValueError("numbers that no model has")


def _texts(names: Any) -> list[str]:
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("names that are no text")
    return names


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not np.isfinite(value):
        raise ValueError("text in place of a number")
    return float(value)


def _unit(one: Any) -> tuple[str, int]:
    life, count = one
    if not isinstance(life, str) or len(life) > LONGEST or type(count) is not int or not 0 <= count < 1 << 53:
        raise ValueError("a unit that is none")
    return life, count
