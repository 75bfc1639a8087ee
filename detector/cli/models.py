"""``kyori models``: the versions of a pipeline's metric, and what its models have learned, to give away."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.config.models import PipelineConfig
    from detector.training import Models

app = typer.Typer(
    help="Metrics of a pipeline: list, promote, roll back. What its models learned: merge, export, import.",
    no_args_is_help=True,
)

_Config = Annotated[Path, typer.Option("--config", help="Whose metrics.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="Of `kyori models list`; its first letters suffice.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_As = Annotated[str | None, typer.Option("--as", metavar="KEY", help="Merge all keys into one of this name.")]
_Username = Annotated[
    str, typer.Option(help="User at the broker; its password is in KYORI_MQTT_PASSWORD, or:")
]
_Password = Annotated[Path | None, typer.Option("--password-file", help="File with the password, mode 600.")]
_Ca = Annotated[Path | None, typer.Option("--ca-file", help="PEM file of the authority, for mqtts://.")]
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


@app.command(
    epilog=_examples(
        "merge /var/lib/a /var/lib/b --output both.reference",
        "merge a.reference b.reference --as any --output all.reference",
    )
)
def merge(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="A B ...", help="State directories, state files, snapshots, exported references."
        ),
    ],
    output: Annotated[Path, typer.Option("--output", help="Where to.")],
    as_key: _As = None,
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
) -> None:
    """Merge what several units have learned: the moments are those of all their records.

    Keys of one name are merged. Threshold, running averages and whatever else comes of the order of records
    begins anew in whoever begins with the result, and is silent for its warm-up. States need the
    configuration that made them.
    """
    from detector.cli import fleet  # noqa: PLC0415

    fleet.merge(inputs, output, as_key, config, pipeline)


@app.command(
    epilog=_examples(
        "export 0f3a pumps.npz",
        "export --reference pumps.reference",
        "export --to mqtt://broker/kyori/fleet/pumps",
    )
)
def export(
    version: Annotated[
        str | None, typer.Argument(metavar="[ID", help="A metric: of `kyori models list`,")
    ] = None,
    file: Annotated[Path | None, typer.Argument(metavar="FILE]", help="and where to.")] = None,
    reference: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What the models have learned: into this file.")
    ] = None,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="The same, retained at mqtt://HOST:PORT/TOPIC.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Of this key only.")] = None,
    as_key: _As = None,
    unit: Annotated[str | None, typer.Option(help="Whose: a name that no other unit has.")] = None,
    username: _Username = "",
    password_file: _Password = None,
    ca_file: _Ca = None,
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
) -> None:
    """Copy a version of the metric into a file, or give away what the models have learned."""
    if reference is None and to is None:
        if version is None or file is None:
            raise KyoriError(
                "say what to export: ID FILE for a metric; --reference FILE or --to URL for moments"
            )
        say(f"{file}: {_models(config, pipeline)[0].export(version, file)}")
        return
    if version is not None:
        raise KyoriError(
            "a metric and moments are exported one at a time; leave out ID, or --reference and --to"
        )
    from detector.cli import fleet  # noqa: PLC0415

    broker = fleet.broker(to, username, password_file, ca_file)
    fleet.export(reference, broker, key, as_key, unit, config, pipeline)


@app.command(
    "import",
    epilog=_examples(
        "import pumps.metric.npz", "import all.reference", "import --from mqtt://broker/kyori/fleet/pumps"
    ),
)
def import_(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="A metric, as `kyori metric learn` writes it, or a reference."),
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="URL", help="What all units gave, at mqtt://HOST:PORT/TOPIC."),
    ] = None,
    username: _Username = "",
    password_file: _Password = None,
    ca_file: _Ca = None,
    config: _Config = _DEFAULT,
    pipeline: options.Pipeline = None,
) -> None:
    """Add the metric in a file as a candidate, or a reference that new models begin with.

    `kyori models promote` puts a metric in force. A reference counts from the daemon's next start, for keys
    that have no model then; models that are there stay as they are.
    """
    from detector.cli import fleet  # noqa: PLC0415

    if (file is None) == (from_ is None):
        raise KyoriError("say what to import: a FILE, or --from URL")
    if file is None:
        fleet.import_from(fleet.broker(from_, username, password_file, ca_file), config, pipeline)
        return
    if fleet.is_reference(file):
        fleet.import_(file, config, pipeline)
        return
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
