"""`kyori backtest`: what a configuration would have alerted, and what its neighbours would have."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import get_args

from pydantic import ValidationError

from detector.settings import OpenAfter, Threshold
from detector.settings import Pipeline as Settings
from detector.study.history import History
from detector.study.replay import Advance, Outcome, outcome, replay

_OF_RATES = (0.1, 0.3, 1.0, 3.0, 10.0)
_OF_DISTANCES = (0.5, 0.75, 1.0, 1.5, 2.0)
_LARGEST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Costs:
    """What a missed incident and a false alert cost, in any unit."""

    missed: float
    false: float

    def of(self, result: Outcome) -> float:
        """Return what a history would have cost."""
        return self.missed * (result.incidents - result.found) + self.false * result.false


@dataclass(frozen=True, slots=True)
class Cell:
    """One setting of the grid.

    Attributes
    ----------
    threshold, open_after : str
        As they are written in the configuration.
    used : bool
        Whether this is the configuration as it is.
    outcome : Outcome
        Its alerts against the incidents.
    alerts, false : float
        A day, or in 1,000 records.
    cost : float
        NaN where no costs were given.
    """

    threshold: str
    open_after: str
    used: bool
    outcome: Outcome
    alerts: float
    false: float
    cost: float


def grid(base: Settings) -> Iterator[tuple[Threshold, OpenAfter, Settings]]:
    """Yield the settings around those of a configuration, these included, then other kinds of threshold."""
    parts = {name: getattr(base, name) for name in Settings.model_fields}
    used, open_after = base.detector.threshold, base.opening
    cells = [(threshold, size) for threshold in _thresholds(used) for size in _open_after(open_after)]
    for threshold, size in [*cells, *((other, open_after) for other in _other_kinds(used))]:
        detector = base.detector.model_copy(update={"threshold": threshold})
        alert = base.alert.model_copy(update={"open_after": size})
        yield threshold, size, Settings.model_validate(parts | {"detector": detector, "alert": alert})


def _thresholds(used: Threshold) -> list[Threshold]:
    """Return stricter and laxer thresholds of the same kind, the one in use among them.

    >>> [one.value for one in _thresholds(Threshold(kind="radius", value=0.01))]
    [0.001, 0.003, 0.01, 0.03, 0.1]
    """
    distance = used.kind in ("fixed", "farthest")
    found = []
    for factor in _OF_DISTANCES if distance else _OF_RATES:
        value = _scaled(used.value, factor)
        if factor == 1.0:
            found.append(used)
        elif distance or isinstance(value, str) or value <= _LARGEST_SHARE:
            with contextlib.suppress(ValidationError):  # a share of 100 % and more
                found.append(Threshold(kind=used.kind, value=value))
    return found


def _other_kinds(used: Threshold) -> list[Threshold]:
    """Return a threshold of every other kind, by the same share of records where it goes by one."""
    found = []
    for kind in get_args(Threshold.model_fields["kind"].annotation):
        if kind not in (used.kind, "fixed"):  # nobody knows a fixed distance beforehand
            share = used.value if isinstance(used.value, float) and used.value < 1.0 else Threshold().value
            found.append(Threshold(kind=kind, value=1.0 if kind == "farthest" else share))
    return found


def _scaled(value: float | str, factor: float) -> float | str:
    """Return so many times a share, a distance or a budget.

    >>> _scaled("0.1 % or 1 per day", 3.0)
    '0.3 % or 3 per day'
    """
    if not isinstance(value, str):
        return float(f"{value * factor:.6g}")
    return re.sub(r"\d+(\.\d+)?", lambda found: _decimal(float(found[0]) * factor), value)


def _decimal(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _open_after(used: OpenAfter) -> list[OpenAfter]:
    """Return: at the first anomaly, as it is, and after twice as many."""
    sizes = {(1, 1), (used.k, used.n), (min(2 * used.k, 50), min(2 * used.n, 50))}
    return [OpenAfter(k=k, n=n) for k, n in sorted(sizes)]


def sweep(history: History, costs: Costs | None, advance: Advance = lambda _: None) -> list[Cell]:
    """Replay a history under every setting of the grid."""
    cells = []
    base = history.settings
    for threshold, open_after, settings in grid(base):
        trace = replay(settings, history, advance)
        result = outcome(trace)
        cells.append(
            Cell(
                threshold=written(threshold),
                open_after=f"{open_after.k} of {open_after.n}",
                used=threshold == base.detector.threshold and open_after == base.opening,
                outcome=result,
                alerts=trace.rate(result.alerts),
                false=trace.rate(result.false) if trace.truth is not None else float("nan"),
                cost=costs.of(result) if costs is not None else float("nan"),
            )
        )
    return cells


def written(threshold: Threshold) -> str:
    """Return a threshold as it is written in the configuration.

    >>> written(Threshold(kind="radius", value=0.001))
    'radius 0.1 %'
    """
    value = threshold.value
    if isinstance(value, str):
        return f"{threshold.kind} {value}"
    distance = threshold.kind in ("fixed", "farthest")
    return f"{threshold.kind} {value:.6g}" if distance else f"{threshold.kind} {100 * value:.6g} %"
