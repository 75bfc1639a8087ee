"""``kyori learn``: whether a daemon that runs learns, and whether it should."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from detector.cli.say import say
from detector.errors import KyoriError

EXAMPLES = """\
  kyori learn                          which pipelines learn
  kyori learn pause                    before work on a machine: judge, but learn nothing
  kyori learn resume --pipeline pumps
"""


_Pipeline = Annotated[str | None, typer.Option("--pipeline", help="Of this pipeline only. Default: all.")]


class Wanted(StrEnum):
    """What is wanted of the daemon."""

    pause = "pause"
    resume = "resume"
    status = "status"


def learn(
    wanted: Annotated[
        Wanted, typer.Argument(help="Pause learning, go on with it, or say how it stands.")
    ] = Wanted.status,
    pipeline: _Pipeline = None,
    config: Annotated[Path, typer.Option("--config", help="The daemon's configuration.")] = Path(
        "config.yaml"
    ),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Pause learning in a daemon that runs, or go on with it; a restart changes nothing of that."""
    from detector.registry import load_config  # noqa: PLC0415
    from detector.web.client import Client  # noqa: PLC0415 - brings urllib3

    checked = load_config(config)
    if pipeline is not None and pipeline not in checked.pipelines:
        raise KyoriError(f"no pipeline {pipeline!r}; there is: {', '.join(checked.pipelines)}")
    client = Client.of(checked)
    if wanted is not Wanted.status:
        body = {"learning": wanted is Wanted.resume} | ({"pipeline": pipeline} if pipeline else {})
        client.post("/v1/learn", body)
    states = {one["name"]: one["learning"] for one in client.get("/v1/overview")["pipelines"]}
    if as_json:
        say(json.dumps(states))
        return
    for name, learning in states.items():
        if pipeline in (None, name):
            say(f"{name}: {'learning' if learning else 'paused: records are judged, and not learned'}")
