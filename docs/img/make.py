"""Draws incidents.svg: what `kyori demo` sees of the bundled server. ``python docs/img/make.py``.

The records go through the pipeline of examples/demo.yaml, settings untouched, straight from the file
instead of over MQTT; that gives the same alerts. The labelled incidents are only drawn, never used.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from connectors.sources.file import FileOptions, FileSource
from detector.config.load import load_text
from detector.contracts import Alert
from detector.demo.summary import read_incidents
from detector.pipeline import Pipeline
from detector.registry import DISTANCES, sink_options, source_options

EXAMPLES = Path(__file__).parents[2] / "examples"
WIDTH, HEIGHT = 960, 300
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 34, 54
LOWEST, HIGHEST = 0.1, 30.0
DAY = 86400.0


def run() -> tuple[np.ndarray, np.ndarray, list[Alert]]:
    """Return time and level of every record, and the alerts."""
    environ = {"KYORI_DEMO_DIR": "out", "KYORI_DEMO_BROKER": "mqtt://127.0.0.1:1883"}
    text = (EXAMPLES / "demo.yaml").read_bytes()
    config = load_text(text, "demo.yaml", source_options(), sink_options(), DISTANCES, environ=environ)
    settings = config.pipelines["server"].model_copy(update={"key": ""})  # one server: the topic names it
    pipeline = Pipeline("server", settings)
    source = FileSource("csv", FileOptions(paths=(str(EXAMPLES / "asd" / "omi-2.csv"),)), pipeline.layout)
    source.open(b"")
    batch = source.read(100_000, 1.0)
    source.close()
    assert batch is not None  # noqa: S101 - the file is there
    result = pipeline.process(batch)
    return result.clock, result.scores.level, result.alerts


def draw(
    time: np.ndarray, level: np.ndarray, alerts: list[Alert], incidents: list[tuple[float, float]]
) -> str:
    """Return the picture as SVG."""
    start, end = float(time[0]), float(time[-1])
    floor = HEIGHT - BOTTOM

    def x(seconds: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (seconds - start) / (end - start)

    def y(value: float) -> float:
        value = min(max(value, LOWEST), HIGHEST)
        return floor - (floor - TOP) * math.log(value / LOWEST) / math.log(HIGHEST / LOWEST)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12" role="img">',
        "<title>Level of every record of the bundled server, with labelled incidents and alerts</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
    ]
    for opened, closed in incidents:
        width = max(x(closed) - x(opened), 1.5)
        parts.append(
            f'<rect x="{x(opened):.1f}" y="{TOP}" width="{width:.1f}" height="{floor - TOP}" fill="#f6c9a8"/>'
        )
    for value in (0.1, 1, 10):
        at = f"{y(value):.1f}"
        parts.append(
            f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at}" y2="{at}" stroke="#dddddd"/>'
            f'<text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end" fill="#444444">{value:g}</text>'
        )
    parts.append(f'<path d="{_columns(time, level, x, y)}" stroke="#33557f" stroke-width="1.1" fill="none"/>')
    parts.append(
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(1):.1f}" y2="{y(1):.1f}" stroke="#c0392b" '
        'stroke-width="1.2" stroke-dasharray="6 3"/>'
    )
    for opened, closed in _spans(alerts, end):
        width = max(x(closed) - x(opened), 1.5)
        parts.append(
            f'<rect x="{x(opened):.1f}" y="{floor + 5}" width="{width:.1f}" height="7" fill="#c0392b"/>'
        )
    for day in range(math.ceil(start / DAY), math.floor(end / DAY) + 1, 2):
        label = datetime.fromtimestamp(day * DAY, UTC).strftime("%-d Jan")
        place = f'x="{x(day * DAY):.1f}" y="{floor + 29}"'
        parts.append(f'<text {place} text-anchor="middle" fill="#444444">{label}</text>')
    silent = x(float(time[np.isnan(level)][-1]))
    parts += [
        f'<rect x="{LEFT}" y="{TOP}" width="{silent - LEFT:.1f}" height="{floor - TOP}" fill="#eeeeee"/>',
        f'<text x="{LEFT + 2}" y="{TOP + 14}" fill="#666666" font-size="10">warm-up</text>',
        *_legend(),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _columns(time: np.ndarray, level: np.ndarray, x: object, y: object) -> str:
    """Return one stroke for each pixel, from the lowest to the highest level that falls on it."""
    by_pixel: dict[int, list[float]] = {}
    for at, value in zip(time.tolist(), level.tolist(), strict=True):
        if not math.isnan(value):
            by_pixel.setdefault(round(x(at)), []).append(value)  # type: ignore[operator]
    strokes = []
    for place, values in by_pixel.items():
        low, high = y(min(values)), y(max(values))  # type: ignore[operator]
        strokes.append(f"M{place} {low + 0.5:.1f}V{high - 0.5:.1f}")
    return "".join(strokes)


def _spans(alerts: list[Alert], end: float) -> list[tuple[float, float]]:
    spans = {alert.id: (alert.opened, alert.time if alert.status == "closed" else end) for alert in alerts}
    return list(spans.values())


def _legend() -> list[str]:
    marks = (
        ('<rect x="{x}" y="10" width="14" height="10" fill="#f6c9a8"/>', "labelled incident (not used)", 190),
        ('<line x1="{x}" x2="{r}" y1="15" y2="15" stroke="#33557f" stroke-width="2"/>', "level", 62),
        (
            '<line x1="{x}" x2="{r}" y1="15" y2="15" stroke="#c0392b" stroke-dasharray="4 2"/>',
            "threshold (level 1)",
            132,
        ),
        ('<rect x="{x}" y="12" width="14" height="7" fill="#c0392b"/>', "alert open", 90),
    )
    parts, at = [], LEFT
    for mark, text, width in marks:
        parts.append(mark.format(x=at, r=at + 14))
        parts.append(f'<text x="{at + 19}" y="19" fill="#222222">{text}</text>')
        at += width + 24
    return parts


def main() -> None:
    """Write the picture beside this file."""
    time, level, alerts = run()
    incidents = read_incidents(EXAMPLES / "asd" / "omi-2.incidents.csv")
    (Path(__file__).parent / "incidents.svg").write_text(draw(time, level, alerts, incidents))


if __name__ == "__main__":
    main()
