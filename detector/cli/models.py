"""``kyori models``: the versions of a pipeline's metric, and which is in force."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say

if TYPE_CHECKING:
    from detector.config.models import PipelineConfig
    from detector.training import Models

app = typer.Typer(
    help="List, look at, promote and roll back the metrics of a pipeline, while the daemon runs, too.",
    no_args_is_help=True,
)

_Config = Annotated[Path, typer.Option("--config", help="Whose metrics.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="Of `kyori models list`; its first letters suffice.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_DEFAULT = Path("config.yaml")


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "".join(f"  kyori models {line}\n" for line in lines)


@app.command("list", epilog=_examples("list", "list --config /etc/kyori/config.yaml --json"))
def list_(config: _Config = _DEFAULT, pipeline: options.Pipeline = None, as_json: _Json = False) -> None:
    """List the versions of a pipeline's metric, the oldest first."""
    from detector.study.learned import day  # noqa: PLC0415
    from detector.study.text import bold, plain, table  # noqa: PLC0415

    models, _ = _models(config, pipeline)
    index = models.index()
    if as_json:
        told = json.loads(index.to_bytes())
        say(json.dumps(plain({name: told[name] for name in ("active", "versions", "promotions")}), indent=2))
        return
    if not index.versions:
        say(f"no version yet in {models.directory}")
        return
    promoted = {one.id: one.time for one in index.promotions}
    rows = [
        [
            one.id, day(one.created),
            "in force" if one.id == index.active else "before" if one.id in promoted else "candidate",
            one.parent or "-",
            ", ".join(f"{name} {value:.3g}" for name, value in one.figures.items()),
        ]
        for one in index.versions
    ]  # fmt: skip
    first, *rest = table(["version", "added", "", "parent", "figures"], rows).split("\n")
    say("\n".join([bold(first), *rest]))


@app.command(epilog=_examples("show mmc-0f3a", "show 0f3a --json"))
def show(
    version: _Id, config: _Config = _DEFAULT, pipeline: options.Pipeline = None, as_json: _Json = False
) -> None:
    """Show a version, as `kyori metric show` does a file."""
    from detector.study import learned  # noqa: PLC0415
    from detector.study.text import plain  # noqa: PLC0415

    stored = _models(config, pipeline)[0].read(version)
    say(json.dumps(plain(learned.plain(stored)), indent=2) if as_json else learned.described(stored))


@app.command(epilog=_examples("diff 0f3a 77c0"))
def diff(
    first: _Id,
    second: _Id,
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
    as_json: _Json = False,
) -> None:
    """Say how two versions differ."""
    from detector.study import learned  # noqa: PLC0415
    from detector.study.text import plain  # noqa: PLC0415

    models, _ = _models(config, pipeline)
    one, other = models.read(first).metric, models.read(second).metric
    if as_json:
        say(json.dumps(plain({"id": [one.id, other.id], **learned.difference(one, other)}), indent=2))
    else:
        say(learned.differing(one, other))


@app.command(epilog=_examples("promote 0f3a", "promote kissme --pipeline pumps"))
def promote(version: _Id, config: _Config = _DEFAULT, pipeline: options.Pipeline = None) -> None:
    """Put a version in force; a daemon that runs takes it up between two batches."""
    from detector.features.vector import Vector  # noqa: PLC0415

    models, settings = _models(config, pipeline)
    models.read(version).metric.aligned(Vector(settings.record).names)  # it must fit before it counts
    say(f"in force: {models.promote(version, time.time())}")


@app.command(epilog=_examples("rollback"))
def rollback(config: _Config = _DEFAULT, pipeline: options.Pipeline = None) -> None:
    """Put in force what was before the last promotion."""
    models, settings = _models(config, pipeline)
    found = models.rollback()
    configured = settings.detector.metric.file if settings.detector.metric else ""
    say(f"in force: {found or configured or 'none'}")


@app.command(epilog=_examples("export 0f3a pumps.npz"))
def export(
    version: _Id,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to.")],
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
) -> None:
    """Copy a version into a file."""
    say(f"{file}: {_models(config, pipeline)[0].export(version, file)}")


@app.command(
    "import", epilog=_examples("import pumps.metric.npz", "import pumps.metric.npz --pipeline pumps")
)
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A metric, as `kyori metric learn` writes it.")
    ],
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
) -> None:
    """Add the metric in a file as a candidate; `kyori models promote` puts it in force."""
    from detector.features.vector import Vector  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    models, settings = _models(config, pipeline)
    files.read(file).metric.aligned(Vector(settings.record).names)
    say(f"candidate: {models.import_(file, time.time()).id}")


def _models(config: Path, pipeline: str | None) -> tuple[Models, PipelineConfig]:
    from detector.registry import load_config  # noqa: PLC0415
    from detector.training import Models  # noqa: PLC0415

    checked = load_config(config)
    name = options.chosen(config, pipeline, list(checked.pipelines))
    return Models.of(checked.state_dir, name), checked.pipelines[name]
