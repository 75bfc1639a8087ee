"""``kyori demo``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from detector.cli.say import say

EXAMPLES = """\
  kyori demo
  kyori demo --for 20s
  kyori demo --speed 500 --keep
  kyori demo --json
"""


def demo(
    for_: Annotated[
        str | None,
        typer.Option(
            "--for", metavar="DURATION", help="Stop after so long, as 20s. Default: the whole file."
        ),
    ] = None,
    speed: Annotated[
        float | None, typer.Option(metavar="N", min=1, help="Records a second. Default: 120.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="End with one line of JSON; exit 1 if no incident was found.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the state beside the alerts file and print where.")
    ] = False,
) -> None:
    """Watch kyori find the faults in a real server's sensors, over MQTT, in under a minute."""
    from detector.logs import configure  # noqa: PLC0415
    from detector.written import parse_duration  # noqa: PLC0415

    configure("warning")
    try:
        for_s = None if for_ is None else float(str(parse_duration(for_)))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None
    if sys.stderr.isatty():
        say("starting (the first start compiles the kernel, which takes about a minute) ...", err=True)
    from detector.demo import run  # noqa: PLC0415

    outcome = run.run(
        for_s=for_s, speed=speed or run.SPEED, keep=keep, live=sys.stderr.isatty() and not as_json
    )
    summary = outcome.summary
    if as_json:
        line = {
            "records": summary.records,
            "incidents": len(summary.incidents),
            "found": len(summary.found),
            "false_alerts_per_day": round(summary.false_alerts_per_day, 3),
            "alerts_file": str(outcome.alerts_file),
            "metric": outcome.metric.id,
            "metric_decides": bool(outcome.metric.figures["promoted"]),
            "metric_figures": dict(outcome.metric.figures),
        }
        say(json.dumps(line))
        raise typer.Exit(0 if summary.found else 1)
    run.print_summary(outcome, keep=keep)
