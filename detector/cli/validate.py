"""``kyori validate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detector.cli.say import say
from detector.errors import ConfigError, Problem

if TYPE_CHECKING:
    from detector.config.models import Config

EXAMPLES = """\
  kyori validate
  kyori validate /etc/kyori/config.yaml --connect
  kyori validate --json config.yaml | jq .problems
"""

_PROBE_SECONDS = 10.0


def validate(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    connect: Annotated[bool, typer.Option("--connect", help="Try every source and output, too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Check a configuration and start nothing. Exits 0 if it is right, 78 if not.

    With --connect, each connection is tried once; if one fails, it exits 1.
    """
    from detector.registry import warnings  # noqa: PLC0415

    try:
        checked = checked_config(config)
    except ConfigError as error:
        if as_json:
            _print_json(config, error, {})
        raise
    if not as_json:
        say(f"{config}: right ({_counted(checked)})")
        for warning in warnings(checked):
            say(f"warning: {ConfigError([warning], checked.file)}", err=True)
    connections = _tried(checked, quiet=as_json) if connect else {}
    if as_json:
        _print_json(config, None, connections, warnings(checked))
    if any(connections.values()):
        raise typer.Exit(1)


def checked_config(file: Path) -> Config:
    """Return a configuration, with the files looked into that its pipelines begin with."""
    from detector.registry import load_config  # noqa: PLC0415

    config = load_config(file)
    _check_histories(config)
    _check_metrics(config)
    return config


def _check_histories(config: Config) -> None:
    if not any(pipeline.detector.warmup.history for pipeline in config.pipelines.values()):
        return  # what reads files is slow to import
    from detector.history import history_of  # noqa: PLC0415

    for name in config.pipelines:
        history = history_of(config, name)
        if history is not None:
            history.check()


def _check_metrics(config: Config) -> None:
    if any(one.detector.metric or one.detector.classes for one in config.pipelines.values()):
        from detector.keeper import check  # noqa: PLC0415

        check(config)


def _tried(config: Config, quiet: bool) -> dict[str, str | None]:
    """Return what is wrong with each connection that can be tried, and tell it as it is found."""
    from detector.logs import configure  # noqa: PLC0415
    from detector.registry import probes  # noqa: PLC0415

    configure("warning")
    found: dict[str, str | None] = {}
    for place, probe in probes(config):
        if probe is None:
            said = "nothing to connect to"
        else:
            found[place] = probe(_PROBE_SECONDS)
            said = found[place] or "connected"
        if not quiet:
            say(f"{place}: {said}", err=bool(found.get(place)))
    return found


def _print_json(
    config: Path,
    error: ConfigError | None,
    connections: dict[str, str | None],
    warned: Sequence[Problem] = (),
) -> None:
    problems = [asdict(problem) for problem in error.problems] if error else []
    result: dict[str, Any] = {"file": str(config), "right": error is None, "problems": problems}
    if warned:
        result["warnings"] = [asdict(warning) for warning in warned]
    if connections:
        result["connections"] = {
            place: {"right": not said, "problem": said} for place, said in connections.items()
        }
    say(json.dumps(result, indent=2))


def _counted(config: Config) -> str:
    counts = ((config.pipelines, "pipeline"), (config.sources, "source"), (config.outputs, "output"))
    return ", ".join(f"{len(found)} {word}{'s' * (len(found) != 1)}" for found, word in counts)
