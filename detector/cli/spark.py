"""``kyori spark``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.settings import Pipeline

EXAMPLES = """\
  kyori spark --selftest
  kyori spark --master 'local[4]' --input in --key dev --order-by seq --checkpoint ck --output out --once
  kyori spark --master spark://head:7077 --config config.yaml --input /share/in --order-by time \\
    --checkpoint /share/ck --output /share/out --seed /var/lib/kyori
  kyori spark --config config.yaml --checkpoint /share/ck --export /var/lib/kyori
"""

_LOCAL = "local[*]"


def spark(
    master: Annotated[
        str, typer.Option(metavar="URL", help="As local[4], spark://head:7077, yarn or k8s://...")
    ] = _LOCAL,
    input_: Annotated[
        Path | None, typer.Option("--input", metavar="DIR", help="Where *.jsonl files appear, by rename.")
    ] = None,
    key: options.Key = None,
    order_by: Annotated[
        str | None,
        typer.Option("--order-by", metavar="COL", help="Sorts a key's records: a number, or the time."),
    ] = None,
    time: options.Time = None,
    checkpoint: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where Spark keeps its place and the models.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where a directory batch=N appears for each batch.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take key, features and detector from here.")
    ] = None,
    pipeline: options.Pipeline = None,
    once: Annotated[bool, typer.Option("--once", help="End when all files are read.")] = False,
    partitions: Annotated[
        int, typer.Option(min=1, metavar="N", help="Of the state; fixed at the first start.")
    ] = 8,
    files: Annotated[int, typer.Option(min=1, metavar="N", help="Most files of a batch.")] = 100,
    seed: Annotated[
        Path | None,
        typer.Option(metavar="STATE_DIR", help="Begin with what a daemon, now stopped, has learned."),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(metavar="STATE_DIR", help="Write what was learned for a daemon; the job is stopped."),
    ] = None,
    selftest: Annotated[
        bool, typer.Option("--selftest", help="Compare with the daemon on bundled data; exit 1 if not equal.")
    ] = False,
) -> None:
    """Score JSON Lines on Spark Structured Streaming, by the same step as the daemon.

    For many machines; on one machine `kyori run` is far faster. Needs the extra spark, and Java 17.
    Writes OUTPUT/batch=N/scores/*.parquet and OUTPUT/batch=N/alerts.jsonl. After a crash the same command
    goes on where it stopped. Without --config, columns with numbers are features.
    """
    from detector.engines import session  # noqa: PLC0415
    from detector.logs import configure  # noqa: PLC0415

    configure("warning" if selftest else "info")
    session.check_installed()
    if selftest:
        from detector.engines import selftest as test  # noqa: PLC0415

        raise typer.Exit(0 if test.run(say) else 1)
    given = {"--checkpoint": checkpoint} | ({} if export else {"--input": input_, "--output": output})
    missing = [name for name, value in given.items() if value is None]
    if order_by is None and not export:
        missing.append("--order-by")
    if missing or checkpoint is None:
        raise typer.BadParameter(f"missing: {', '.join(missing)}", param_hint="kyori spark")
    name, settings = _settings(config, pipeline, input_, key, order_by or "", time)
    from detector.engines import job as jobs  # noqa: PLC0415

    job = jobs.Job(
        master, input_ or Path(), checkpoint, output or Path(), order_by or "", name, settings,
        seed, partitions, files, once,
    )  # fmt: skip
    if export is None:
        jobs.run(job)
        return
    path, snapshot = jobs.export(job, export)
    say(f"written: {path}")
    if snapshot:
        say(f"there is a state already; put this one in its place with: kyori snapshot restore {snapshot}")


def _settings(
    config: Path | None,
    pipeline: str | None,
    given: Path | None,
    key: str | None,
    order_by: str,
    time: str | None,
) -> tuple[str, Pipeline]:
    """Return the name of the pipeline and its settings."""
    from detector.engines import job as jobs  # noqa: PLC0415

    if config is None:
        if given is None:
            raise KyoriError("give --input too, whose columns are the features, or --config")
        return "spark", jobs.settings_of(given, key, order_by, time)
    from detector.registry import load_config  # noqa: PLC0415

    pipelines = load_config(config).pipelines
    name = options.chosen(config, pipeline, list(pipelines))
    settings = pipelines[name]
    if time or (key and settings.key != "{" + key + "}"):
        raise KyoriError(f"--time and --key are the configuration's, which has key: {settings.key!r}")
    return name, settings
