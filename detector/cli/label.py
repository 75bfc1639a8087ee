"""``kyori label``."""

from __future__ import annotations

import json
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.config.models import Config
    from detector.given import Given
    from detector.remembered import Known

EXAMPLES = """\
  kyori label 2f8a61c09b7d4e13 false
  kyori label 2f8a61 real --class "bearing wear"    the first characters of the id are enough
  kyori label 2f8a61 normal --config /etc/kyori/config.yaml
  kyori label --list
"""

_LEAST = 6
"""Characters of an id."""


class Verdict(StrEnum):
    """What may be said of an alert."""

    real = "real"
    false = "false"
    normal = "normal"


_MEANS = {
    Verdict.real: ("a true alert", "what is like it counts as this fault"),
    Verdict.false: ("a false alarm", "what is like it raises no alert"),
    Verdict.normal: ("normal from now on", "what is like it is normal"),
}
"""What it is, and what follows."""


def label(
    alert: Annotated[
        str | None,
        typer.Argument(
            help=f"The alert's `id`, or its first characters, {_LEAST} at least.", show_default=False
        ),
    ] = None,
    verdict: Annotated[
        Verdict | None,
        typer.Argument(help="A true alert, a false alarm, or normal from now on.", show_default=False),
    ] = None,
    name: Annotated[str, typer.Option("--class", metavar="NAME", help="What kind of fault it is.")] = "",
    config: Annotated[Path, typer.Option("--config", help="The daemon's configuration.")] = Path(
        "config.yaml"
    ),
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", help="Whose alert it is. Default: the one that knows it.")
    ] = None,
    show: Annotated[
        bool, typer.Option("--list", help="Print all labels that were given, newest last.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say of an alert whether it was right, so that the detector learns from it.

    It works while the daemon runs and while it does not. The last label of an alert counts: give another
    one to take it back.
    """
    from detector.registry import load_config  # noqa: PLC0415

    if show == (alert is not None or verdict is not None) or (not show and verdict is None):
        raise typer.BadParameter("give ALERT and real, false or normal; or --list alone")
    checked = load_config(config)
    if pipeline is not None and pipeline not in checked.pipelines:
        raise KyoriError(f"{config} has no pipeline {pipeline!r}; it has: {', '.join(checked.pipelines)}")
    if show:
        _print_all(checked, pipeline, as_json=as_json)
        return
    assert alert is not None and verdict is not None  # noqa: S101 - for the type checker
    _give(checked, alert, verdict, name, pipeline, as_json=as_json)


def _give(
    config: Config, alert: str, verdict: Verdict, name: str, pipeline: str | None, *, as_json: bool
) -> None:
    from detector.given import Given  # noqa: PLC0415
    from detector.labelbook import FILE, append  # noqa: PLC0415

    known = _found(config, alert, [pipeline] if pipeline else list(config.pipelines))
    try:
        given = Given(known.id, verdict.value, name, known.pipeline, round(time.time(), 3), "cli")
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    path = config.state_dir / FILE
    append(path, given)
    if as_json:
        say(json.dumps({"file": str(path), **json.loads(given.to_json())}))
        return
    what, effect = _MEANS[verdict]
    kind = f", class {name}" if name else ""
    say(f"alert {known.id} of {known.pipeline}: {what}{kind}; written to {path}")
    say(f"from the next record on {effect}; the metric takes it up at its next training")
    say("(a daemon that does not run takes it up when it is started)")


def _found(config: Config, alert: str, pipelines: list[str]) -> Known:
    """Return the one alert whose id begins so; raise with what there is instead."""
    from detector.remembered import find, newest  # noqa: PLC0415

    if len(alert) < _LEAST:
        raise typer.BadParameter(f"{alert!r} is too short; give {_LEAST} characters of the id at least")
    found = find(config.state_dir, pipelines, alert, most=3)
    exact = [one for one in found if one.id == alert]
    if len(exact or found) == 1:
        return (exact or found)[0]
    if found:
        ids = ", ".join(one.id for one in found)
        raise KyoriError(f"several alerts begin with {alert!r}: {ids}; give more of the id")
    lines = [f"{config.state_dir} knows no alert {alert!r}; give the `id` that the outputs have of it"]
    there = newest(config.state_dir, pipelines)
    lines += ["the newest ones:" if there else "there was none yet that can be labelled"]
    lines += [f"  {one.id}  {one.pipeline}  {one.message}".rstrip() for one in there]
    raise KyoriError("\n".join(lines))


def _print_all(config: Config, pipeline: str | None, *, as_json: bool) -> None:
    from detector.labelbook import FILE, Follower  # noqa: PLC0415
    from detector.study.text import bold, moment, table  # noqa: PLC0415

    follower = Follower(config.state_dir / FILE)
    position, labels = b"", list["Given"]()
    while True:
        some, problems, new = follower.read(position)
        labels += [one for one in some if pipeline in (None, one.pipeline)]
        for problem in problems:
            say(problem, err=True)
        if new == position:
            break
        position = new
    if as_json:
        for one in labels:
            say(one.to_json())
        return
    if not labels:
        say(f"no label in {follower.path}")
        return
    rows = [
        [
            moment(one.given, timed=True) if one.given else "-", one.label, one.name or "-",
            one.alert or "a record", one.pipeline or "-", one.by,
        ]
        for one in labels
    ]  # fmt: skip
    head, *rest = table(["given", "label", "class", "alert", "pipeline", "by"], rows).split("\n")
    say("\n".join([bold(head), *rest]))
