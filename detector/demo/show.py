"""What a person sees while the demo runs: a live panel on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from detector.demo.replay import Replay
from detector.progress import Progress

_BARS = "▁▂▃▄▅▆▇█"
_LINE_EVERY_S = 5.0


def sparkline(levels: list[float], width: int) -> str:
    """Return the last levels as bars; a full bar is twice the threshold or more.

    >>> sparkline([0.0, 0.5, 1.0, 2.0, 9.0], 4)
    '▃▅██'
    """
    return "".join(_BARS[min(int(level * 4), 7)] for level in levels[-width:])


class Plain:
    """A line every few seconds on stderr."""

    def __init__(self, replay: Replay, progress: Progress, page: Callable[[], str]) -> None:
        self._replay, self._progress, self._page = replay, progress, page
        self._told = False
        self._last, self._records = time.monotonic(), 0

    def __enter__(self) -> Plain:
        return self

    def __exit__(self, *_: object) -> None:
        self._line()

    def update(self) -> None:
        """Write a line if it is time, and where the page is as soon as that is known."""
        if not self._told and (page := self._page()):
            self._told = True
            sys.stderr.write(f"page: {page}\n")
            sys.stderr.flush()
        if time.monotonic() - self._last >= _LINE_EVERY_S:
            self._line()

    def _line(self) -> None:
        now, progress = time.monotonic(), self._progress
        rate = (progress.records - self._records) / max(now - self._last, 1e-3)
        self._last, self._records = now, progress.records
        sys.stderr.write(
            f"{progress.records}/{self._replay.total} records, {rate:.0f}/s, "
            f"{progress.alerts} alerts, {progress.open_alerts} open\n"
        )
        sys.stderr.flush()


class Live:
    """A panel that is drawn anew ten times a second."""

    def __init__(self, replay: Replay, progress: Progress, page: Callable[[], str]) -> None:
        from rich.console import Console  # noqa: PLC0415 - only where there is a terminal
        from rich.live import Live as RichLive  # noqa: PLC0415

        self._replay, self._progress, self._page = replay, progress, page
        self._started = time.monotonic()
        self._live: Any = RichLive(console=Console(stderr=True), refresh_per_second=10)

    def __enter__(self) -> Live:
        self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.update()
        self._live.__exit__(*error)

    def update(self) -> None:
        """Draw."""
        from rich.panel import Panel  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        progress, replay = self._progress, self._replay
        rate = progress.records / max(time.monotonic() - self._started, 1e-3)
        done = progress.records / max(replay.total, 1)
        text = Text()
        text.append(f"{progress.records:>6} of {replay.total} records   {rate:>5.0f}/s   {done:>4.0%}\n")
        text.append(f"data time {replay.last_time or '-'}\n\n")
        text.append("level     ")
        for bar in sparkline(list(progress.levels), 60):
            text.append(bar, style="red" if bar in "▅▆▇█" else "green")
        text.append("\n          (half height = the threshold)\n\n", style="dim")
        style = "bold red" if progress.open_alerts else "green"
        text.append(f"{progress.open_alerts} open", style=style)
        text.append(f", {progress.alerts} alerts so far\n")
        if progress.last_alert is not None:
            alert = progress.last_alert
            text.append(f"{alert.status}: {alert.message}", style="yellow")
        text.append(f"\npage {self._page() or '...'}", style="dim")
        self._live.update(Panel(text, title="kyori demo", border_style="cyan"))


def shown(replay: Replay, progress: Progress, page: Callable[[], str], *, live: bool) -> Plain | Live:
    """Return what fits the place where stderr goes; `page` tells the page's address, "" = none yet."""
    return Live(replay, progress, page) if live else Plain(replay, progress, page)
