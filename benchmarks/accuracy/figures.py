"""Figures of one detector on one file, small enough to be kept: what they cost to make can be an hour."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.accuracy import nab
from benchmarks.accuracy.data import Series
from benchmarks.accuracy.metrics import SPANS, Counts, ranking, smooth
from benchmarks.accuracy.output import Output


@dataclass(frozen=True, slots=True)
class Figures:
    """What is kept of one detector's output on one file.

    Attributes
    ----------
    seconds : float
        CPU time it took.
    ranked : dict of int to (AUC, AP)
        By span of smoothing.
    peaks : dict of int to list of (row, score)
        NAB only, by span: scores that exceed the 200 before them.
    verdict, in_alert : (tp, fp, fn, tn) or None
        Rows flagged by the detector itself, and rows while it had an alert open.
    opened : list of int or None
        Rows at which an alert opened.
    """

    seconds: float
    ranked: dict[int, tuple[float, float]] = field(default_factory=dict)
    peaks: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    verdict: tuple[int, int, int, int] | None = None
    in_alert: tuple[int, int, int, int] | None = None
    opened: list[int] | None = None

    @classmethod
    def load(cls, saved: dict[str, Any]) -> Figures:
        """Return what `asdict` made and JSON has no words for: numbers as keys, and tuples."""
        ranked = {int(span): tuple(pair) for span, pair in saved["ranked"].items()}
        peaks = {int(span): [tuple(peak) for peak in peaks] for span, peaks in saved["peaks"].items()}
        counts = {name: saved[name] and tuple(saved[name]) for name in ("verdict", "in_alert")}
        return cls(**{**saved, **counts, "ranked": ranked, "peaks": peaks})


def measure(series: Series, output: Output) -> Figures:
    """Return the figures of an output."""
    y, ranked, peaks = series.y[series.warm :], {}, {}
    for span in SPANS:
        score = smooth(output.score, span)
        if series.group == "nab":
            rows = nab.standing_out(score)
            peaks[span] = [(i, score[i].item()) for i in rows.tolist() if i >= series.warm]
        else:
            ranked[span] = ranking(score[series.warm :], y)

    def counted(verdict: np.ndarray | None) -> tuple[int, int, int, int] | None:
        if verdict is None:
            return None
        counts = Counts.of(verdict[series.warm :], y)
        return counts.tp, counts.fp, counts.fn, counts.tn

    opened = None if output.opened is None else output.opened.tolist()
    return Figures(output.seconds, ranked, peaks, counted(output.anomaly), counted(output.in_alert), opened)


class Cache:
    """Figures of detectors on files, in a JSON file; made anew when file or version changed.

    Attributes
    ----------
    versions : set of str
        Of the detectors whose figures were handed out.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.versions: set[str] = set()
        self._kept: dict[str, Any] = json.loads(path.read_text()) if path and path.exists() else {}

    def get(
        self, name: str, version: str, series: Series, make: Callable[[], Output] | None
    ) -> Figures | None:
        """Return what is kept, else what comes of `make`; without `make` any version will do, or None."""
        content = hashlib.blake2b(series.X.tobytes() + series.y.tobytes(), digest_size=6).hexdigest()
        key = f"{name}|{series.group}|{series.name}|{series.warm}|{content}"
        kept = self._kept.get(key)
        if make is not None and (kept is None or kept["version"] != version):
            kept = self._kept[key] = {"version": version, "figures": asdict(measure(series, make()))}
            self._save()
        if kept is None:
            return None
        self.versions.add(kept["version"])
        return Figures.load(kept["figures"])

    def _save(self) -> None:
        if self._path is not None:
            part = self._path.with_suffix(".part")
            part.write_text(json.dumps(self._kept))
            part.replace(self._path)
