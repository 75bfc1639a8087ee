"""What the robust start costs, beside scikit-learn's MinCovDet: ``python -m benchmarks.robust``.

In the second case a fifth of the rows are outliers. Contestants take turns, five times; the median CPU time
counts. scikit-learn draws subsets at random; ours has two fixed starts and gives weights only.
"""

from __future__ import annotations

import time
import warnings
from statistics import median

import numpy as np
from sklearn.covariance import MinCovDet

from benchmarks.process import machine
from detector.reference.robust import robust_start

SIZES = ((200, 2), (200, 10), (400, 10), (200, 38), (400, 38))
ROUNDS = 5


def draw(n: int, d: int, share: float) -> np.ndarray:
    """Return correlated records, a share of them far out along one direction."""
    rng = np.random.default_rng(d)
    X = rng.normal(size=(n, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)
    X[: round(share * n)] += 10.0
    return X


def main() -> None:
    """Print milliseconds of both, and the ratio."""
    warnings.simplefilter("ignore")
    print(machine())
    print(f"{'rows':>5}{'columns':>9}{'outliers':>10}{'ours, ms':>10}{'MinCovDet, ms':>15}{'ratio':>8}")
    for n, d in SIZES:
        for share in (0.0, 0.2):
            X = draw(n, d, share)
            robust_start(X, 1e-4)
            times: tuple[list[float], list[float]] = ([], [])
            for _ in range(ROUNDS):
                before = time.process_time()
                robust_start(X, 1e-4)
                between = time.process_time()
                MinCovDet(random_state=0).fit(X)
                times[0].append(between - before)
                times[1].append(time.process_time() - between)
            ours, theirs = (1e3 * median(one) for one in times)
            print(f"{n:>5}{d:>9}{share:>10.0%}{ours:>10.2f}{theirs:>15.1f}{theirs / ours:>8.0f}")


if __name__ == "__main__":
    main()
