"""How often a clean stream's window is told as a shift: ``python -m benchmarks.shift``.

Four streams of each kind, 200,000 records of 5 features, in windows of 200; asked for is 1 % of them, which
should lie within the exact 95 % interval of what was found, a Poisson count. Two kinds are beyond what is
promised: records that hang together over a hundred, and very skewed ones.
"""

from __future__ import annotations

import argparse

import numpy as np
from scipy import signal

from benchmarks import budget
from detector.contracts import Floats
from detector.model import Model
from detector.settings import Detector

STREAMS = 4
RATE = 0.01
WINDOW = 200


def stream(kind: str, seed: int, n: int) -> Floats:
    """Return a clean stream with some covariance."""
    if kind in budget.KINDS:
        return budget.stream(kind, seed, n)
    rng = np.random.default_rng([len(kind), seed])
    noise, mixing = rng.normal(size=(n + 2000, budget.FEATURES)), rng.normal(size=(budget.FEATURES,) * 2)
    if kind == "slow":
        return np.asarray(signal.lfilter([1.0], [1.0, -0.99], noise, axis=0)[2000:] @ mixing, float)
    return np.asarray(np.exp(0.5 * noise[2000:] @ mixing), float)


def told(kind: str, mode: str, n: int) -> tuple[int, int]:
    """Return the windows judged, and those told as shifts."""
    windows = far = 0
    for seed in range(STREAMS):
        settings = {"mode": mode, "shift": {"window": WINDOW, "rate": RATE}}
        model = Model(Detector.model_validate(settings), budget.FEATURES)
        rows, X = model.fresh()[None].copy(), np.ascontiguousarray(stream(kind, seed, n))
        moved = model.run(rows, np.zeros(n, np.int64), X, np.arange(1.0, n + 1)).moved
        assert moved is not None
        level = moved.level[~np.isnan(moved.level[:, 0]), 0]
        windows, far = windows + len(level), far + int((level >= 1.0).sum())
    return windows, far


def main() -> None:
    """Print one line for each kind of stream and mode."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=200_000, help="of each stream")
    n = parser.parse_args().records
    print(f"{'mode':<8}{'stream':<16}{'expected':>10}{'found':>8}   95 % interval")
    for mode in ("plain", "auto"):
        for kind in (*budget.KINDS, "slow", "lognormal"):
            windows, far = told(kind, mode, n)
            lowest, highest = budget.interval(far)
            line = f"{mode:<8}{kind:<16}{RATE * windows:>10.0f}{far:>8}   {lowest:.0f} to {highest:.0f}"
            print(line, flush=True)


if __name__ == "__main__":
    main()
