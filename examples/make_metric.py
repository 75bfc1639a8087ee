"""Learn `examples/asd/metric.npz` from the labelled incidents of five servers that the demo does not replay.

::

    python examples/make_metric.py DATA/asd

Needs the Application Server Dataset as .npz files (X_train, X, y each), of which omi-2 is bundled as CSV. The
metric is judged on each server in turn, learned from the four others: mean average precision of `distance:
learned` beside the default detector, whose place it would take, and by the baselines of the rule.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from detector.contracts import Batch
from detector.metric import archive
from detector.metric.learned import Metric
from detector.metric.learners import learn
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.study.metrics import average_precision
from detector.training import files

SERVERS = ("omi-1", "omi-4", "omi-6", "omi-8", "omi-11")
FEATURES = tuple(f"metric_{number:02d}" for number in range(1, 20))
CANDIDATES = ("kissme", "mmc_diagonal", "itml", "lfda", "covariance", "standardize")
WARMUP, MARGIN = 1000, 0.02
LEARNED = {"distance": "learned", "metric": "it"}

Server = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]


def read(path: Path) -> Server:
    """Return the records before the labelled ones, those, and which are anomalies."""
    with np.load(path, allow_pickle=False) as data:
        return data["X_train"][-WARMUP:].astype(float), data["X"].astype(float), data["y"].astype(np.int64)


def metric_of(servers: list[Server], algorithm: str) -> Metric:
    """Return the metric learned from the labelled records of these servers, each less its own usual mean."""
    X = np.vstack([server[1] - server[0].mean(0) for server in servers])
    y = np.concatenate([server[2] for server in servers])
    return learn(algorithm, X, y, FEATURES)


def precision(server: Server, detector: dict[str, Any], metric: Metric | None) -> float:
    """Return the average precision on the labelled records of a server, which stream by as they are."""
    settings = Settings.model_validate({"record": {"features": list(FEATURES)}, "detector": detector})
    pipeline = Pipeline("server", settings)
    if metric is not None:
        pipeline.use(metric)
    scores = []
    for X in server[:2]:
        columns = {name: np.ascontiguousarray(X[:, j]) for j, name in enumerate(FEATURES)}
        batch = Batch(columns, np.full(len(X), np.nan), np.full(len(X), "", object))
        scores.append(pipeline.process(batch).scores.score)
    return average_precision(server[2] == 1, scores[1])


def main() -> None:
    """Choose, judge and write the metric."""
    folder = Path(sys.argv[1])
    servers = [read(folder / f"{name}.npz") for name in SERVERS]
    usual = [precision(server, {}, None) for server in servers]
    print("default detector", np.round(usual, 3), round(float(np.mean(usual)), 3))
    figures = {}
    for name in CANDIDATES:
        each = [
            precision(
                server,
                LEARNED,
                metric_of(servers[:i] + servers[i + 1 :], name),
            )
            for i, server in enumerate(servers)
        ]
        figures[name] = float(np.mean(each))
        print(name, np.round(each, 3), round(figures[name], 3))
    best = max(CANDIDATES[:-2], key=figures.__getitem__)
    baseline = float(np.mean(usual))
    metric = replace(
        metric_of(servers, best),
        figures={
            "average_precision": figures[best], "average_precision_default": baseline,
            "average_precision_standardize": figures["standardize"],
            "average_precision_covariance": figures["covariance"], "folds": float(len(SERVERS)),
            "margin": MARGIN, "promoted": float(figures[best] > baseline + MARGIN),
        },
    )  # fmt: skip
    path = Path(__file__).parent / "asd" / "metric.npz"
    files.write(path, archive.to_bytes(metric))
    print(path, metric.id, metric.figures)


if __name__ == "__main__":
    main()
