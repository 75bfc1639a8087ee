"""The row of flat pictures: before, standardised, after, with their figures below."""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.metric.compare import NEIGHBOURS
from detector.study.report import svg
from detector.study.report.make import Report, Space
from detector.study.text import share

_TITLE, _FIGURE_LINE = 26, 19
_BESIDE = 18  # between a mark of the legend and its text
_LETTER = 7.4  # a letter's width, about
_LONGEST = 24


def legend(report: Report) -> tuple[str, float]:
    """Return the marks of the classes, with as many lines as they need."""
    counts = np.bincount(report.records.y)
    parts, x, y = [], 0.0, 18.0
    for label, name in enumerate(report.records.classes):
        words = f"{svg.short(name, _LONGEST)} ({counts[label]})"
        wide = _BESIDE + _LETTER * len(words) + 12
        if x and x + wide > svg.WIDTH:
            x, y = 0.0, y + 20.0
        parts.append(svg.marks(label, np.array([[x + 8.0, y - 4.5]])))
        parts.append(svg.text(x + _BESIDE, y, words))
        x += wide
    return "\n".join(parts), y + 10.0


def embeddings(report: Report) -> tuple[str, float]:
    """Return the drawn spaces side by side."""
    drawn = [space for space in report.spaces if space.places is not None]
    parts = [
        part
        for n, space in enumerate(drawn)
        for part in _panel(report, space, n * (svg.PANEL + svg.GAP))
    ]  # fmt: skip
    return "\n".join(parts), _TITLE + svg.PANEL + 3 * _FIGURE_LINE + 16


def _panel(report: Report, space: Space, left: float) -> list[str]:
    assert space.places is not None  # noqa: S101 - chosen by it
    learned = space is report.learned
    name = f"learned by {space.name}" if learned else space.name
    rank = f"rank {space.rank} of {len(report.records.features)}"
    parts = [
        svg.text(left, 17, svg.short(name, 26), more=svg.BOLD),
        svg.text(left + svg.PANEL, 17, rank, "soft", svg.END),
        svg.frame(left, _TITLE, svg.PANEL, svg.PANEL),
    ]
    places = _within(space.places, left, _TITLE)
    parts += [
        svg.marks(label, places[report.records.y == label], ' fill-opacity=".85"')
        for label in range(len(report.records.classes))
    ]
    figures = [
        (f"{NEIGHBOURS}-NN accuracy", space.figures.accuracy),
        ("silhouette", space.figures.silhouette),
        ("trustworthiness of the picture", space.trustworthiness),
    ]
    base = _TITLE + svg.PANEL + 3
    for words, value in figures:
        base += _FIGURE_LINE
        parts.append(svg.text(left, base, words, "soft"))
        parts.append(svg.text(left + svg.PANEL, base, share(value), more=svg.END + svg.BOLD))
    return parts


def _within(places: Floats, left: float, top: float) -> Floats:
    """Return places (n, 2) moved into a panel, with one scale for both axes."""
    low, high = places.min(axis=0), places.max(axis=0)
    room = svg.PANEL - 24.0
    zoom = room / max(float((high - low).max()), 1e-12)
    middle = np.array([left, top]) + svg.PANEL / 2.0
    inside: Floats = (places - (low + high) / 2.0) * (zoom, -zoom) + middle
    return inside
