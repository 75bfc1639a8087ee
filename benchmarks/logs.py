"""What lines of a log tell, beside a peer: ``python -m benchmarks.logs --data DIR``.

DIR holds ``BGL_2k.log_structured.csv`` of loghub: 2,000 lines of a supercomputer's log, 143 of them marked as
alerts by its operators. One line is one judgement: a score for each, score then learn, in one pass and
without labels; ROC AUC and average precision over single lines. Settings were chosen on the first half only.

The lines are put together as they were, without the mark, and go through `format: log`. Beside ours:

- the level alone, as it stands in the line: what nothing but reading the line gives;
- an isolation forest on hashed words of a window of lines (tumbling; each line has the score of its window),
  and of each line by itself. It begins after 100 lines and is fitted anew on all past windows every 100.
"""

from __future__ import annotations

import argparse
import csv
import io
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import IsolationForest

from benchmarks.accuracy.metrics import ranking
from connectors.sources.stdin import StdinOptions, StreamSource
from detector.contracts import Floats
from detector.logs import configure
from detector.pipeline import Pipeline
from detector.scoring import batches
from detector.settings import Pipeline as Settings

FILE = "BGL_2k.log_structured.csv"
_RAW = ("Timestamp", "Date", "Node", "Time", "NodeRepeat", "Type", "Component", "Level", "Content")
_LEVELS = {"INFO": 1, "WARNING": 2, "ERROR": 3, "SEVERE": 3, "FAILURE": 3, "FATAL": 4}
_BUCKETS, _REFIT = 64, 100

OURS: Mapping[str, dict[str, Any]] = {
    "level, rarity": {"record": {"features": ["level", "rarity"]}, "detector": {"mode": "iid"}},
    "level": {"record": {"features": ["level"]}, "detector": {"mode": "plain"}},
}
"""What `docs/logs.md` advises for single lines, and the best on the first half."""


def read(folder: Path) -> tuple[list[str], NDArray[np.bool_], list[dict[str, str]]]:
    """Return the lines as they were, which of them are alerts, and the columns of each."""
    with (folder / FILE).open(newline="") as file:
        rows = list(csv.DictReader(file))
    lines = [" ".join(row[name] for name in _RAW) for row in rows]
    return lines, np.array([row["Label"] != "-" for row in rows]), rows


def ours(lines: list[str], settings: dict[str, Any]) -> Floats:
    """Return the score of each line by the product, from its text on."""
    pipeline = Pipeline("logs", Settings.model_validate(settings))
    options = StdinOptions.model_validate({"format": "log", "log": {"per": "line"}})
    stream = io.BytesIO("\n".join(lines).encode())
    score = []
    for batch in batches(StreamSource("logs", options, pipeline.layout, stream)):
        result = pipeline.process(batch)
        score.append(np.zeros(len(batch)))
        score[-1][result.used] = result.scores.score
    return np.concatenate(score)


def forest(lines: list[str], size: int) -> Floats:
    """Return the score of each line by an isolation forest on hashed words of its window."""
    windows = [lines[at : at + size] for at in range(0, len(lines), size)]
    X = np.array([_hashed(window) for window in windows])
    score = np.zeros(len(X))
    step = max(_REFIT // size, 1)
    for at in range(step, len(X), step):
        fitted = IsolationForest(random_state=0).fit(X[:at])
        score[at : at + step] = -fitted.score_samples(X[at : at + step])
    return np.repeat(score, size)[: len(lines)]


def _hashed(window: list[str]) -> Floats:
    """Return how often the words of a window fall into each bucket; those with digits are one word."""
    counts = np.zeros(_BUCKETS)
    for line in window:
        for word in line.split():
            masked = "#" if any(map(str.isdigit, word)) else word
            counts[zlib.crc32(masked.encode()) % _BUCKETS] += 1
    return counts


def table(folder: Path) -> dict[str, list[tuple[float, float]]]:
    """Return ROC AUC and average precision of each, on the first half, the second, and all lines."""
    lines, y, rows = read(folder)
    half = len(lines) // 2
    parts = (slice(0, half), slice(half, None), slice(None))
    runs: dict[str, Callable[[], Floats]] = {
        f"kyori: {name}": lambda settings=settings: ours(lines, settings) for name, settings in OURS.items()
    }
    runs["the level alone"] = lambda: np.array([_LEVELS[row["Level"]] for row in rows], float)
    for size in (1, 10, 20):
        runs[f"isolation forest, {size} line{'s' * (size > 1)}"] = lambda size=size: forest(lines, size)
    scores = {name: run() for name, run in runs.items()}
    return {name: [ranking(score[part], y[part]) for part in parts] for name, score in scores.items()}


def main() -> None:
    """Print one line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help=f"where {FILE} is")
    folder = parser.parse_args().data
    configure("warning")
    print(f"{'AUC / AP over single lines':<28}{'first half':>16}{'second half':>16}{'all':>16}")
    for name, parts in table(folder).items():
        print(f"{name:<28}" + "".join(f"{auc:.3f} / {ap:.3f}".rjust(16) for auc, ap in parts))


if __name__ == "__main__":
    main()
