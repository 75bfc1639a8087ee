"""Whether a budget of false alarms is kept on clean streams: ``python -m benchmarks.budget``.

Five streams of each kind, 200,000 records of 5 features, one a second, through the pipeline as it is; all
that comes after the warm-up counts. A share of records counts rows flagged, a budget per day alerts opened.
The interval is the exact 95 % one of a Poisson count; rows come in runs, and the runs are what is counted.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy import signal, special

from detector.contracts import Batch, Floats
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.settings import Threshold

FEATURES = 5
STREAMS = 5
RECORDS = 200_000
CHUNK = 20_000
BUDGETS = ("0.1 %", "1 %", "20 per day", "1 per day")


def gaussian(rng: np.random.Generator, n: int) -> Floats:
    """Independent normal records."""
    return rng.normal(size=(n, FEATURES))


def t5(rng: np.random.Generator, n: int) -> Floats:
    """Independent records with heavy tails."""
    return rng.standard_t(5, size=(n, FEATURES))


def autocorrelated(rng: np.random.Generator, n: int) -> Floats:
    """Each value is 0.9 of the one before and noise."""
    return np.asarray(signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=(n + 500, FEATURES)), axis=0))[500:]


def drift(rng: np.random.Generator, n: int) -> Floats:
    """Let the mean of every feature move by one standard deviation in 100,000 records."""
    return gaussian(rng, n) + np.arange(n)[:, None] / 100_000


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "gaussian": gaussian, "t5": t5, "autocorrelated": autocorrelated, "drift": drift,
}  # fmt: skip


def stream(kind: str, seed: int, n: int) -> Floats:
    """Return a clean stream with some covariance."""
    rng = np.random.default_rng([list(KINDS).index(kind), seed])
    mixing = rng.normal(size=(FEATURES, FEATURES))
    return KINDS[kind](rng, n) @ mixing


def judge(X: Floats, budget: str) -> tuple[int, int, int]:
    """Return (records judged, what counts against the budget, independent ones of that)."""
    names = [f"x{j}" for j in range(X.shape[1])]
    settings = {"record": {"features": names}, "detector": {"threshold": {"value": budget}}}
    pipeline = Pipeline("clean", Settings.model_validate(settings))
    flagged, judged, opened = [], 0, 0
    for start in range(0, len(X), CHUNK):
        part = X[start : start + CHUNK]
        columns = {name: part[:, j].copy() for j, name in enumerate(names)}
        time = np.arange(start, start + len(part), dtype=float)
        result = pipeline.process(Batch(columns, time, np.full(len(part), "", object)))
        judged += int(np.isfinite(result.scores.threshold).sum())
        flagged.append(result.scores.anomaly)
        opened += sum(alert.status == "open" for alert in result.alerts)
    if budget.endswith("day"):
        return judged, opened, opened
    rows = np.concatenate(flagged)
    return judged, int(rows.sum()), int((np.diff(rows.astype(int), prepend=0) > 0).sum())


def interval(count: int) -> tuple[float, float]:
    """Return the exact 95 % interval of a Poisson mean.

    >>> [round(end, 2) for end in interval(10)]
    [4.8, 18.39]
    """
    lowest = float(special.gammaincinv(count, 0.025)) if count else 0.0
    return lowest, float(special.gammaincinv(count + 1, 0.975))


def row(kind: str, budget: str, n: int) -> tuple[float, int, float, float]:
    """Return (expected, found, ends of the interval of found / expected) over the streams of a kind."""
    found, apart, expected = 0, 0, 0.0
    threshold = Threshold.model_validate({"value": budget})
    for seed in range(STREAMS):
        judged, count, runs = judge(stream(kind, seed, n), budget)
        expected += judged * (threshold.share or threshold.per_second)
        found, apart = found + count, apart + runs
    lowest, highest = interval(apart)
    size = found / apart if apart else 1.0
    return expected, found, lowest * size / expected, highest * size / expected


def main() -> None:
    """Print one line for each kind of stream and budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=RECORDS, help="of each stream")
    n = parser.parse_args().records
    print(f"{'budget':<12}{'stream':<16}{'expected':>10}{'found':>8}{'ratio':>8}   95 % interval")
    for budget in BUDGETS:
        for kind in KINDS:
            expected, found, lowest, highest = row(kind, budget, n)
            line = f"{budget:<12}{kind:<16}{expected:>10.0f}{found:>8}{found / expected:>8.2f}"
            print(f"{line}   {lowest:.2f} to {highest:.2f}", flush=True)


if __name__ == "__main__":
    main()
