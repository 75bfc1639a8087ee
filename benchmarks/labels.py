"""What a few labels are worth, and what they break: ``python -m benchmarks.labels --data DIR``.

Each table of `adbench` (at most 2,000 rows, shuffled) is cut into halves that have as many anomalies each.
The first half streams through the default detector without labels, score then learn. Then 50 of its normal
rows and k of its anomalies are labelled, and the second half is scored by the frozen detector: each row by
itself. Only tables with at least 2k anomalies count. Deciders get mean and covariance from the detector's own
chart; labelled normals have the level 1.0, as if they had just alerted.

Every decider ranks; only ours also has to leave the scores where they were far from all labels. So there is a
second table: faults of a kind that nobody labelled, normal rows of the second half with one column moved by
8 standard deviations, and how many normal rows and anomalies lie above the threshold in force.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.svm import SVC

from benchmarks.accuracy.data import Series, load
from detector import row
from detector.contracts import Batch, Floats
from detector.labels.book import FLOOR
from detector.labels.decider import Decider
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.snapshot import moments, whitening

NORMALS = 50
FAULTS = 5, 10, 20
SEEDS = 10
MARGIN = 0.02
NOVEL, MOVED = 0.05, 8.0  # share of the normal rows, and standard deviations


@dataclass(frozen=True)
class Problem:
    """One table, one seed, one k.

    Attributes
    ----------
    faults, normals : (k, d), (50, d)
        Labelled rows.
    X, y, score, threshold : (n, d), (n,), (n,), (n,)
        The rows held out, whether they are anomalies, and what the detector says without labels.
    centre, whiten : (d,), (d, d)
        Of the detector's chart.
    """

    faults: Floats
    normals: Floats
    X: Floats
    y: np.ndarray
    score: Floats
    threshold: Floats
    centre: Floats
    whiten: Floats

    def z(self, X: Floats) -> Floats:
        """Return whitened deviations, squeezed: the best of what was tried for each peer."""
        return np.arcsinh((X - self.centre) @ self.whiten.T)

    def u(self, X: Floats) -> Floats:
        """Return the same of each column by itself, beside the whitened ones."""
        sd = np.sqrt(np.diag(np.linalg.inv(self.whiten.T @ self.whiten)))
        return np.column_stack([np.arcsinh((X - self.centre) / sd), self.z(X)])

    def supervised(self, features: Callable[[Floats], Floats]) -> tuple[Floats, np.ndarray, Floats]:
        """Return standardised features of labelled rows, their labels, and the features of those held out."""
        train, test = features(np.concatenate([self.faults, self.normals])), features(self.X)
        mean, sd = train.mean(axis=0), train.std(axis=0) + 1e-9
        y = np.arange(len(train)) < len(self.faults)
        return (train - mean) / sd, y, (test - mean) / sd


class Detector:
    """The product, fed with one half of a table."""

    def __init__(self, X: Floats) -> None:
        d = X.shape[1]
        names = [f"f{j}" for j in range(d)]
        settings = {"record": {"features": names}, "detector": {"mode": "iid"}}
        self.pipeline = Pipeline("labels", Settings.model_validate(settings))
        columns = {name: np.ascontiguousarray(X[:, j]) for j, name in enumerate(names)}
        clock = np.arange(len(X), dtype=float)
        self.pipeline.process(Batch(columns, clock, np.full(len(X), "", object)))
        self.now = clock[-1]
        known = moments(self.pipeline.pool.rows[0, row.HEAD :], d, full=True)
        self.centre, self.whiten = known.mean, whitening(known, FLOOR)

    def frozen(self, X: Floats) -> tuple[Floats, Floats]:
        """Return score and threshold of each row by itself."""
        rows, slots = self.pipeline.pool.rows, np.zeros(len(X), np.int64)
        clock = np.full(len(X), self.now)
        scores = self.pipeline.model.run(rows, slots, np.ascontiguousarray(X), clock, frozen=True)
        return scores.score, scores.threshold


def problems(table: Series, seed: int) -> Iterator[tuple[int, Problem, Problem]]:
    """Return k, the problem, and the same with faults of an unknown kind held out."""
    rng = np.random.default_rng(seed)
    first = np.zeros(len(table.X), bool)
    for kind in (False, True):
        rows = rng.permutation(np.flatnonzero(table.y == kind))
        first[rows[: (len(rows) + 1) // 2]] = True
    order = rng.permutation(len(table.X))
    learned, held = order[first[order]], order[~first[order]]
    detector = Detector(table.X[learned])
    faults, normals = learned[table.y[learned]], learned[~table.y[learned]][:NORMALS]
    X, y = table.X[held], table.y[held]
    usual = X[~y].copy()
    novel = np.arange(len(usual)) < NOVEL * len(usual)
    sd = table.X[learned].std(axis=0)
    column = rng.integers(0, X.shape[1], novel.sum())
    usual[novel, column] += MOVED * sd[column] * rng.choice([-1.0, 1.0], novel.sum())
    known, unknown = (X, y, *detector.frozen(X)), (usual, novel, *detector.frozen(usual))
    for k in FAULTS:
        if table.y.sum() >= 2 * k:
            labelled = table.X[faults[:k]], table.X[normals]
            one, other = (
                Problem(*labelled, *rest, detector.centre, detector.whiten) for rest in (known, unknown)
            )
            yield k, one, other


def none(problem: Problem) -> Floats:
    """Return the detector's score."""
    return problem.score


def kissme(problem: Problem) -> Floats:
    """Return the distance from the centre by KISSME's metric: pairs of normals, pairs of normal and fault."""
    faults, normals, Z = problem.z(problem.faults), problem.z(problem.normals), problem.z(problem.X)
    same = normals[:, None] - normals[None]
    other = faults[:, None] - normals[None]
    inverses = []
    for pairs in (same.reshape(-1, Z.shape[1]), other.reshape(-1, Z.shape[1])):
        covariance = pairs.T @ pairs / len(pairs)
        ridge = 0.1 * np.trace(covariance) / len(covariance)
        inverses.append(np.linalg.inv(covariance + ridge * np.eye(len(covariance))))
    values, vectors = np.linalg.eigh(inverses[0] - inverses[1])
    return ((Z @ vectors) ** 2 * np.maximum(values, 0.0)).sum(axis=1)


def ratio(problem: Problem) -> Floats:
    """Return the distance from the nearest normal over that from the nearest fault."""
    Z = problem.z(problem.X)
    near, far = (cdist(Z, problem.z(points)).min(axis=1) for points in (problem.faults, problem.normals))
    return (far + 1e-6) / (near + 1e-6)


def logit(problem: Problem) -> Floats:
    """Return the ridge logit of z, z² and log D²."""

    def features(X: Floats) -> Floats:
        Z = problem.z(X)
        return np.column_stack([Z, Z**2, np.log((np.sinh(Z) ** 2).sum(axis=1) + 1e-6)])

    train, y, test = problem.supervised(features)
    return LogisticRegression(max_iter=500).fit(train, y).decision_function(test)


def svm(problem: Problem) -> Floats:
    """Return the decision of scikit-learn's RBF machine on columns and z."""
    train, y, test = problem.supervised(problem.u)
    return SVC(class_weight="balanced").fit(train, y).decision_function(test)


def trees(problem: Problem) -> Floats:
    """Return the vote of scikit-learn's extra trees on columns and z; the score decides ties."""
    train, y, test = problem.supervised(problem.u)
    forest = ExtraTreesClassifier(100, class_weight="balanced", random_state=0).fit(train, y)
    return forest.predict_proba(test)[:, 1] + 1e-6 * problem.score / problem.score.max()


def ours(problem: Problem) -> Floats:
    """Return the score times the decider's factor."""
    decider = Decider.fit(problem.faults, problem.normals, problem.centre, problem.whiten)
    return problem.score * decider.factor(problem.X)


DECIDERS: dict[str, Callable[[Problem], Floats]] = {
    "none": none, "KISSME": kissme, "ratio": ratio, "ridge logit": logit, "RBF machine": svm,
    "extra trees": trees, "ours": ours,
}  # fmt: skip


@dataclass(frozen=True)
class Measured:
    """What one decider did at one problem.

    Attributes
    ----------
    table, half, k : str, str, int
        Which problem.
    ap, auc, change : float
        Of the anomalies held out; average precision less that without labels.
    novel : float
        Average precision of faults of an unknown kind.
    false, found : float
        Share of the normal rows and of the anomalies above the threshold.
    seconds : float
        To learn the labels and to score the half held out: what each new label costs.
    """

    table: str
    half: str
    k: int
    ap: float
    auc: float
    change: float
    novel: float
    false: float
    found: float
    seconds: float


def measure(tables: list[Series], seeds: int) -> dict[str, list[Measured]]:
    """Return what each decider did at every problem."""
    out: dict[str, list[Measured]] = {name: [] for name in DECIDERS}
    for table in tables:
        print(f"{table.name} {table.X.shape}", file=sys.stderr, flush=True)
        for seed in range(seeds):
            for k, one, other in problems(table, seed):
                before = average_precision_score(one.y, one.score)
                for name, decide in DECIDERS.items():
                    start = time.perf_counter()
                    score = decide(one)
                    seconds = time.perf_counter() - start
                    ap, auc = average_precision_score(one.y, score), roc_auc_score(one.y, score)
                    novel = average_precision_score(other.y, decide(other))
                    false, found = ((score >= one.threshold)[one.y == kind].mean() for kind in (False, True))
                    about = table.name, table.half, k
                    out[name].append(Measured(*about, ap, auc, ap - before, novel, false, found, seconds))
    return out


def _mean(of: list[Measured], what: str) -> float:
    return float(np.mean([getattr(one, what) for one in of]))


def _by_k(of: list[Measured], what: str) -> str:
    return "/".join(f"{_mean([one for one in of if one.k == k], what):.3f}"[1:] for k in FAULTS)


def report(measured: dict[str, list[Measured]]) -> None:
    """Print both tables."""
    tables = [len({one.table for one in measured["none"] if one.k == k}) for k in FAULTS]
    print(f"k = {'/'.join(map(str, FAULTS))} labelled anomalies and {NORMALS} normals; tables: {tables}")
    print(
        "mean average precision (AP) and AUC of the half held out; by half of the tables: A to choose by, B"
    )
    print(f"{'decider':<14}{'AP':<17}{'AUC':<17}{'AP of A':<17}{'AP of B':<17}not worse by {MARGIN}")
    for name, of in measured.items():
        halves = [_by_k([one for one in of if one.half == half], "ap") for half in "AB"]
        kept = "/".join(f"{np.mean([one.change >= -MARGIN for one in of if one.k == k]):.2f}" for k in FAULTS)
        print(f"{name:<14}{_by_k(of, 'ap'):<17}{_by_k(of, 'auc'):<17}{halves[0]:<17}{halves[1]:<17}{kept}")
    print(
        "\nwhat labels may break: AP of faults of a kind that nobody labelled; above the threshold, of all k"
    )
    print(f"{'decider':<14}{'AP, unknown kind':<20}{'normal rows':<14}anomalies")
    for name, of in measured.items():
        above = f"{_mean(of, 'false'):<14.2%}{_mean(of, 'found'):.0%}" if name in ("none", "ours") else ""
        print(f"{name:<14}{_by_k(of, 'novel'):<20}{above}")
    own = _mean(measured["ours"], "seconds")
    print("\ntime to take the labels in and score the half held out, beside ours")
    print(", ".join(f"{name} {_mean(of, 'seconds') / own:.2g}" for name, of in measured.items()))
    print("\nAP of each table at its largest k")
    print(f"{'table':<18}{'half':<6}{'k':<5}" + "".join(f"{name:>13}" for name in measured))
    for table, half in sorted({(one.table, one.half) for one in measured["none"]}):
        k = max(one.k for one in measured["none"] if one.table == table)
        cells = [
            _mean([one for one in of if (one.table, one.k) == (table, k)], "ap") for of in measured.values()
        ]
        print(f"{table:<18}{half:<6}{k:<5}" + "".join(f"{cell:>13.3f}" for cell in cells))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="directory with the folder adbench")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="of each table")
    arguments = parser.parse_args()
    tables = load(arguments.data, "adbench")
    if not tables:
        parser.error(f"no folder adbench with .npz files in {arguments.data}")
    report(measure(tables, arguments.seeds))


if __name__ == "__main__":
    main()
