"""Labelled series, the rows of each that are only learned, and the half that each belongs to."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats

SKAB_WARMUP = 400
TRAIN_WARMUP = 1_000
TEST_CAP = 5_000
TABLE_CAP = 2_000
TABLE_WARMUP = 256
PROBATION = 0.15
PROBATION_CAP = 750
_STEP_S = {"asd": 300.0, "smd": 60.0}  # as their papers say; the files have no times

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Series:
    """One file.

    Attributes
    ----------
    group, name : str
        The group's name, and the file's within it.
    X : (n, d)
        Records in order, those to learn from first.
    y : (n,) bool
        True = labelled as an anomaly.
    warm : int
        So many rows are learned and not scored.
    time : (n,)
        Unix seconds; NaN where the file has none.
    windows : tuple of (first, last)
        Rows of NAB's labelled windows, both ends included.
    half : str
        ``A`` to choose by or ``B`` to report.
    """

    group: str
    name: str
    X: Floats
    y: NDArray[np.bool_]
    warm: int
    time: Floats
    windows: tuple[Span, ...] = ()
    half: str = ""

    def first(self, rows: int) -> Series:
        """Return the series cut after so many scored rows."""
        end = min(self.warm + rows, len(self.X))
        inside = tuple((a, min(b, end - 1)) for a, b in self.windows if a < end)
        return replace(self, X=self.X[:end], y=self.y[:end], time=self.time[:end], windows=inside)


def make(
    group: str, name: str, X: np.ndarray, y: np.ndarray, warm: int, time: Floats | None = None
) -> Series:
    """Return a series, its arrays in the types that it promises."""
    time = np.full(len(X), np.nan) if time is None else time
    return Series(group, name, np.ascontiguousarray(X, float), np.asarray(y) > 0, warm, time)


def table(group: str, name: str, X: np.ndarray, y: np.ndarray) -> Series:
    """Return rows without an order as a stream: shuffled with seed 0, at most 2,000."""
    order = np.random.default_rng(0).permutation(len(X))[:TABLE_CAP]
    return make(group, name, X[order], y[order], min(len(order) // 10, TABLE_WARMUP))


def halves(names: list[str]) -> dict[str, str]:
    """Return the half of each file of a group: even places of the sorted names are A, odd places B.

    Choices are made on A (tuning) and reported on B.

    >>> halves(["c", "a", "b"])
    {'a': 'A', 'b': 'B', 'c': 'A'}
    """
    return {name: "AB"[place % 2] for place, name in enumerate(sorted(names))}


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def _skab(folder: Path) -> Iterator[Series]:
    for path in folder.glob("*.csv"):
        with path.open(newline="") as file:
            header, *rows = csv.reader(file)
        if "anomaly" not in header:  # the run without faults cannot be ranked
            continue
        label = header.index("anomaly")
        X, y = (np.array([row[part] for row in rows], float) for part in (slice(1, label), label))
        yield make("skab", path.stem, X, y, SKAB_WARMUP, np.array([_seconds(row[0]) for row in rows]))


def _with_train(group: str, cap: int | None = None) -> Callable[[Path], Iterator[Series]]:
    """Return the reader of a group whose files have a part to learn from.

    Longer tests than `cap` are thinned to every second row, or third and so on; the first 5,000 rows of
    half the files of SMAP hold no anomaly.
    """

    def read(folder: Path) -> Iterator[Series]:
        for path in folder.glob("*.npz"):
            with np.load(path, allow_pickle=False) as data:
                before, X, y = data["X_train"][-TRAIN_WARMUP:], data["X"], data["y"]
            step = -(-len(X) // cap) if cap else 1
            X, y = X[::step], y[::step]
            X, y = np.concatenate([before, X]), np.concatenate([np.zeros(len(before)), y])
            time = np.arange(len(X)) * _STEP_S[group] if group in _STEP_S else None
            yield make(group, path.stem, X, y, len(before), time)

    return read


def _nab(folder: Path) -> Iterator[Series]:
    labels: dict[str, list[list[str]]] = json.loads((folder / "combined_windows.json").read_text())
    for name, windows in labels.items():
        path = folder / name
        if not path.exists():
            continue
        with path.open(newline="") as file:
            rows = list(csv.reader(file))[1:]
        time = [_seconds(row[0]) for row in rows]
        spans = tuple((time.index(_seconds(a)), time.index(_seconds(b))) for a, b in sorted(windows))
        y = np.zeros(len(rows), bool)
        for a, b in spans:
            y[a : b + 1] = True
        warm = min(int(PROBATION * len(rows)), PROBATION_CAP)
        X = np.array([[float(row[1])] for row in rows])
        yield replace(make("nab", name, X, y, warm, np.array(time)), windows=spans)


def _adbench(folder: Path) -> Iterator[Series]:
    for path in folder.glob("*.npz"):
        with np.load(path, allow_pickle=False) as data:
            yield table("adbench", path.stem, data["X"], data["y"])


READERS: dict[str, Callable[[Path], Iterator[Series]]] = {
    "skab": _skab,
    "asd": _with_train("asd"),
    "smd": _with_train("smd"),
    "msl": _with_train("msl", TEST_CAP),
    "smap": _with_train("smap", TEST_CAP),
    "adbench": _adbench,
    "nab": _nab,
}


def in_halves(files: Iterable[Series]) -> list[Series]:
    """Return the files of a group sorted by name, each with its half."""
    found = {one.name: one for one in files}
    return [replace(found[name], half=half) for name, half in halves(list(found)).items()]


def load(folder: Path, group: str) -> list[Series]:
    """Return the files of a group; none where the folder has no such group."""
    return in_halves(READERS[group](folder / group)) if (folder / group).is_dir() else []
