"""What the default detector costs beside a plain running covariance: ``python -m benchmarks.cost``.

The peer is the least that a detector by a running covariance does, in one compiled loop over complete
records: score a record by its D² from the factor L D L', then learn it by a rank-one update; no verdict, no
missing values, no reasons. It is made of the same functions as the product. Beside it stands our own
`RunningCovariance`: the same in one pass over the factor, which takes gaps, but gives no verdict either.

Ours is `Model.run` on one key, as the pipeline calls it. The stream is a series (each value .8 of the one
before, and noise) of correlated columns; all have seen its first records before they are timed. They take
turns, and the least CPU time of each counts, since whatever else runs on the machine can only add to it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np
from scipy import signal

from benchmarks.process import machine
from detector import RunningCovariance
from detector.contracts import Floats
from detector.jit import jit
from detector.model import Model
from detector.reference import moments
from detector.row import PRIOR, VECTORS, WEIGHT, chart_width
from detector.settings import Detector

DIMENSIONS = (5, 10, 20, 40)
MODES = ("auto", "iid", "plain")
BEFORE = 2_000  # records that a model has seen before it is timed
BATCH = 10_000
HALF_LIFE = 14_000.0


@jit()
def update(chart, X, scores):  # type: ignore[no-untyped-def]
    """Score every record of X by D², then learn it."""
    n, d = X.shape
    at = VECTORS + 4 * d
    v, z, precision, floors = np.empty(d), np.empty(d), np.empty(d), np.zeros(d)
    usable = np.empty(d, np.bool_)
    lam = 0.5 ** (1.0 / HALF_LIFE)
    for i in range(n):
        moments.centre(chart, X[i], v, usable, d)
        weight = chart[WEIGHT] + chart[PRIOR]
        scores[i] = moments.whiten(chart, at, v, z, precision, d, weight, floors)
        moments.learn_full(chart, v, d, at, lam, 1.0)


def series(n: int, d: int) -> Floats:
    """Return n records of d correlated columns that hang together."""
    rng = np.random.default_rng(d)
    noise = rng.normal(size=(n, d)) @ rng.normal(size=(d, d))
    return np.asarray(signal.lfilter([1.0], [1.0, -0.8], noise, axis=0))


def peer(before: Floats, X: Floats) -> Callable[[], object]:
    """Return the call that takes X through a plain update, which starts as a covariance of 1."""
    d = X.shape[1]
    chart, scores = np.zeros(chart_width(d, full=True)), np.empty(len(X))
    chart[VECTORS + 3 * d : VECTORS + 4 * d] = moments.KNOWN  # values seen of each column
    chart[WEIGHT] = 1.0
    chart[[VECTORS + 4 * d + j * d - j * (j - 1) // 2 for j in range(d)]] = 1.0
    update(chart, before, np.empty(len(before)))
    return lambda: update(chart, X, scores)


def running(before: Floats, X: Floats) -> Callable[[], object]:
    """Return the call that takes X through the distance alone."""
    model = RunningCovariance([str(j) for j in range(X.shape[1])], memory=int(HALF_LIFE))
    model.learn_many(before)
    return lambda: model.score_learn_many(X)


def ours(mode: str, before: Floats, X: Floats) -> Callable[[], object]:
    """Return the call that takes X through a model of this mode."""
    model = Model(Detector.model_validate({"mode": mode}), X.shape[1])
    rows = model.fresh()[None, :].copy()
    slots, clock = np.zeros(len(X), np.int64), np.zeros(len(X))
    model.run(rows, slots[: len(before)], before, clock[: len(before)])
    return lambda: model.run(rows, slots, X, clock)


def costs(d: int, rounds: int) -> dict[str, float]:
    """Return microseconds a record, of the plain updates and of each mode."""
    X = series(BEFORE + BATCH, d)
    before, timed = X[:BEFORE].copy(), X[BEFORE:].copy()
    calls = {
        "running": running(before, timed),
        "update": peer(before, timed),
        **{mode: ours(mode, before, timed) for mode in MODES},
    }
    best = dict.fromkeys(calls, np.inf)
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.process_time()
            call()
            best[name] = min(best[name], time.process_time() - start)
    return {name: 1e6 * taken / BATCH for name, taken in best.items()}


def compiling() -> float:
    """Return the seconds of a first start, in which the default's loop is compiled."""
    with tempfile.TemporaryDirectory() as empty:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "import detector.kernel.default"],
            check=True,
            env=os.environ | {"NUMBA_CACHE_DIR": empty},
        )
        return time.perf_counter() - start


def main() -> None:
    """Print one line for each number of columns, and what a first start takes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=60)
    rounds = parser.parse_args().rounds
    print(f"{machine()}; microseconds a record, and times the plain update\n")
    names = ("running", "update", *MODES)
    print(f"{'columns':<9}" + "".join(f"{name:>16}" for name in names))
    for d in DIMENSIONS:
        cost = costs(d, rounds)
        cells = [f"{cost[name]:.3f}  {cost[name] / cost['update']:5.2f} x" for name in names]
        print(f"{d:<9}" + "".join(f"{cell:>16}" for cell in cells), flush=True)
    print(f"\nthe first start, compiling the default: {compiling():.0f} s")


if __name__ == "__main__":
    main()
