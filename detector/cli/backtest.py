"""``kyori backtest``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detector.cli import options
from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.study.backtest import Cell, Costs
    from detector.study.replay import Episode, Outcome, Trace

EXAMPLES = """\
  kyori backtest config.yaml history.csv
  kyori backtest config.yaml history.csv --labels fault --plot history.svg
  kyori backtest config.yaml history.csv --labels fault --cost-missed 500 --cost-false 20
  kyori backtest config.yaml history.npz --pipeline pumps --labels y --json
"""

_SHOWN = 40


def backtest(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="The configuration file.")],
    source: options.Source,
    labels: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column that marks anomalies, or a CSV file with start and end."),
    ] = None,
    pipeline: Annotated[
        str | None, typer.Option("--pipeline", help="Which pipeline. Default: the only one.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE.svg", help="Draw score, threshold and alerts.")
    ] = None,
    cost_missed: Annotated[
        float | None, typer.Option(metavar="X", min=0, help="What a missed incident costs.")
    ] = None,
    cost_false: Annotated[
        float | None, typer.Option(metavar="Y", min=0, help="What a false alert costs, in the same unit.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every alert.")] = False,
) -> None:
    """Run a configuration over a history as the daemon would, and show what it would have alerted.

    Then the same with the threshold up to ten times as strict and as lax, and with alerts that open
    sooner and later. With labels it counts what was found, how early, and what was false: a cell that
    is empty or holds -, 0, false or normal means normal, anything else an anomaly. Nothing is sent,
    and no state is kept.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study import backtest as study  # noqa: PLC0415
    from detector.study.history import Choice, load  # noqa: PLC0415
    from detector.study.plot import draw  # noqa: PLC0415
    from detector.study.replay import outcome, progress, replay  # noqa: PLC0415

    costs = _costs(labels, cost_missed, cost_false)
    history = load(Choice(source, config, pipeline, labels=labels))
    total = len(history) * (1 + sum(1 for _ in study.grid(history.settings)))
    with progress(total, "replaying") as advance:
        trace = replay(history.settings, history, advance)
        cells = study.sweep(history, costs, advance)
    if plot is not None:
        _write(plot, draw(trace, f"{source} by {config}: score, threshold and alerts"))
    result = outcome(trace)
    if as_json:
        say(json.dumps(_plain(trace, result, cells, len(history)), indent=2))
        return
    say(_alerts(trace) + "\n")
    say(_summary(trace, result) + "\n")
    say(_grid(cells, labelled=trace.truth is not None))
    if costs is not None:
        say("\nthe cheapest was chosen by looking at this very history: expect it to cost more on the next")


def _costs(labels: str | None, missed: float | None, false: float | None) -> Costs | None:
    from detector.study.backtest import Costs  # noqa: PLC0415

    if missed is None and false is None:
        return None
    if missed is None or false is None:
        raise typer.BadParameter("costs come in pairs: give --cost-missed and --cost-false")
    if labels is None:
        raise typer.BadParameter("costs need --labels: without them nothing is missed, and nothing false")
    return Costs(missed, false)


def _write(plot: Path, picture: str) -> None:
    try:
        plot.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise KyoriError(f"{plot}: cannot be written: {error.strerror}") from None


def _alerts(trace: Trace) -> str:
    from detector.study.text import length, moment  # noqa: PLC0415

    lines = []
    for one in trace.episodes[:_SHOWN]:
        at = moment(one.start, timed=trace.timed)
        lasted = length(one.end - one.start, timed=trace.timed)
        message = one.alert.message if one.alert else ""
        lines.append(f"{at}  {lasted:>10}  {message}")
    more = len(trace.episodes) - _SHOWN
    if more > 0:
        lines.append(f"... and {more} more; --json prints all")
    return "\n".join(lines) or "no alert"


def _summary(trace: Trace, result: Outcome) -> str:
    from detector.study.text import length, number, percent  # noqa: PLC0415

    unit = _unit(timed=trace.timed)
    lines = [
        f"records        {len(trace.used)}, {int(trace.judged.sum())} of them judged after the warm-up",
        f"alerts         {result.alerts} ({number(trace.rate(result.alerts))} {unit})",
        f"time in alarm  {percent(result.in_alarm)}",
    ]
    if trace.truth is not None:
        early = sum(delay < 0 for delay in result.delays)
        delay = length(result.delay, timed=trace.timed)
        missed = result.incidents - result.found
        lines += [
            f"incidents      {result.found} of {result.incidents} found, {missed} missed",
            f"delay          {delay} (median of those found; {early} began before the label)",
            f"false alerts   {result.false} ({number(trace.rate(result.false))} {unit})",
        ]
    return "\n".join(lines)


def _grid(cells: list[Cell], *, labelled: bool) -> str:
    from detector.study.text import bold, length, number, percent, table  # noqa: PLC0415

    costed = any(cell.cost == cell.cost for cell in cells)
    cheapest = min((cell.cost for cell in cells), default=0.0) if costed else None
    head = ["threshold", "open_after", f"alerts {_unit(timed=cells[0].outcome.timed)}", "in alarm"]
    head += ["found", "delay", "false"] if labelled else []
    head += ["cost"] if costed else []
    rows = []
    for cell in cells:
        result = cell.outcome
        row = [cell.threshold, cell.open_after, number(cell.alerts), percent(result.in_alarm)]
        if labelled:
            delay = length(result.delay, timed=result.timed)
            row += [f"{result.found} of {result.incidents}", delay, number(cell.false)]
        row += [number(cell.cost)] if costed else []
        marks = ("as it is",) * cell.used + ("cheapest",) * (cell.cost == cheapest)
        rows.append([*row, ", ".join(marks)])
    first, *rest = table([*head, ""], rows).split("\n")
    return "\n".join([bold(first), *rest])


def _unit(*, timed: bool) -> str:
    return "a day" if timed else "in 1,000 records"


def _plain(trace: Trace, result: Outcome, cells: list[Cell], records: int) -> object:
    from dataclasses import asdict  # noqa: PLC0415

    from detector.study.text import plain  # noqa: PLC0415

    return plain(
        {
            "records": records,
            "judged": int(trace.judged.sum()),
            "rates": _unit(timed=trace.timed),
            "alerts_rate": trace.rate(result.alerts),
            "outcome": asdict(result),
            "alerts": [_episode(one) for one in trace.episodes],
            "settings": [asdict(cell) for cell in cells],
        }
    )


def _episode(one: Episode) -> dict[str, Any]:
    alert = json.loads(one.alert.to_json()) if one.alert else {}
    return {"opened": one.start, "closed": one.end, "key": one.key, "alert": alert}
