"""``kyori compare``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say

if TYPE_CHECKING:
    from detector.study.compare import Row

EXAMPLES = """\
  kyori compare pumps.csv --key pump
  kyori compare history.csv --labels fault
  kyori compare history.csv --labels incidents.csv      start and end of each
  kyori compare history.csv --config config.yaml --json
"""


def compare(
    source: options.Source,
    labels: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column that marks anomalies, or a CSV file with start and end."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Start from this configuration, not from the defaults.")
    ] = None,
    pipeline: options.Pipeline = None,
    key: options.Key = None,
    time: options.Time = None,
    features: options.Features = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay a history under every distance and reference, and say what would have been alerted.

    The first row is the configuration as it is, or the default; each other row changes one setting.
    With labels it also says how well each ranks the anomalies, and what it would have found: a cell
    that is empty or holds -, 0, false or normal means normal, anything else an anomaly.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study import choosing  # noqa: PLC0415
    from detector.study import compare as study  # noqa: PLC0415
    from detector.study.features import profile  # noqa: PLC0415
    from detector.study.history import Choice, load  # noqa: PLC0415
    from detector.study.replay import progress  # noqa: PLC0415

    history = load(Choice(source, config, pipeline, key, time, features, labels))
    total = len(history) * sum(1 for _ in study.candidates(history.settings))
    with progress(total, "replaying") as advance:
        rows = study.compare(history, advance)
    said = choosing.advice(rows, profile(history), history)
    if as_json:
        say(json.dumps(_plain(rows, said, len(history)), indent=2))
        return
    say(f"{len(history)} records; alerts are {_unit(rows)}\n")
    say(_table(rows, labelled=history.truth is not None) + "\n")
    for line in said:
        say(f"- {line}")


def _unit(rows: list[Row]) -> str:
    return "per day" if rows[0].outcome.timed else "per 1,000 records"


def _table(rows: list[Row], *, labelled: bool) -> str:
    from detector.study.text import bold, number, percent, share, table  # noqa: PLC0415

    head = ["detector", "alerts", "flagged", "rank agreement", "overlap"]
    body = [
        [row.name, number(row.alerts), percent(row.flagged), share(row.correlation), share(row.overlap)]
        for row in rows
    ]
    if labelled:
        head += ["AUC", "AP", "found", "missed", "false alerts", "in alarm"]
        for cells, row in zip(body, rows, strict=True):
            result = row.outcome
            missed = result.incidents - result.found
            cells += [share(row.auc), share(row.ap), str(result.found), str(missed)]
            cells += [number(row.false), percent(result.in_alarm)]
    first, *rest = table(head, body).split("\n")
    return "\n".join([bold(first), *rest])


def _plain(rows: list[Row], said: list[str], records: int) -> object:
    from dataclasses import asdict  # noqa: PLC0415

    from detector.study.text import plain  # noqa: PLC0415

    return plain(
        {
            "records": records,
            "rates": _unit(rows),
            "settings": [asdict(row) for row in rows],
            "advice": said,
        }
    )
