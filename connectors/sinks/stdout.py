"""Alerts on standard output: for people on a terminal, JSON lines otherwise."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, TextIO

from pydantic import Field

from connectors.options import Options
from connectors.sinks.text import place, printable
from detector.contracts import Alert
from detector.errors import SinkUnavailable

_COLOURS = {"critical": "31;1", "warning": "33", "closed": "32"}


class StdoutOptions(Options):
    """How alerts are written."""

    type: Literal["stdout"] = "stdout"
    format: Literal["human", "json", "auto"] = Field(
        default="auto", description="human, json (one object a line), or auto: human on a terminal, else json"
    )
    grouped: bool = Field(
        default=False, description="also the alerts that a summary stands for (alert.max_per_minute)"
    )
    quiet: bool = Field(
        default=False, description="also the alerts that are quiet (alert.quiet, silences, acknowledged ones)"
    )


class StdoutSink:
    """Writes each alert as one line; see `detector.contracts.Sink`.

    Standard output keeps no place to resume at: what was written before a crash and not noted down is
    written again.
    """

    Options = StdoutOptions

    def __init__(self, name: str, options: StdoutOptions) -> None:
        self.name = name
        self.options = options
        self._stream: TextIO | None = None

    def open(self, resume: bytes) -> None:
        """Take standard output as it is now; `resume` is of no use here."""
        self._stream = sys.stdout

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Write and flush all lines."""
        stream = self._stream
        if stream is None:
            raise SinkUnavailable(f"sink {self.name}: it is not open")
        terminal = not stream.closed and stream.isatty()
        human = self.options.format == "human" or (self.options.format == "auto" and terminal)
        colour = terminal and not os.environ.get("NO_COLOR")
        lines = [human_line(alert, colour=colour) if human else alert.to_json() for alert in alerts]
        text = "".join(line + "\n" for line in lines)
        encoding = stream.encoding or "utf-8"
        try:
            # A terminal that lacks a character, as °, shows its escape instead.
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            stream.flush()
        except (OSError, ValueError) as error:
            raise SinkUnavailable(f"sink {self.name}: standard output cannot be written: {error}") from error
        return b""

    def close(self) -> None:
        """Let go; standard output itself stays open."""
        self._stream = None

    def probe(self, timeout_s: float) -> str | None:
        """Return what is wrong, or None."""
        return None if sys.stdout is not None and not sys.stdout.closed else "standard output is closed"


def human_line(alert: Alert, *, colour: bool) -> str:
    """Return time, status, severity, place and message in one line without control characters."""
    status = f"{printable(alert.status).upper():<6} {printable(alert.severity):<8}"
    if colour:
        code = _COLOURS.get("closed" if alert.status == "closed" else alert.severity, "0")
        status = f"\x1b[{code}m{status}\x1b[0m"
    return f"{_utc(alert.time)}  {status}  {place(alert)}  {printable(alert.message)}"


def _utc(time: float) -> str:
    try:
        return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return str(time)
