"""The row of the metric itself: spectrum of M, and M as a heat map."""

from __future__ import annotations

import math

import numpy as np

from detector.contracts import Floats
from detector.metric.learned import Metric
from detector.study.report import svg
from detector.study.report.make import Report
from detector.study.text import number

_TITLE, _HIGH = 26, 250
_MOST_BARS, _MOST_CELLS, _MOST_FIGURES = 20, 16, 8
_RIGHT = svg.PANEL + svg.GAP + 120  # where the cells begin; the names stand before them
_SMALL = ' font-size="11"'


def matrix(report: Report) -> tuple[str, float]:
    """Return spectrum and heat map side by side."""
    metric = report.metric
    shown = np.sort(np.argsort(-np.diag(metric.M), kind="stable")[:_MOST_CELLS])
    cell = min(_HIGH / len(shown), 44.0)
    parts = [*_spectrum(metric), *_heat_map(metric, shown, cell)]
    return "\n".join(parts), _TITLE + _HIGH + 76


def _spectrum(metric: Metric) -> list[str]:
    """Return a bar for each eigenvalue of M, as a share of their sum."""
    d, shares = len(metric.features), metric.spectrum / metric.spectrum.sum()
    bars = shares[:_MOST_BARS].tolist()
    base, wide = _TITLE + _HIGH, svg.PANEL / len(bars)
    of = f"rank {metric.rank} of {d}, condition {number(metric.condition)}"
    parts = [
        svg.text(0, 17, "spectrum of M", more=svg.BOLD),
        svg.text(svg.PANEL, 17, of, "soft", svg.END),
        f'<path class="frame" d="M0 {base}H{svg.PANEL}"/>',
    ]
    for n, value in enumerate(bars):
        tall, middle = value / max(bars) * (_HIGH - 22), (n + 0.5) * wide
        parts.append(
            f'<rect class="bar" x="{n * wide + wide * 0.15:.1f}" y="{base - tall:.1f}" '
            f'width="{wide * 0.7:.1f}" height="{tall:.1f}"/>'
        )
        if len(bars) <= _MOST_FIGURES:
            parts.append(
                svg.text(
                    middle,
                    base - tall - 6,
                    _percent(value),
                    "soft",
                    svg.MIDDLE,
                )
            )
        if n % math.ceil(len(bars) / 10) == 0:
            parts.append(svg.text(middle, base + 16, str(n + 1), "soft", svg.MIDDLE + _SMALL))
    more = "" if d <= _MOST_BARS else f", {_MOST_BARS} of {d}"
    parts.append(svg.text(0, base + 36, f"eigenvalues, shares of the sum{more}", "soft"))
    return parts


def _percent(share: float) -> str:
    return "0" if share < 0.0005 else f"{100 * share:.{0 if share >= 0.1 else 1}f} %"


def _heat_map(metric: Metric, shown: np.ndarray, cell: float) -> list[str]:
    """Return M as cells: how much a deviation counts (diagonal), or two together."""
    M: Floats = metric.M[np.ix_(shown, shown)] / np.abs(metric.M).max()
    d, names = len(metric.features), [metric.features[j] for j in shown.tolist()]
    base = _TITLE + len(names) * cell
    parts = [svg.text(_RIGHT, 17, "M, in parts of its largest value", more=svg.BOLD)]
    for i, name in enumerate(names):
        middle, y = (i + 0.5) * cell, _TITLE + (i + 0.5) * cell + 4
        parts.append(svg.text(_RIGHT - 28, y, svg.short(name, 12), more=svg.END))
        parts.append(svg.text(_RIGHT - 8, y, str(i + 1), "soft", svg.END + _SMALL))
        parts.append(svg.text(_RIGHT + middle, base + 14, str(i + 1), "soft", svg.MIDDLE + _SMALL))
        for j, value in enumerate(M[i].tolist()):
            x, kind = _RIGHT + j * cell, "bar" if value >= 0.0 else "minus"
            size = f'width="{cell - 1:.1f}" height="{cell - 1:.1f}"'
            parts.append(
                f'<rect class="{kind}" fill-opacity="{max(abs(value), 0.03):.2f}" x="{x:.1f}" '
                f'y="{_TITLE + i * cell:.1f}" {size}/>'
            )
            if len(names) <= _MOST_FIGURES:
                figure = f"{round(value, 2) + 0.0:.2f}".replace("-", "\N{MINUS SIGN}").replace("0.", ".")
                ink = "on" if abs(value) > 0.6 else "text"
                parts.append(svg.text(x + cell / 2 - 0.5, y, figure, ink, svg.MIDDLE + _SMALL))
    return [
        *parts,
        *_key(_RIGHT + len(names) * cell + 30, "" if d == len(names) else f"of {d}, those that count most"),
    ]


def _key(left: float, more: str) -> list[str]:
    """Return what the colours and the cells mean."""
    parts = []
    for n, (kind, words) in enumerate((("bar", "above 0"), ("minus", "below 0"))):
        y = _TITLE + 14 + 22 * n
        parts.append(f'<rect class="{kind}" x="{left}" y="{y - 11}" width="13" height="13"/>')
        parts.append(svg.text(left + 20, y, words, "soft"))
    parts.append(svg.text(left, _TITLE + 62, more, "soft"))
    lines = (
        "On the diagonal: how much a feature counts by itself. Beside it: more",
        "(above 0) or less (below 0) when both deviate the same way.",
    )
    for n, words in enumerate(lines):
        parts.append(svg.text(svg.PANEL + svg.GAP, _TITLE + _HIGH + 44 + 18 * n, words, "soft"))
    return parts
