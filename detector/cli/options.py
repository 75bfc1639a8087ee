"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(metavar="INPUT", help="CSV, JSON Lines or .npz, also .gz; - is stdin."),
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
