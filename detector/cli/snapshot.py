"""``kyori snapshot``: what a pipeline has learned, kept under a name to go back to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say

if TYPE_CHECKING:
    from detector.snapshots import Snapshots

app = typer.Typer(
    help="Keep what a pipeline has learned under a name, and go back to it when it has learned wrong things.",
    no_args_is_help=True,
)

_Config = Annotated[Path, typer.Option("--config", help="Whose state.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="Letters, digits, and . _ - after the first.")]
_DEFAULT = Path("config.yaml")


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "".join(f"  kyori snapshot {line}\n" for line in lines)


@app.command(epilog=_examples("save monday", "save monday --config /etc/kyori/config.yaml"))
def save(name: _Name, config: _Config = _DEFAULT, pipeline: options.Pipeline = None) -> None:
    """Keep a pipeline's state as it is now; the daemon may run."""
    say(f"saved: {_snapshots(config, pipeline).save(name)}")


@app.command("list", epilog=_examples("list", "list --json"))
def list_(
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the snapshots of a pipeline, the oldest first."""
    from detector.study.learned import day  # noqa: PLC0415
    from detector.study.text import bold, table  # noqa: PLC0415

    found = _snapshots(config, pipeline).list()
    if as_json:
        say(json.dumps([one._asdict() for one in found], indent=2))
        return
    if not found:
        say("no snapshot yet")
        return
    rows = [[one.name, day(one.time), f"{one.size:,}"] for one in found]
    first, *rest = table(["snapshot", "taken", "bytes"], rows).split("\n")
    say("\n".join([bold(first), *rest]))


@app.command(epilog=_examples("restore monday"))
def restore(name: _Name, config: _Config = _DEFAULT, pipeline: options.Pipeline = None) -> None:
    """Put back what was learned then; the daemon must be stopped.

    Sources go on where they are today, and alerts still to be delivered are. What is replaced is kept as
    a snapshot.
    """
    kept = _snapshots(config, pipeline).restore(name)
    say(f"restored: {name}; what it replaced is kept as {kept}")


@app.command(epilog=_examples("remove monday"))
def remove(name: _Name, config: _Config = _DEFAULT, pipeline: options.Pipeline = None) -> None:
    """Remove a snapshot."""
    _snapshots(config, pipeline).remove(name)
    say(f"removed: {name}")


def _snapshots(config: Path, pipeline: str | None) -> Snapshots:
    from detector.registry import load_config  # noqa: PLC0415
    from detector.snapshots import Snapshots  # noqa: PLC0415

    checked = load_config(config)
    return Snapshots(checked.state_dir, options.chosen(config, pipeline, list(checked.pipelines)))
