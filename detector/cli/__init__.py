"""The command line. One file a verb family; what is heavy is imported inside the functions.

Exit codes: 0 done, 1 it went wrong while running, 2 wrong usage, 3 the state directory is in use,
78 the configuration is wrong, 130 interrupted.
"""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from importlib import import_module

import typer

from detector.cli.completion import answer_shell
from detector.cli.say import say
from detector.errors import ConfigError, KyoriError, StateInUse

_VERBS = (
    *("demo", "run", "score", "explain", "compare", "backtest", "features", "label", "learn", "nearest"),
    *("report", "spark", "top", "tap", "init", "validate", "doctor", "test", "schema"),
    *("completion", "version"),
)
"""Each is a function of that name in the module of that name beside this one."""

_GROUPS = ("alerts", "config", "metric", "models", "snapshot", "data")
"""Each is a module beside this one, whose `app` has verbs of its own."""

_STATE_IN_USE = 3
_BAD_CONFIG = 78
_INTERRUPTED = 130

app = typer.Typer(
    name="kyori",
    help="A streaming anomaly detector: is this the same or not, by a distance, and why.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _verb in _VERBS:
    _module = import_module(f"detector.cli.{_verb}")
    # A verb may also have its examples in its docstring. \b keeps the lines of a paragraph as they are.
    _examples = getattr(_module, "EXAMPLES", None)
    app.command(_verb, epilog=_examples and f"\b\nExamples:\n{_examples}")(getattr(_module, _verb))
for _group in _GROUPS:
    app.add_typer(import_module(f"detector.cli.{_group}").app, name=_group)


def main() -> None:
    """Run the command line and exit; the console script ``kyori``."""
    code = 1  # of an error that nobody foresaw

    def leave() -> None:
        """End here: Python would free all that it has loaded, piece by piece."""
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError):
                stream.flush()
        os._exit(code)

    atexit.register(leave)  # the first to register is the last that is called
    if sys.platform == "win32":
        say("kyori does not run on Windows; use Linux, also inside WSL or a container", err=True)
        sys.exit(1)
    answer_shell()
    code = _run()
    try:
        sys.stdout.flush()
    except OSError:
        # Whoever read our output has seen enough, or the disk is full, which was said. Python would
        # complain about the rest at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = code or 1
    sys.exit(code)


def _run() -> int:
    try:
        app(prog_name="kyori")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        return _INTERRUPTED
    except ConfigError as error:
        say(str(error), err=True)
        return _BAD_CONFIG
    except KyoriError as error:
        say(f"kyori: {error}", err=True)
        return _STATE_IN_USE if isinstance(error, StateInUse) else 1
    return 0
