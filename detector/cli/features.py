"""``kyori features``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say

if TYPE_CHECKING:
    from detector.study.features import Profile

EXAMPLES = """\
  kyori features pumps.csv --key pump
  kyori features pumps.csv --config config.yaml
  kyori features history.csv --labels fault
  kyori features history.jsonl --json | jq .advice
"""


def features(
    source: options.Source,
    labels: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column that marks anomalies, or a CSV file with start and end."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take the features from this configuration.")
    ] = None,
    pipeline: options.Pipeline = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="COL", help="What is compared is compared within it.")
    ] = None,
    time: options.Time = None,
    only: Annotated[
        str | None,
        typer.Option("--features", metavar="A,B,C", help="Columns to look at. Default: all with numbers."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Look at the columns of a history: gaps, noise, steps, runs, and what repeats what.

    With labels it also says how well each column tells anomalies by itself: a cell that is empty or
    holds -, 0, false or normal means normal, anything else an anomaly.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study import features as study  # noqa: PLC0415
    from detector.study.history import Choice, load  # noqa: PLC0415

    history = load(Choice(source, config, pipeline, key, time, only, labels))
    found = study.profile(history)
    said = study.advice(found)
    if as_json:
        say(json.dumps(_plain(found, said, len(history)), indent=2))
        return
    say(f"{len(history)} records, {len(found.columns)} columns\n")
    say(_table(found))
    say(_common(found))
    for line in said:
        say(f"- {line}")


def _table(found: Profile) -> str:
    import math  # noqa: PLC0415

    from detector.study.text import bold, number, percent, share, table  # noqa: PLC0415

    head = ["column", "missing", "values", "sd", "step", "noise", "memory", "longest run", "outliers"]
    labelled = any(column.side for column in found.columns)
    rows = []
    for column, inflation in zip(found.columns, found.common.inflation.tolist(), strict=True):
        rows.append(
            [
                column.name, percent(column.missing), str(column.distinct), number(column.sd),
                number(column.step), share(column.noise), share(column.memory), str(column.longest_run),
                percent(column.outliers), "exact" if math.isinf(inflation) else number(inflation),
                *([f"{share(column.auc)} {column.side}"] if labelled else []),
            ]
        )  # fmt: skip
    first, *rest = table([*head, "inflation", *(["AUC alone"] if labelled else [])], rows).split("\n")
    return "\n".join([bold(first), *rest])


def _common(found: Profile) -> str:
    from detector.study.text import number  # noqa: PLC0415

    common = found.common
    return (
        f"\neffective rank {common.rank:.1f} of {len(found.columns)}, "
        f"condition of the correlation {number(common.condition)}\n"
    )


def _plain(found: Profile, said: list[str], records: int) -> object:
    from dataclasses import asdict  # noqa: PLC0415

    from detector.study.redundancy import TOGETHER  # noqa: PLC0415
    from detector.study.text import plain  # noqa: PLC0415

    names = [column.name for column in found.columns]
    return plain(
        {
            "records": records,
            "columns": [
                {
                    **asdict(column),
                    "longest_at": int(found.rows[column.longest_at]),
                    "inflation": found.common.inflation[j],
                }
                for j, column in enumerate(found.columns)
            ],
            "pairs": [
                {"columns": [names[i], names[j]], "correlation": r}
                for i, j, r in found.common.pairs(TOGETHER)
            ],
            "effective_rank": found.common.rank,
            "condition": found.common.condition,
            "advice": said,
        }
    )
