"""From figures of files to figures of groups: means, the choice on half A, and NAB's one threshold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy import nab
from benchmarks.accuracy.data import Series
from benchmarks.accuracy.figures import Figures
from benchmarks.accuracy.metrics import SPANS, Counts

MEAN_OF = ("skab", "asd", "smd", "adbench")
"""The groups whose mean counts; on MSL and SMAP the row's number alone nearly wins."""

Variant = tuple[int, int]
"""Records by which learning was delayed, and span of smoothing."""
RAW: Variant = (0, 1)


@dataclass(frozen=True, slots=True)
class Ranked:
    """Means over files of ROC AUC and average precision."""

    auc: float
    ap: float

    @property
    def both(self) -> float:
        """What choices are made by."""
        return self.auc + self.ap


@dataclass(frozen=True, slots=True)
class Nab:
    """NAB's score: of half A and of all at their best threshold, of half B at A's, and at its own.

    NaN where there is no file.
    """

    a: float
    b: float
    b_own: float
    all: float


class Group:
    """One detector on the files of one group.

    Parameters
    ----------
    files : sequence of Series
        The group's files.
    by_delay : dict of int to dict of str to Figures
        Figures of the files, by name, by delay.
    """

    def __init__(self, files: Sequence[Series], by_delay: dict[int, dict[str, Figures]]) -> None:
        self._files = {one.name: one for one in files}
        self._by_delay = by_delay

    def of(self, half: str) -> list[str]:
        """Return the names of the files of a half, or of all."""
        return [name for name, one in self._files.items() if half in ("all", one.half)]

    @property
    def seconds(self) -> float:
        """CPU time of one pass over all files."""
        return sum(one.seconds for one in self._by_delay[min(self._by_delay)].values())

    def ranked(self, half: str, variant: Variant = RAW) -> Ranked:
        """Return the mean figures; files of one label only do not count."""
        delay, span = variant
        rows = [self._by_delay[delay][name].ranked[span] for name in self.of(half)]
        rows = [row for row in rows if not math.isnan(row[0])]
        return Ranked(*np.mean(rows, axis=0).tolist()) if rows else Ranked(math.nan, math.nan)

    def by_file(self) -> dict[str, Ranked]:
        """Return the figures of each file, as the scores are."""
        delay, span = RAW
        return {name: Ranked(*one.ranked[span]) for name, one in self._by_delay[delay].items()}

    def chosen(self) -> Variant:
        """Return the variant that ranks half A best; without a difference, the plainest."""
        variants = [(delay, span) for delay in sorted(self._by_delay) for span in SPANS]
        return max(variants, key=lambda variant: self.ranked("A", variant).both)

    def _peaks(self, half: str, variant: Variant) -> list[nab.Alarms]:
        delay, span = variant
        return [
            nab.given(self._files[name], self._by_delay[delay][name].peaks[span]) for name in self.of(half)
        ]

    def nab(self, variant: Variant = RAW) -> Nab:
        """Return NAB's score of what stands out among 200, one threshold for all files."""
        a, b = self._peaks("A", variant), self._peaks("B", variant)
        best, threshold = nab.best(a)
        if not b:
            return Nab(best, math.nan, math.nan, math.nan)
        return Nab(best, nab.at_threshold(b, threshold), nab.best(b)[0], nab.best(a + b)[0])

    def nab_chosen(self) -> Variant:
        """Return the variant with the best score on half A."""
        variants = [(delay, span) for delay in sorted(self._by_delay) for span in SPANS]
        return max(variants, key=lambda variant: nab.best(self._peaks("A", variant))[0])

    def nab_alerts(self, half: str) -> tuple[float, int] | None:
        """Return NAB's score of the detector's own alerts, and their number; None where it has none."""
        figures = self._by_delay[min(self._by_delay)]
        given = []
        for name in self.of(half):
            opened = figures[name].opened
            if opened is None:
                return None
            given.append(nab.given(self._files[name], [(row, 1.0) for row in opened]))
        if not given:
            return None
        return nab.at_threshold(given, 1.0), sum(len(one.score) for one in given)

    def verdict(self, half: str, *, in_alert: bool) -> Counts | None:
        """Return the rows of all files by label and the detector's own verdict."""
        figures = self._by_delay[min(self._by_delay)]
        total = Counts()
        for name in self.of(half):
            counts = figures[name].in_alert if in_alert else figures[name].verdict
            if counts is None:
                return None
            total += Counts(*counts)
        return total

    def always(self, half: str) -> Counts:
        """Return the same of a verdict that flags every row."""
        y = [self._files[name].y[self._files[name].warm :] for name in self.of(half)]
        return Counts(tp=int(sum(one.sum() for one in y)), fp=int(sum((~one).sum() for one in y)))
