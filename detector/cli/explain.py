"""``kyori explain``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say

if TYPE_CHECKING:
    from detector.contracts import Alert, Reason

EXAMPLES = """\
  kyori explain pumps.csv --record 240 --key pump --of p2
  kyori explain pumps.csv --record 240 --config config.yaml --of p2
  kyori explain history.csv --record 1100 --json
"""


def explain(
    source: options.Source,
    record: Annotated[
        int,
        typer.Option(
            "--record", metavar="N", min=1, help="Which one, among those of its key, as alerts count them."
        ),
    ],
    of: Annotated[
        str | None, typer.Option("--of", metavar="KEY", help="Whose record. Default: the only key.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take features and detector from this configuration.")
    ] = None,
    pipeline: options.Pipeline = None,
    key: options.Key = None,
    time: options.Time = None,
    features: options.Features = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Replay a history up to a record, and say how far that one is from what was expected, and why.

    For each feature: its value, what the others led to expect of it, the standard deviation of that,
    and its share of the distance; the shares sum to 1, and one below 0 speaks for the record.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study import explain as study  # noqa: PLC0415
    from detector.study.history import Choice, load  # noqa: PLC0415
    from detector.study.replay import progress  # noqa: PLC0415

    history = load(Choice(source, config, pipeline, key, time, features))
    with progress(2 * len(history), "replaying") as advance:
        alert, row = study.explain(history, record, of, advance)
    if as_json:
        say(json.dumps(_plain(alert, row, timed=history.timed), indent=2, allow_nan=False))
        return
    say(_head(alert, row, timed=history.timed) + "\n")
    say(table_of(alert.reasons))


def _head(alert: Alert, row: int, *, timed: bool) -> str:
    from detector.study.text import moment, number  # noqa: PLC0415

    of = f" of {alert.key}" if alert.key else ""
    at = f", {moment(alert.time, timed=True)}" if timed else ""
    lines = [f"record {alert.record}{of}, row {row} of the input{at}"]
    if alert.level != alert.level:
        return "\n".join([*lines, f"no verdict yet: score {number(alert.score)}, within the warm-up"])
    verdict = "an anomaly" if alert.level >= 1.0 else "normal"
    p = "" if alert.p is None else f", p {number(alert.p)}"
    figures = (
        f"score {number(alert.score)}, threshold {number(alert.threshold)}, level {number(alert.level)}{p}"
    )
    return "\n".join([*lines, f"{verdict}: {figures}", alert.message])


def table_of(reasons: Sequence[Reason]) -> str:
    """Return the reasons of a record as a table."""
    from detector.study.text import bold, share, table  # noqa: PLC0415

    rows = [
        [
            one.name,
            "missing" if one.value is None else f"{one.value:.5g} {one.unit}".strip(),
            "-" if one.expected is None else f"{one.expected:.5g}",
            "-" if one.sd is None else f"± {one.sd:.2g}",
            share(one.share),
            one.direction,
        ]
        for one in reasons
    ]
    first, *rest = table(["feature", "value", "expected", "", "share", ""], rows).split("\n")
    return "\n".join([bold(first), *rest])


def _plain(alert: Alert, row: int, *, timed: bool) -> object:
    from dataclasses import asdict  # noqa: PLC0415

    from detector.study.text import plain  # noqa: PLC0415

    judged = alert.level == alert.level
    return plain(
        {
            "record": alert.record,
            "row": row,
            "key": alert.key,
            "time": alert.time if timed else None,
            "score": alert.score,
            "threshold": alert.threshold,
            "level": alert.level,
            "p": alert.p,
            "anomaly": judged and alert.level >= 1.0,
            "message": alert.message if judged else "",
            "features": [asdict(one) for one in alert.reasons],
        }
    )
