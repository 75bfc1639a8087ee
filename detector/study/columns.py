"""What a column is worth: noise, resolution, gaps, runs, and how well it tells by itself."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.study.metrics import Bools, by_key, roc_auc

MAD = 1.4826
"""Times the median absolute deviation = the standard deviation of a normal distribution."""
FAR = 5.0
"""An outlier lies so many robust standard deviations from the median."""
LEAST_RUN = 20
"""A shorter run of one value is not called stuck."""
_LAST_DIGIT = 1e-6


@dataclass(frozen=True, slots=True)
class Column:
    """One feature by itself. Figures that cannot be had are NaN.

    Attributes
    ----------
    name : str
    missing : float
        Share of the records.
    distinct : int
        Different values; 1: constant.
    sd : float
        Robust standard deviation within keys, in the column's unit.
    step : float
        All values are multiples of it; NaN: they have no common step that shows.
    noise : float
        Robust sd of the changes, divided by √2·sd. 1 = each record by itself; near 0 = it moves slowly.
    memory : float
        Autocorrelation at lag 1.
    longest_run : int
        Records in the longest run of one value.
    longest_at : int
        Place of the first record of that run.
    stuck : int
        Runs too long for this column, see `stuck_runs`.
    outliers : float
        Share of the values that lie more than `FAR` sd from the median.
    rises : bool
        It only ever rises, as a counter does.
    variance : float
        Plain variance within keys.
    auc, side : float, str
        With labels, how well the column tells by itself, and where the anomalies are: ``above``,
        ``below`` or ``both`` sides. The best of three, so a little above .5 is chance.
    """

    name: str
    missing: float
    distinct: int
    sd: float
    step: float
    noise: float
    memory: float
    longest_run: int
    longest_at: int
    stuck: int
    outliers: float
    rises: bool
    variance: float
    auc: float = float("nan")
    side: str = ""


def centred(values: Floats, key: NDArray[np.int64]) -> Floats:
    """Return the deviations from the median of each key; NaN stays."""
    out = np.full(len(values), np.nan)
    there = np.flatnonzero(np.isfinite(values))
    there = there[np.argsort(key[there], kind="stable")]
    edges = np.flatnonzero(np.diff(key[there], prepend=-1, append=-1))
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = there[start:stop]
        out[part] = values[part] - np.median(values[part])
    return out


def robust_sd(values: Floats) -> float:
    """Return 1.4826·MAD, or the plain standard deviation where more than half of the values are equal."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return float("nan")
    robust = MAD * float(np.median(np.abs(values - np.median(values))))
    return robust if robust > 0.0 else float(values.std())


def describe(name: str, values: Floats, key: NDArray[np.int64], truth: Bools | None) -> Column:
    """Describe one column.

    Parameters
    ----------
    values : (n,)
        NaN = missing.
    key : (n,) int
        Model of each record; what goes on from record to record goes on within a key.
    truth : (n,) bool or None
        The labels.
    """
    order = np.argsort(key, kind="stable")
    values, key = values[order], key[order]
    there = np.isfinite(values)
    present, of = values[there], key[there]
    deviation = centred(present, of)
    sd = robust_sd(deviation)
    change = np.diff(present)[np.diff(of) == 0]
    starts, lengths = runs(present, of)
    longest = int(np.argmax(lengths)) if len(lengths) else 0
    auc, side = (float("nan"), "") if truth is None else _tells(deviation, of, truth[order][there])
    moved = float(np.sqrt(2.0)) * sd
    return Column(
        name=name,
        missing=1.0 - len(present) / max(len(values), 1),
        distinct=len(np.unique(present)),
        sd=sd,
        step=step(present),
        noise=min(robust_sd(change) / moved, 9.99) if moved > 0.0 else float("nan"),
        memory=_autocorrelation(deviation, of, sd),
        longest_run=int(lengths[longest]) if len(lengths) else 0,
        longest_at=int(order[np.flatnonzero(there)[starts[longest]]]) if len(lengths) else 0,
        stuck=len(stuck_runs(lengths)),
        outliers=float((np.abs(deviation) > FAR * sd).mean()) if sd > 0.0 else 0.0,
        rises=len(change) >= LEAST_RUN and bool((change >= 0.0).all() and (change > 0.0).mean() > 0.5),
        variance=float(deviation.var()) if len(deviation) else float("nan"),
        auc=auc,
        side=side,
    )


def step(values: Floats) -> float:
    """Return the largest step of which all differences are multiples; NaN where none shows.

    The smallest gap between two values is tried, and what whole numbers or up to six decimals have in
    common.

    >>> step(np.array([0.5, 1.0, 3.0])), step(np.array([0.03, 0.06, 0.11])), step(np.array([0, 1, np.pi]))
    (0.5, 0.01, nan)
    """
    offsets = np.unique(values) - values.min() if len(values) else values
    if len(offsets) < 2:
        return float("nan")
    smallest = float(np.diff(offsets).min())
    if smallest < _LAST_DIGIT * max(float(np.abs(values).max()), float(offsets[-1])):
        return float("nan")
    if _whole(offsets / smallest):
        return float(f"{smallest:.6g}")
    for scale in 10.0 ** np.arange(7):
        if _whole(offsets * scale):
            return float(np.gcd.reduce(np.round(offsets * scale).astype(np.int64)) / scale)
    return float("nan")


def _whole(multiples: Floats) -> bool:
    if multiples[-1] > 2**50:
        return False
    return bool((np.abs(multiples - np.round(multiples)) < 1e-3 + 1e-9 * multiples).all())


def runs(values: Floats, key: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return start and length of each run of one value within a key.

    >>> runs(np.array([1.0, 1.0, 2.0]), np.array([0, 0, 0]))
    (array([0, 2]), array([2, 1]))
    """
    if not len(values):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    starts = np.append(0, np.flatnonzero((np.diff(values) != 0.0) | (np.diff(key) != 0)) + 1)
    return starts, np.diff(np.append(starts, len(values)))


def stuck_runs(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return which runs last longer than `LEAST_RUN` records, and ten times what 95 % of the runs last."""
    if len(lengths) < 2:
        return np.empty(0, np.int64)
    return np.flatnonzero(lengths > max(LEAST_RUN, 10.0 * float(np.quantile(lengths, 0.95))))


def _autocorrelation(deviation: Floats, key: NDArray[np.int64], sd: float) -> float:
    """Return the correlation of neighbours, outliers drawn in so that a few of them do not decide it."""
    if not sd > 0.0:
        return float("nan")
    value = np.clip(deviation, -FAR * sd, FAR * sd)
    value = value - value.mean()
    together = np.diff(key) == 0
    square = float((value * value).mean())
    if not square > 0.0 or not together.any():
        return float("nan")
    return float((value[1:] * value[:-1])[together].mean()) / square


def _tells(deviation: Floats, key: NDArray[np.int64], truth: Bools) -> tuple[float, str]:
    """Return the best ROC AUC of the value, its negative and its size, and which of them it is."""
    weight = truth.astype(float)
    above = by_key(roc_auc, key, truth, deviation, weight=weight)
    both = by_key(roc_auc, key, truth, np.abs(deviation), weight=weight)
    found = max((above, "above"), (1.0 - above, "below"), (both, "both"))
    return (float("nan"), "") if np.isnan(above) else found
