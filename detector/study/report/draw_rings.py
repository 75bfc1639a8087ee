"""The row of two features: circle and ellipse around each class."""

from __future__ import annotations

import math

import numpy as np

from detector.contracts import Floats
from detector.study.report import svg
from detector.study.report.make import Pair, Report
from detector.study.report.rings import Ring

_LEFT, _TITLE, _AXIS, _LINE = 38, 26, 42, 19
_SIDE = svg.PANEL - _LEFT
_STEPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


def rings(report: Report) -> tuple[str, float]:
    """Return a panel for each class that has a ring."""
    pair = report.pair
    assert pair is not None  # noqa: S101 - else there is no such row
    reach = max(_reach(pair.P), *(float(np.abs(_curve(one)).max()) for one in pair.rings.values()))
    parts = []
    for n, (label, one) in enumerate(pair.rings.items()):
        parts += _panel(report, pair, label, one, n * (svg.PANEL + svg.GAP), 1.04 * reach)
    return "\n".join(parts), _TITLE + _SIDE + _AXIS + 2 * _LINE + 16


def _reach(P: Floats) -> float:
    return float(np.abs(P).max())


def _curve(one: Ring) -> Floats:
    """Return points on the circle and the ellipse."""
    turn = np.linspace(0.0, 2.0 * math.pi, 73)
    unit = np.column_stack([np.cos(turn), np.sin(turn)])
    curves = [one.center + one.radius * unit]
    if one.ellipse is not None:
        curves.append(one.center + unit @ one.ellipse.T)
    return np.concatenate(curves)


def _panel(report: Report, pair: Pair, label: int, one: Ring, left: float, reach: float) -> list[str]:
    x0, zoom = left + _LEFT, _SIDE / (2.0 * reach)
    origin = np.array([x0 + _SIDE / 2.0, _TITLE + _SIDE / 2.0])

    def on_page(P: Floats) -> Floats:
        return origin + P * (zoom, -zoom)

    name = svg.short(report.records.classes[label], 16)
    parts = [
        svg.text(x0, 17, f"around class {name}", more=svg.BOLD),
        svg.frame(x0, _TITLE, _SIDE, _SIDE),
        *_ticks(x0, reach, zoom),
    ]
    y = report.records.y
    for other in range(len(report.records.classes)):
        opacity = "" if other == label else ' fill-opacity=".45"'
        parts.append(svg.marks(other, on_page(pair.P[y == other]), opacity))
    curves = np.split(on_page(_curve(one)), 1 if one.ellipse is None else 2)
    for curve, dashes in zip(curves, (' stroke-dasharray="6 4"', ""), strict=False):
        d = "M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in curve.tolist())
        parts.append(f'<path class="line" stroke-width="1.6"{dashes} d="{d}"/>')
    (cx, cy), bottom = on_page(one.center).tolist(), _TITLE + _SIDE
    parts.append(f'<path class="line" stroke-width="2" d="M{cx - 6:.1f} {cy:.1f}h12m-6 -6v12"/>')
    parts.append(svg.text(x0 + _SIDE / 2, bottom + 34, svg.short(pair.features[0], 36), "text", svg.MIDDLE))
    middle = _TITLE + _SIDE / 2
    turned = f'{svg.MIDDLE} transform="rotate(-90 {left + 9:.1f} {middle:.1f})"'
    parts.append(svg.text(left + 9, middle, svg.short(pair.features[1], 36), "text", turned))
    return [*parts, *_counts(one, left, bottom + _AXIS)]


def _counts(one: Ring, left: float, base: float) -> list[str]:
    """Return how many strangers each line lets in."""
    said = [("Euclid", one.in_circle, ' stroke-dasharray="6 4"')]
    if one.ellipse is not None:
        said.append(("Mahalanobis", one.in_ellipse, ""))
    parts = []
    for words, inside, dashes in said:
        base += _LINE
        parts.append(f'<path class="line" stroke-width="1.6"{dashes} d="M{left} {base - 4:.1f}h26"/>')
        parts.append(svg.text(left + 33, base, words, "soft"))
        count = f"{inside} of {one.others} others in"
        parts.append(svg.text(left + svg.PANEL, base, count, more=svg.END + svg.BOLD))
    return parts


def _ticks(x0: float, reach: float, zoom: float) -> list[str]:
    """Return figures below and beside, the same on both axes."""
    step = next((step for step in _STEPS if 2 * reach / step <= 7), _STEPS[-1])
    parts, bottom = [], _TITLE + _SIDE
    for n in range(math.ceil(-reach / step), math.floor(reach / step) + 1):
        value = f"{n * step:g}".replace("-", "\N{MINUS SIGN}")
        at = n * step * zoom
        parts.append(svg.text(x0 + _SIDE / 2 + at, bottom + 16, value, "soft", svg.MIDDLE + _SMALL))
        parts.append(svg.text(x0 - 4, bottom - _SIDE / 2 - at + 4, value, "soft", svg.END + _SMALL))
    return parts


_SMALL = ' font-size="11"'
