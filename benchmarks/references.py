"""What a reference is worth where a part of what is learned is faulty: ``python -m benchmarks.references``.

Five correlated columns; a share of the records are faults, each of their columns 4 standard deviations too
high. Everything is learned. Printed for each reference: how far it ends from the mean of the clean records
(root mean square over the columns, in standard deviations), and by two distances how well the scores after
the warm-up rank the faults (ROC AUC).
"""

from __future__ import annotations

import numpy as np

from detector.model import Model
from detector.scores import Scores
from detector.settings import Detector
from detector.study.metrics import roc_auc

REFERENCES = ("mean", "median", "geometric_median", "trimmed", "medoid", "fixed")
SHARES = (0.05, 0.2, 0.35)
RECORDS, COLUMNS, BY, WARMUP = 20_000, 5, 4.0, 100


def draw(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Return records of mean 0 and standard deviation 1, and which of them are faults."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(RECORDS, 1))
    X = np.sqrt(0.5) * (common + rng.normal(size=(RECORDS, COLUMNS)))
    faults = rng.random(RECORDS) < share
    X[faults] += BY
    return X, faults


def run(reference: str, distance: str, X: np.ndarray) -> Scores:
    """Score and learn all; the last record is explained."""
    settings = {
        "mode": "plain",
        "learn_from": "all",
        "distance": distance,
        "reference": {"kind": "fixed", "values": {"all": 0.0}} if reference == "fixed" else reference,
    }
    model = Model(Detector.model_validate(settings), COLUMNS, fixed=np.zeros(COLUMNS))
    rows, slots = model.fresh()[None].copy(), np.zeros(len(X), np.int64)
    asked = np.arange(len(X)) == len(X) - 1
    return model.run(rows, slots, X, np.arange(1.0, len(X) + 1), explain=asked)


def main() -> None:
    """Print one row for each share of faults and reference."""
    print(f"{'faults':>8}  {'reference':<18}{'off by':>8}{'mahalanobis':>15}{'standardized':>15}")
    for share in SHARES:
        X, faults = draw(share)
        for reference in REFERENCES:
            whole, alone = run(reference, "mahalanobis", X), run(reference, "standardized", X)
            off = np.sqrt((alone.expected[-1] ** 2).mean())  # what that distance expects is the reference
            ranked = [roc_auc(faults[WARMUP:], scores.score[WARMUP:]) for scores in (whole, alone)]
            print(f"{share:>8.0%}  {reference:<18}{off:>8.2f}{ranked[0]:>15.3f}{ranked[1]:>15.3f}")


if __name__ == "__main__":
    main()
