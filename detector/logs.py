"""What the daemon says about itself: readable on a terminal, one JSON object a line elsewhere."""

from __future__ import annotations

import logging
import os
import sys

import structlog


def configure(level: str = "info", style: str = "auto") -> None:
    """Set up logging to stderr.

    Parameters
    ----------
    level : {"debug", "info", "warning", "error"}
        The least important lines that are written.
    style : {"auto", "human", "json"}
        auto: human on a terminal, json otherwise.
    """
    terminal = sys.stderr.isatty()
    human = style == "human" or (style == "auto" and terminal)
    processors: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.dict_tracebacks if not human else structlog.dev.set_exc_info,
    ]
    if human:
        colours = terminal and "NO_COLOR" not in os.environ
        processors.append(structlog.dev.ConsoleRenderer(colors=colours))
    else:
        processors.append(structlog.processors.JSONRenderer())
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # looked up anew: tests replace it
        cache_logger_on_first_use=False,
    )
