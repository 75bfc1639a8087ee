"""``kyori data``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.contracts import Floats

EXAMPLES = """\
  kyori data tutorial --output tutorial.csv
  kyori data tutorial --seed 1 --output tutorial.jsonl
  kyori data tutorial | kyori features - --labels label
"""

_DIGITS = 4
"""Decimals that are written: the last bits of a double differ between machines."""
_LINES = (".jsonl", ".ndjson", ".json")

app = typer.Typer(help="Make data to try things with.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Make data to try things with."""


@app.command(epilog=f"\b\nExamples:\n{EXAMPLES}")
def tutorial(
    output: Annotated[
        Path | None,
        typer.Option("--output", help="CSV or JSON Lines, by its ending. Default: CSV to stdout."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Other data for each.")] = 0,
) -> None:
    """Write the tutorial's data: 100 points of 3 classes with 5 features, and the label in the last column.

    Each class has 2 clusters. Three of the features tell the classes, two are noise and loud; which are
    which depends on the seed.
    """
    X, y = points(seed)
    labels = y.tolist()
    text = _json_lines(X, labels) if output and output.suffix.lower() in _LINES else _csv(X, labels)
    if output is None:
        say(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise KyoriError(f"{output}: cannot be written: {error.strerror}") from None


def points(seed: int) -> tuple[Floats, NDArray[np.int64]]:
    """Return the tutorial's X (100, 5) and the classes (100,).

    The scale is applied before the columns are shuffled: two columns that tell the classes keep their
    size, the third and both of noise are 20 times as loud.
    """
    import numpy as np  # noqa: PLC0415
    from sklearn.datasets import make_classification  # noqa: PLC0415

    X, y = make_classification(
        n_samples=100, n_features=5, n_informative=3, n_redundant=0, n_classes=3, n_clusters_per_class=2,
        class_sep=4.0, scale=[1.0, 1.0, 20.0, 20.0, 20.0], random_state=seed,
    )  # fmt: skip
    return X.round(_DIGITS), y.astype(np.int64)


def _header(X: Floats) -> list[str]:
    return [*(f"f{j}" for j in range(1, X.shape[1] + 1)), "label"]


def _csv(X: Floats, labels: list[int]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(_header(X))
    writer.writerows([*x, label] for x, label in zip(X.tolist(), labels, strict=True))
    return file.getvalue()


def _json_lines(X: Floats, labels: list[int]) -> str:
    names = _header(X)
    rows = ([*x, label] for x, label in zip(X.tolist(), labels, strict=True))
    return "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows)
