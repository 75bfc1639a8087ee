"""What versions of a metric there are, and which came into force: the index as data and as bytes."""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from detector.errors import MetricError
from detector.metric.archive import ALGORITHM

FORMAT = 1
_ID = re.compile(rf"{ALGORITHM}-[0-9a-f]{{12}}")
_SUGGESTED = 5


@dataclass(frozen=True, slots=True)
class Version:
    """A metric as the index knows it.

    Attributes
    ----------
    id : str
        Of the metric.
    created : float
        When it was added, unix seconds.
    parent : str
        What was in force when it was learned; "" = nothing.
    figures : mapping of str to float
        What was measured of it and of the baselines.
    """

    id: str
    created: float
    parent: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version that came into force, and when."""

    id: str
    time: float


@dataclass(frozen=True, slots=True)
class Index:
    """All versions, and those that came into force and were not rolled back; the oldest first.

    Examples
    --------
    >>> index = Index((Version("mmc-0123456789ab", 0.0),), (Promotion("mmc-0123456789ab", 1.0),))
    >>> Index.from_bytes(index.to_bytes()) == index, index.active, index.find("0123")
    (True, 'mmc-0123456789ab', 'mmc-0123456789ab')
    """

    versions: tuple[Version, ...] = ()
    promotions: tuple[Promotion, ...] = ()

    @property
    def active(self) -> str:
        """The version in force; "" = none."""
        return self.promotions[-1].id if self.promotions else ""

    def find(self, prefix: str) -> str:
        """Return the one id that begins so, or whose part after the algorithm's name does.

        Raises
        ------
        MetricError
            There is none, or there are several.
        """
        ids = [one.id for one in self.versions]
        found = [one for one in ids if one.startswith(prefix) or one.rpartition("-")[2].startswith(prefix)]
        if prefix in ids or len(found) == 1:
            return prefix if prefix in ids else found[0]
        if found and prefix:
            raise MetricError(f"{prefix!r} may be any of: {', '.join(found[-_SUGGESTED:])}; write more of it")
        near = difflib.get_close_matches(prefix, ids, _SUGGESTED, 0.4) or ids[-_SUGGESTED:]
        known = f"there are: {', '.join(near)}" if near else "there is none at all yet"
        raise MetricError(f"there is no version {prefix!r}; {known}")

    def to_bytes(self) -> bytes:
        """Return it as JSON, for people to read, too."""
        plain = {
            "format": FORMAT,
            "active": self.active,
            "versions": [asdict(one) for one in self.versions],
            "promotions": [asdict(one) for one in self.promotions],
        }
        return json.dumps(plain, indent=1, allow_nan=False).encode() + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """Return what `to_bytes` was called of.

        Raises
        ------
        MetricError
            It is damaged, or a later version wrote it.
        """
        try:
            plain = json.loads(data)
            if int(plain["format"]) > FORMAT:
                raise MetricError("a later version of kyori wrote it; install that one")
            versions = tuple(_version(**one) for one in plain["versions"])
            promotions = tuple(_promotion(**one) for one in plain["promotions"])
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise MetricError(f"damaged: {type(error).__name__}: {error}") from None
        index = cls(versions, promotions)
        ids = {one.id for one in versions}
        if len(ids) != len(versions) or not {one.id for one in promotions} <= ids:
            raise MetricError("damaged: it names a version twice, or one that it does not list")
        if plain.get("active") != index.active:
            raise MetricError("damaged: what is active is not what was promoted last")
        return index


def _version(id: str, created: float, parent: str, figures: dict[str, float]) -> Version:  # noqa: A002
    if not isinstance(parent, str):
        raise TypeError("a parent is a text")
    return Version(_id(id), _number(created), parent, {str(k): _number(v) for k, v in figures.items()})


def _promotion(id: str, time: float) -> Promotion:  # noqa: A002 - as the file calls it
    return Promotion(_id(id), _number(time))


def _id(value: Any) -> str:
    """Return an id; it becomes the name of a file, so that nothing else may pass."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError(f"{value!r} is no id of a metric")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)
