"""What a comparison of learners with baselines found, and what follows from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from detector.errors import MetricError

MARGIN = 0.02
FIGURES = {
    "average_precision": "average precision",
    "accuracy": "3-NN accuracy",
    "r2": "R² of 3-NN",
}
"""By which figure candidates are compared, and what a person calls it."""


@dataclass(frozen=True)
class Candidate:
    """What was measured of a learner.

    Attributes
    ----------
    name : str
        The algorithm.
    figure : float
        Mean over the folds; NaN where it failed.
    sd : float
        Standard deviation over the folds.
    failure : str
        Why it has no figure; "" = it has one.
    """

    name: str
    figure: float = math.nan
    sd: float = math.nan
    failure: str = ""


@dataclass(frozen=True)
class Comparison:
    """Candidates and baselines by the same figure on the same folds.

    Attributes
    ----------
    by : str
        One of `FIGURES`.
    folds : int
        How often the records were parted.
    margin : float
        By how much a candidate must exceed the best baseline.
    candidates, baselines : tuple of Candidate
        The best first; those that failed last.
    """

    by: str
    folds: int
    margin: float
    candidates: tuple[Candidate, ...]
    baselines: tuple[Candidate, ...]

    @property
    def chosen(self) -> Candidate:
        """The best candidate."""
        return self.candidates[0]

    @property
    def best_baseline(self) -> Candidate:
        """The best baseline."""
        return self.baselines[0]

    @property
    def promoted(self) -> bool:
        """Whether the best candidate exceeds both baselines by the margin, and 0, which an R² may not."""
        return self.chosen.figure > max(self.best_baseline.figure, 0.0) + self.margin

    @property
    def verdict(self) -> str:
        """Promoted or not, and why, in a sentence."""
        chosen, baseline, by = self.chosen, self.best_baseline, FIGURES[self.by]
        if chosen.failure:
            return f"not promoted: {chosen.name} failed: {chosen.failure}"
        if baseline.failure:
            return f"not promoted: the baseline {baseline.name} failed: {baseline.failure}"
        figures = f"{by} {chosen.figure:.3f}; {baseline.name} has {baseline.figure:.3f}"
        if self.promoted:
            return f"promoted: {chosen.name} has {figures}"
        if baseline.figure < 0.0:
            figures += ", their mean without any metric 0"
        return f"not promoted: {chosen.name} has {figures}, and the margin is {self.margin:g}"

    def figures(self) -> dict[str, float]:
        """Return what was measured of the best candidate and the baselines, for `Metric.figures`."""
        named = {f"{self.by}_{one.name}": one.figure for one in self.baselines if not one.failure}
        own = {} if self.chosen.failure else {self.by: self.chosen.figure}
        return own | named | {"folds": self.folds, "margin": self.margin, "promoted": float(self.promoted)}

    def to_plain(self) -> dict[str, Any]:
        """Return what JSON can hold; a figure that is none is null."""
        return {
            "by": self.by,
            "folds": self.folds,
            "margin": self.margin,
            "candidates": [_plain(one) for one in self.candidates],
            "baselines": [_plain(one) for one in self.baselines],
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Comparison:
        """Return the comparison that `to_plain` was called of.

        Raises
        ------
        MetricError
            It is something else.
        """
        try:
            comparison = cls(
                plain["by"], plain["folds"], float(plain["margin"]),
                tuple(_candidate(one) for one in plain["candidates"]),
                tuple(_candidate(one) for one in plain["baselines"]),
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise MetricError(f"a comparison that cannot be read: {error!r}") from None
        sound = (
            comparison.by in FIGURES and type(comparison.folds) is int and math.isfinite(comparison.margin)
        )
        if not sound or not comparison.candidates or not comparison.baselines:
            raise MetricError("a comparison that makes no sense")
        return comparison


def _plain(one: Candidate) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in asdict(one).items()
    }


def _candidate(plain: Mapping[str, Any]) -> Candidate:
    name, failure = plain["name"], plain["failure"]
    if not isinstance(name, str) or not isinstance(failure, str):
        raise TypeError("a candidate without a name")
    figure, sd = (math.nan if plain[key] is None else float(plain[key]) for key in ("figure", "sd"))
    return Candidate(name, figure, sd, failure)
