"""The whole default detector, a batch at a time, beside other streaming detectors as they come.

Each peer takes the records as its own documentation has it, one by one, with its usual settings; rrcf has no
detector of its own, so its forest is the one of its streaming example: 40 trees of 256 records.
"""

from __future__ import annotations

import importlib.util
import shutil
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from scipy import signal

from benchmarks.speed.compare import Effort, Row, Work, rates
from benchmarks.speed.kernel import draw
from detector.model import Model
from detector.settings import Detector

_D = 10
_BATCH = 10_000
_LEARNED = 12_000
_TREES, _TREE_SIZE = 40, 256


def measure(effort: Effort) -> Iterator[Row]:
    """Yield a row for each peer that is installed."""
    n = effort.records(200_000, _BATCH)
    series = np.asarray(signal.lfilter([1.0], [1.0, -0.8], draw(n, _D) - 20, axis=0))
    for name, module, goal, most, make in (
        ("PySAD LODA", "pysad", 50.0, 4_000, loda),
        ("CapyMOA HalfSpaceTrees", "capymoa", 25.0, 20_000, half_space_trees),
        ("rrcf, 40 trees of 256", "rrcf", 5_000.0, 200, forest),
    ):
        reason = missing(module)
        if reason:
            print(f"{f'default detector / {name}':<34}skipped: {reason}")
            continue
        few = effort.records(most)
        rate = rates(
            {
                "series": ours(series),
                "alone": ours(draw(n, _D)),
                "peer": make(draw(2 * few + _TREE_SIZE, _D), few),
            },
            effort.rounds,
        )
        yield Row(
            f"default detector / {name}",
            "records/s",
            min(rate["series"], rate["alone"]),
            rate["peer"],
            name,
            goal,
            beside=f"d = {_D}; a series {rate['series']:,.0f}/s, independent rows {rate['alone']:,.0f}/s",
        )


def missing(module: str) -> str:
    """Return why a peer cannot take part; "" = it can."""
    if importlib.util.find_spec(module) is None:
        return f"{module} is not installed; `make bench-speed` has it"
    if module == "capymoa" and shutil.which("java") is None:
        return "it needs java: apt-get install default-jre-headless"
    return ""


def ours(X: np.ndarray) -> Work:
    """Return the default detector at work, which has found out the form of the stream before."""
    model = Model(Detector(), X.shape[1])
    rows, slots = model.fresh()[None, :].copy(), np.zeros(max(len(X), _LEARNED), np.int64)
    clock = np.zeros(len(slots))
    start = X[np.arange(_LEARNED) % len(X)]
    model.run(rows, slots[:_LEARNED], start, clock[:_LEARNED])

    def call() -> None:
        for at in range(0, len(X), _BATCH):
            part = X[at : at + _BATCH]
            model.run(rows, slots[: len(part)], part, clock[: len(part)])

    return len(X), call


def _one_by_one(take: Callable[[Any], object], records: Any, few: int) -> Work:
    """Return the call that takes `few` more records each time, and begins again after the last."""
    at = 0

    def call() -> None:
        nonlocal at
        for _ in range(few):
            take(records[at % len(records)])
            at += 1

    return few, call


def loda(X: np.ndarray, few: int) -> Work:
    """Return PySAD's LODA at work."""
    from pysad.models import LODA  # noqa: PLC0415 - installed for this alone

    warnings.filterwarnings("ignore", module="pysad")
    model = LODA()
    model.fit_partial(X[0])
    return _one_by_one(model.fit_score_partial, X, few)


def half_space_trees(X: np.ndarray, few: int) -> Work:
    """Return MOA's half-space trees at work, on instances that were made before; its JVM gets warm first."""
    from capymoa.anomaly import HalfSpaceTrees  # noqa: PLC0415 - starts a JVM
    from capymoa.stream import NumpyStream  # noqa: PLC0415

    stream = NumpyStream(X, np.zeros(len(X), int))
    model = HalfSpaceTrees(stream.get_schema())
    instances = [stream.next_instance() for _ in range(len(X))]

    def take(instance: Any) -> None:
        model.score_instance(instance)
        model.train(instance)

    for instance in instances:
        take(instance)
    return _one_by_one(take, instances, few)


def forest(X: np.ndarray, few: int) -> Work:
    """Return a robust random cut forest at work, full."""
    import rrcf  # noqa: PLC0415 - installed for this alone

    trees, number = [rrcf.RCTree() for _ in range(_TREES)], 0

    def take(x: np.ndarray) -> None:
        nonlocal number
        for tree in trees:
            if len(tree.leaves) >= _TREE_SIZE:
                tree.forget_point(number - _TREE_SIZE)
            tree.insert_point(x, index=number)
            tree.codisp(number)
        number += 1

    for x in X[:_TREE_SIZE]:
        take(x + 1e-9)
    return _one_by_one(take, X[_TREE_SIZE:], few)
