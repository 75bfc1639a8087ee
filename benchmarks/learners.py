"""Every learner of a metric on the tutorial's data: ``python -m benchmarks.learners``.

The figure is the accuracy of the three nearest neighbours, cross-validated: the metric is learned, and the
scale measured, on two thirds of the 100 points and judged on the other third, three times for each seed. A
learner gets the points raw (as they are) or scaled (standardised, as `kyori metric learn` does). The seconds
are CPU time of one fit on scaled points.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.model_selection import StratifiedKFold

from benchmarks.process import machine
from detector.cli.data import points
from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Metric
from detector.metric.learners import LEARNERS, Examples, learn
from detector.study.report.records import Labels
from detector.study.report.spaces import Fit, held_out, raw

FOLDS = 3
FEATURES = ("f1", "f2", "f3", "f4", "f5")
BEGIN, END = "<!-- made by benchmarks.learners -->\n", "<!-- end -->\n"
BASELINES = {"standardize": "standardised", "covariance": "whitened"}
"""What needs no labels, as the table calls it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table; NaN = there is no such figure, or it failed."""

    name: str
    raw: float
    scaled: float
    seconds: float = float("nan")


def on_raw(name: str, seed: int) -> Fit:
    """Return the learner without standardising."""
    learner = LEARNERS[name]

    def fit(X: Floats, y: Labels) -> Metric:
        given = Examples(X, targets=y.astype(float)) if "targets" in learner.needs else Examples(X, y)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                L = learner.fit(given, seed, **learner.parameters)
        except (ValueError, ArithmeticError, np.linalg.LinAlgError) as error:
            raise MetricError(f"{name}: {error}") from error
        return Metric(L, np.zeros(X.shape[1]), np.ones(X.shape[1]), FEATURES, name)

    return fit


def on_scaled(name: str, seed: int, spent: list[float]) -> Fit:
    """Return the learner as it is used; notes the seconds of each fit."""

    def fit(X: Floats, y: Labels) -> Metric:
        start = time.process_time()
        metric = learn(name, X, y, FEATURES, seed=seed)
        spent.append(time.process_time() - start)
        return metric

    return fit


def accuracy(make: Callable[[int], Fit], seeds: int) -> float:
    """Return the mean over seeds, NaN if any fit fails."""
    found = []
    for seed in range(seeds):
        X, y = points(seed)
        fold = np.empty(len(y), np.int64)
        parted = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(X, y)
        for k, (_, held) in enumerate(parted):
            fold[held] = k
        try:
            found.append(held_out(make(seed), X, y, fold).accuracy)
        except MetricError as error:
            print(f"seed {seed}: {error}")
            return float("nan")
    return float(np.mean(found))


def measure(seeds: int) -> list[Row]:
    """Return a row for each baseline and each learner, the best on scaled points first among learners."""
    rows = [Row("raw", accuracy(lambda _: raw(FEATURES), seeds), float("nan"))]
    learned = []
    for name in LEARNERS:
        spent: list[float] = []
        scaled = accuracy(lambda seed, name=name, spent=spent: on_scaled(name, seed, spent), seeds)  # type: ignore[misc]
        bare = float("nan")
        if name != "standardize":  # which is the first row
            bare = accuracy(lambda seed, name=name: on_raw(name, seed), seeds)  # type: ignore[misc]
        row = Row(BASELINES.get(name, name), bare, scaled, float(np.mean(spent)) if spent else float("nan"))
        (rows if name in BASELINES else learned).append(row)
        print(f"{row.name}: {row.raw:.3f} raw, {row.scaled:.3f} scaled, {row.seconds:.3f} s", flush=True)
    return rows + sorted(learned, key=lambda row: -np.nan_to_num(row.scaled))


def table(rows: list[Row], seeds: int) -> str:
    """Return the table as Markdown."""
    lines = [
        f"3-NN accuracy on held-out points, {FOLDS}-fold, mean over seeds 0 to {seeds - 1}; {machine()}.",
        "",
        "| learner | raw input | scaled input | seconds a fit |",
        "|---|---|---|---|",
    ]
    for row in rows:
        cells = (_cell(value) for value in (row.raw, row.scaled, row.seconds))
        lines.append(f"| {row.name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.3f}"


def main() -> None:
    """Measure, and print the table; put it into a page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--docs", type=Path, help="put the table between its marks on this page as well")
    given = parser.parse_args()
    made = table(measure(given.seeds), given.seeds)
    print("\n" + made)
    if given.docs is not None:
        before, _, rest = given.docs.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        if not rest or not after:
            parser.error(
                f"{given.docs} has no {BEGIN.strip()} with a later {END.strip()}, and text behind it"
            )
        given.docs.write_text(f"{before}{BEGIN}\n{made}\n{END}{after}")


if __name__ == "__main__":
    main()
