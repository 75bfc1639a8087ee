"""``kyori score``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options

if TYPE_CHECKING:
    from detector.scoring import Job

EXAMPLES = """\
  kyori score pumps.csv
  kyori score pumps.csv --output scores.csv --key pump --features flow,pressure
  zcat old.csv.gz | kyori score - --output scores.jsonl
  kyori score pumps.csv --config config.yaml --output scores.csv
  kyori score today.csv --warmup-from last-month.csv
  kyori score pumps.csv --metric kissme.npz --modes 3
"""


def score(
    source: options.Source,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take features and detector from this configuration.")
    ] = None,
    pipeline: options.Pipeline = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="CSV or JSON Lines, by its ending. Default: CSV to stdout."),
    ] = None,
    key: options.Key = None,
    time: options.Time = None,
    features: options.Features = None,
    metric: Annotated[
        Path | None,
        typer.Option("--metric", metavar="FILE.npz", help="Score by this learned metric: distance learned."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(metavar="CLASSES.npz", help="Name the nearest of these classes, see kyori nearest."),
    ] = None,
    modes: Annotated[
        int | None, typer.Option(min=2, max=32, help="Tell so many operating modes apart, unlabelled.")
    ] = None,
    warmup_from: Annotated[
        Path | None,
        typer.Option("--warmup-from", metavar="FILE", help="Learn the records of this file first."),
    ] = None,
) -> None:
    """Score every row of a file by the same pipeline as the daemon; no configuration needed.

    Writes one row per input row, in order: time, key, score, level, p, anomaly, top; then, where they are
    asked for, metric, nearest, margin and mode. A row that could not be used has an empty score. Without
    --config, columns with numbers are features, and a column named like a time is the time.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector import scoring  # noqa: PLC0415

    chosen: dict[str, object] = {"distance": "learned", "metric": str(metric)} if metric else {}
    chosen |= {"classes": str(classes)} if classes else {}
    chosen |= {"modes": modes} if modes else {}
    job = scoring.prepare(source, config, pipeline, key, time, features, detector=chosen)
    _learn_history(job, warmup_from)
    scoring.score(job, output)


def _learn_history(job: Job, given: Path | None) -> None:
    """Learn a history, the configuration's unless another is given."""
    from detector.errors import KyoriError  # noqa: PLC0415
    from detector.history import History  # noqa: PLC0415

    settings = job.pipeline.settings
    path = given or Path(settings.detector.warmup.history)
    if path.name:
        place = "--warmup-from" if given else "detector.warmup.from"
        history = History(path, settings, lambda what, remedy: KyoriError(f"{place}: {what}; {remedy}"))
        history.learn(job.pipeline)
