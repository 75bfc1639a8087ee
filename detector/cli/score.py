"""``kyori score``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EXAMPLES = """\
  kyori score pumps.csv
  kyori score pumps.csv --output scores.csv --key pump --features flow,pressure
  zcat old.csv.gz | kyori score - --output scores.jsonl
  kyori score pumps.csv --config config.yaml --output scores.csv
"""


def score(
    source: Annotated[
        str, typer.Argument(metavar="INPUT", help="CSV, JSON Lines or .npz, also .gz; - is stdin.")
    ],
    config: Annotated[
        Path | None, typer.Option("--config", help="Take features and detector from this configuration.")
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", help="Which of its pipelines. Default: the only one.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="CSV or JSON Lines, by its ending. Default: CSV to stdout."),
    ] = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="COL", help="One model per value of it.")
    ] = None,
    time: Annotated[str | None, typer.Option("--time", metavar="COL", help="Column of the time.")] = None,
    features: Annotated[
        str | None,
        typer.Option("--features", metavar="A,B,C", help="Columns to use. Default: all with numbers."),
    ] = None,
) -> None:
    """Score every row of a file by the same pipeline as the daemon; no configuration needed.

    Writes one row per input row, in order: time, key, score, level, p, anomaly, top. A row that could
    not be used has an empty score. Without --config, columns with numbers are features, and a column
    named like a time is the time.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector import scoring  # noqa: PLC0415

    job = scoring.prepare(source, config, pipeline, key, time, features)
    scoring.score(job, output)
