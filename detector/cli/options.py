"""Arguments and options that several verbs share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from detector.errors import KyoriError

Source = Annotated[
    str,
    typer.Argument(metavar="INPUT", help="CSV, JSON Lines, WAV, Parquet or .npz, also packed; - is stdin."),
]
Pipeline = Annotated[
    str | None,
    typer.Option("--pipeline", help="Which of its pipelines. Default: the only one."),
]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="COL", help="One model per value of it."),
]
Time = Annotated[
    str | None,
    typer.Option("--time", metavar="COL", help="Column of the time."),
]
Features = Annotated[
    str | None,
    typer.Option("--features", metavar="A,B,C", help="Columns to use. Default: all with numbers."),
]


def chosen(config: Path, pipeline: str | None, names: list[str]) -> str:
    """Return which pipeline of a configuration is meant."""
    if pipeline is None and len(names) > 1:
        raise KyoriError(f"{config} has several pipelines; choose one: --pipeline {'|'.join(names)}")
    name = pipeline or names[0]
    if name not in names:
        raise KyoriError(f"{config} has no pipeline {name}; it has: {', '.join(names)}")
    return name
