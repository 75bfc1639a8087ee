"""Labelled data that is there already: scikit-learn's and river's own sets, and the project's example."""

from __future__ import annotations

import csv
from collections.abc import Iterator

import numpy as np

from benchmarks.accuracy.data import Series, in_halves, make, table
from detector.demo.run import examples
from detector.demo.summary import read_incidents, timestamp

_SERVER_WARMUP = 400
_RARE = 10


def server() -> Iterator[Series]:
    """Yield the server of the demo with its incidents."""
    folder = examples() / "asd"
    with (folder / "omi-2.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    time = np.array([timestamp(row[0]) for row in rows])
    y = np.zeros(len(rows), bool)
    for start, end in read_incidents(folder / "omi-2.incidents.csv"):
        y |= (time >= start) & (time <= end)
    yield make("server", "omi-2", np.array([row[1:] for row in rows], float), y, _SERVER_WARMUP, time)


def tables() -> Iterator[Series]:
    """Yield tables of which one class is made rare and called the anomaly."""
    from sklearn import datasets  # noqa: PLC0415

    X, y = datasets.load_breast_cancer(return_X_y=True)
    yield _rare("breast cancer", X, y == 0)
    X, y = datasets.load_digits(return_X_y=True)
    for digit in range(10):
        yield _rare(f"digit {digit}", X, y == digit)
    yield _shuttle()


def _rare(name: str, X: np.ndarray, anomaly: np.ndarray) -> Series:
    """Keep every tenth anomaly."""
    keep = ~anomaly
    keep[np.flatnonzero(anomaly)[::_RARE]] = True
    return table("tables", name, X[keep], anomaly[keep])


def _shuttle() -> Series:
    from river.datasets import Shuttle  # noqa: PLC0415

    records = list(Shuttle())
    X = np.array([list(record.values()) for record, _ in records], float)
    return table("tables", "shuttle", X, np.array([int(label) for _, label in records]))


READERS = {"server": server, "tables": tables}


def load(group: str) -> list[Series]:
    """Return the sets of a group."""
    return in_halves(READERS[group]())
