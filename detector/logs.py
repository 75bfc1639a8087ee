"""What the daemon says about itself: readable on a terminal, one JSON object a line elsewhere.

Values come from outside, as topics and payloads do: none of them reaches a terminal with a control
character in it. Tracebacks go without the values of variables, which may be secrets.
"""

from __future__ import annotations

import io
import logging
import os
import sys
from typing import TextIO

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import ExceptionRenderer
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from detector.repeats import Repeats

REPEATS = Repeats()
"""That of the daemon."""


def configure(level: str = "info", style: str = "auto", *, repeats: Repeats | None = None) -> None:
    """Set up logging to stderr.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        The least important lines that are written.
    style : {"auto", "human", "json"}
        auto: human on a terminal, json otherwise.
    repeats : Repeats, optional
        Leaves out lines that come again and again; default: all are written.
    """
    terminal = sys.stderr.isatty()
    human = style == "human" or (style == "auto" and terminal)
    processors: list[Processor] = [
        *([repeats] if repeats is not None else []),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if human:
        colours = terminal and "NO_COLOR" not in os.environ
        console = ConsoleRenderer(colors=colours, exception_formatter=_plain_traceback)
        processors += [_printable, structlog.dev.set_exc_info, console]
    else:
        tracebacks = ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        processors += [tracebacks, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up anew: tests replace it
        cache_logger_on_first_use=False,
    )


def _printable(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what a terminal would obey, in each text."""
    return {name: _escaped(value) if isinstance(value, str) else value for name, value in event.items()}


def _escaped(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _plain_traceback(file: TextIO, error: ExcInfo) -> None:
    text = io.StringIO()
    plain_traceback(text, error)
    file.write("\n".join(_escaped(line) for line in text.getvalue().split("\n")))
