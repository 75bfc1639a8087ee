"""A picture of a replay, as SVG: score against threshold, alerts, labelled incidents.

It brings its own colours for a light and a dark page, and loads nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape

import numpy as np

from detector.contracts import Floats
from detector.study.replay import Episode, Trace, incidents
from detector.study.report.svg import printable

WIDTH, PANEL = 960, 190
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 40, 26
_STRIP = 14  # below a panel's curve, for the alerts
_MOST_KEYS = 6
_ABOVE, _BELOW = 30.0, 100.0  # scores beyond so many times the threshold are drawn on the edge

_STYLE = """\
.page{fill:#ffffff}.grid{stroke:#dddddd}.text{fill:#333333}.faint{fill:#eeeeee}
.incident{fill:#f6c9a8}.score{stroke:#33557f}.threshold{stroke:#c0392b}.alert{fill:#c0392b}
@media(prefers-color-scheme:dark){
.page{fill:#14181d}.grid{stroke:#39414a}.text{fill:#d5d9de}.faint{fill:#232a32}
.incident{fill:#6b4526}.score{stroke:#8db7ea}.threshold{stroke:#ff7f6e}.alert{fill:#ff7f6e}
}"""

_STEPS = (
    *(1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 3 * 3600.0, 6 * 3600.0, 12 * 3600.0),
    *(86400.0 * days for days in (1, 2, 7, 14, 30, 90, 180, 365, 730, 1825)),
)

Place = Callable[[float], float]


def draw(trace: Trace, title: str) -> str:
    """Return the picture of a replay.

    With several keys there is a panel for each of the six with most alerts and incidents.

    Parameters
    ----------
    trace : Trace
        What the pipeline said.
    title : str
        For those who cannot see it, and as a tooltip.
    """
    known = incidents(trace)
    keys = _busiest(trace, known)
    height = TOP + len(keys) * (PANEL + BOTTOM) + (18 if len(keys) < len(trace.keys) else 0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" '
        'font-size="12" role="img">',
        f"<title>{escape(printable(title))}</title>",
        f"<style>{_STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{height}"/>',
        *_legend(labelled=trace.truth is not None),
    ]
    for n, key in enumerate(keys):
        parts += _panel(trace, key, [one for one in known if one.key == trace.keys[key]], _panel_top(n))
    if len(keys) < len(trace.keys):
        parts.append(_text(LEFT, height - 6, f"{len(trace.keys) - len(keys)} more keys are not drawn"))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel_top(n: int) -> float:
    return TOP + n * (PANEL + BOTTOM)


def _busiest(trace: Trace, known: Sequence[Episode]) -> list[int]:
    """Return the keys to draw, in their order."""
    events = Counter(one.key for one in (*trace.episodes, *known))
    counts = np.array([events[name] for name in trace.keys])
    return sorted(np.argsort(-counts, kind="stable")[:_MOST_KEYS].tolist())


def _panel(trace: Trace, key: int, known: Sequence[Episode], top: float) -> list[str]:
    """Return one key's curve, threshold, incidents and alerts."""
    here = trace.key == key
    clock, score, limit = trace.clock[here], trace.score[here], trace.threshold[here]
    start, end = float(clock[0]), float(clock[-1])
    floor = top + PANEL - _STRIP
    lowest, highest = _range(score, limit)

    def x(at: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (at - start) / max(end - start, 1e-9)

    def y(value: float) -> float:
        value = min(max(value, lowest), highest)
        return floor - (floor - top) * math.log(value / lowest) / math.log(highest / lowest)

    parts = [_bar("incident", one, x, top, floor - top) for one in known]
    silent = np.isnan(limit)
    if silent[0]:
        until = x(float(clock[int(np.argmin(silent))])) if not silent.all() else WIDTH - RIGHT
        parts.append(_rect("faint", LEFT, top, until - LEFT, floor - top))
        parts.append(_text(LEFT + 3, top + 13, "warm-up"))
    parts += _grid(lowest, highest, y)
    parts += _ticks(start, end, x, floor + _STRIP, timed=trace.timed)
    pixels = np.round(LEFT + (WIDTH - LEFT - RIGHT) * (clock - start) / max(end - start, 1e-9))
    parts.append(f'<path class="score" fill="none" stroke-width="1.1" d="{_curve(pixels, score, y)}"/>')
    line = _line(pixels[~silent], limit[~silent], y)
    parts.append(
        f'<path class="threshold" fill="none" stroke-width="1.3" stroke-dasharray="6 3" d="{line}"/>'
    )
    opened = [one for one in trace.episodes if one.key == trace.keys[key]]
    parts += [_bar("alert", one, x, floor + 3, 7) for one in opened]
    if trace.keys[key]:
        parts.append(
            f'<text class="text" x="{WIDTH - RIGHT - 4}" y="{top + 13}" text-anchor="end" '
            f'font-weight="bold">{escape(printable(trace.keys[key]))}</text>'
        )
    return parts


def _range(score: Floats, limit: Floats) -> tuple[float, float]:
    """Return the lowest and highest value of the axis."""
    seen = score[score > 0.0]
    if not len(seen):
        return 0.1, 1.0
    limits = limit[np.isfinite(limit)]
    highest, lowest = float(seen.max()), float(np.quantile(seen, 0.01))
    if len(limits):
        highest = max(min(highest, _ABOVE * float(limits.max())), float(limits.max()))
        lowest = min(max(lowest, float(limits.min()) / _BELOW), float(limits.min()))
    return min(lowest, highest / 3.0), 1.1 * highest


def _curve(pixels: Floats, values: Floats, y: Place) -> str:
    """Return a line that goes through the lowest and the highest value on each pixel."""
    starts = np.flatnonzero(np.diff(pixels, prepend=-1.0))
    low, high = np.minimum.reduceat(values, starts), np.maximum.reduceat(values, starts)
    points = [
        f"{at:.0f} {y(bottom):.1f}V{y(top):.1f}"
        for at, bottom, top in zip(pixels[starts].tolist(), low.tolist(), high.tolist(), strict=True)
    ]
    return "M" + "L".join(points)


def _line(pixels: Floats, values: Floats, y: Place) -> str:
    """Return a line through the first value on each pixel."""
    if not len(pixels):
        return ""
    starts = np.flatnonzero(np.diff(pixels, prepend=-1.0))
    points = [
        f"{at:.0f} {y(value):.1f}"
        for at, value in zip(pixels[starts].tolist(), values[starts].tolist(), strict=True)
    ]
    return "M" + "L".join(points)


def _grid(lowest: float, highest: float, y: Place) -> list[str]:
    """Return a line and a figure for each power of ten, and for 2 and 5 times it where there are few."""
    powers = [10.0**e for e in range(math.floor(math.log10(lowest)), math.ceil(math.log10(highest)) + 1)]
    values = [power for power in powers if lowest <= power <= highest]
    if len(values) < 3:
        values = [power * part for power in powers for part in (1, 2, 5) if lowest <= power * part <= highest]
    parts = []
    for value in values:
        at = f"{y(value):.1f}"
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}"/>')
        parts.append(
            f'<text class="text" x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        )
    return parts


def _ticks(start: float, end: float, x: Place, base: float, *, timed: bool) -> list[str]:
    """Return moments below the axis, at most eight."""
    span = max(end - start, 1e-9)
    if timed:
        step = next((step for step in _STEPS if span / step <= 8), span)
    else:
        step = 10.0 ** math.floor(math.log10(span))
        step = next((step * part for part in (0.2, 0.5, 1.0, 2.0) if span / (step * part) <= 8), step)
    form = "%-d %b %Y" if step >= 30 * 86400.0 else "%-d %b" if step >= 86400.0 else "%-d %b %H:%M"
    parts = []
    for n in range(math.ceil(start / step), math.floor(end / step) + 1):
        at = n * step
        if x(at) > WIDTH - 3 * RIGHT:
            continue  # its text would be cut
        label = datetime.fromtimestamp(at, UTC).strftime(form) if timed else f"{at:.0f}"
        parts.append(
            f'<text class="text" x="{x(at):.1f}" y="{base + 14}" text-anchor="middle">{label}</text>'
        )
    return parts


def _bar(kind: str, one: Episode, x: Place, top: float, height: float) -> str:
    return _rect(kind, x(one.start), top, max(x(one.end) - x(one.start), 1.5), height)


def _rect(kind: str, left: float, top: float, width: float, height: float) -> str:
    size = f'width="{max(width, 0.0):.1f}" height="{height:.1f}"'
    return f'<rect class="{kind}" x="{left:.1f}" y="{top:.1f}" {size}/>'


def _text(left: float, base: float, text: str) -> str:
    return f'<text class="text" x="{left}" y="{base}">{escape(text)}</text>'


def _legend(*, labelled: bool) -> list[str]:
    marks = [
        ('<line class="score" x1="{x}" x2="{r}" y1="17" y2="17" stroke-width="2"/>', "score", 58),
        (
            '<line class="threshold" x1="{x}" x2="{r}" y1="17" y2="17" stroke-width="2" '
            'stroke-dasharray="5 2"/>',
            "threshold",
            82,
        ),
        ('<rect class="alert" x="{x}" y="13" width="16" height="7"/>', "alert open", 88),
    ]
    if labelled:
        marks.append(
            ('<rect class="incident" x="{x}" y="11" width="16" height="11"/>', "labelled incident", 0)
        )
    parts, at = [], LEFT
    for mark, text, width in marks:
        parts += [mark.replace("{x}", str(at)).replace("{r}", str(at + 16)), _text(at + 21, 21, text)]
        at += width + 32
    return parts
