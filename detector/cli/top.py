"""``kyori top``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detector.cli import remote
from detector.cli.say import printable, say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

EXAMPLES = """\
  kyori top
  kyori top /etc/kyori/config.yaml --pipeline pumps --limit 40
  kyori top --once config.yaml                                   one look, for a script or a mail
  kyori top --json config.yaml | jq '.streams[0]'
  KYORI_TOKEN=... kyori top --url https://plant-a:8480
"""

_BAR = 20
_CALENDAR = 1e8
"""A time below this is a number of a record."""
_COUNTS = ("records", "rate", "lag", "refused", "open", "alerts", "keys", "waiting")


def top(
    config: remote.Config = Path("config.yaml"),
    pipeline: Annotated[str, typer.Option("--pipeline", help="Only this one.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=500, help="So many keys.")] = 20,
    every: Annotated[
        float, typer.Option("--every", min=0.2, metavar="S", help="Seconds between looks.")
    ] = 1.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Look once, and print JSON.")] = False,
    url: remote.Url = None,
    token: remote.Token = None,
) -> None:
    """Show how it stands with the pipelines, and which keys are furthest off, live; Ctrl-C ends it.

    The configuration needs `server:`. When the daemon is started again, this goes on.
    """

    def look() -> dict[str, Any]:
        client = remote.client_of(config, url, token)
        query = {"pipeline": pipeline or None, "limit": limit, "sort": "level"}
        overview = client.get("/v1/overview")
        shown = [one for one in overview["pipelines"] if pipeline in ("", one["name"])]
        return {**overview, "pipelines": shown, **client.get("/v1/streams", **query)}

    if as_json:
        say(json.dumps(look(), indent=2))
        return
    from rich.console import Console  # noqa: PLC0415

    console = Console()
    if once or not sys.stdout.isatty():
        console.print(drawn(look()))
        return
    from rich.live import Live  # noqa: PLC0415

    first = drawn(look())
    with Live(first, console=console, screen=True, auto_refresh=False) as live:
        while True:
            time.sleep(every)
            try:
                picture = drawn(look())
            except KyoriError as error:
                picture = trouble(str(error))
            live.update(picture, refresh=True)


def drawn(look: dict[str, Any]) -> RenderableType:
    """Return a look as tables.

    Parameters
    ----------
    look : dict
        What ``/v1/overview`` and ``/v1/streams`` say.
    """
    from rich.console import Group  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    up = _length(look["now"] - look["started"])
    paused = "" if look["learning"] else ", learning paused"
    head = Text(printable(f"{look['name']}, kyori {look['version']}, up {up}{paused}"), style="bold")
    more = look["total"] - len(look["streams"])
    parts: list[RenderableType] = [head, _pipelines(look["pipelines"]), _streams(look["streams"])]
    return Group(*parts, *([Text(f"and {more} more keys", style="dim")] if more > 0 else []))


def trouble(said: str) -> Text:
    """Return what is shown while there is no answer."""
    from rich.text import Text  # noqa: PLC0415

    return Text(printable(f"{said}\ntrying again; Ctrl-C ends"), style="yellow")


def _pipelines(pipelines: Sequence[dict[str, Any]]) -> Table:
    table = _table("pipeline", *_COUNTS, "")
    for one in pipelines:
        lag = "-" if one["lag_s"] is None else _length(one["lag_s"])
        waiting = sum(output["waiting"] for output in one["outputs"])
        numbers = [
            one["records"],
            f"{one['rate']:.1f}/s",
            lag,
            one["refused"],
            one["open_alerts"],
            one["alerts"],
        ]
        table.add_row(
            _text(one["name"]), *map(str, [*numbers, one["keys"], waiting]), _text(_wrong(one), "yellow")
        )
    return table


def _wrong(pipeline: dict[str, Any]) -> str:
    away = [one["name"] for one in pipeline["sources"] if not one["connected"]]
    said = [] if pipeline["ready"] else ["starting"]
    said += [] if pipeline["learning"] else ["learning paused"]
    return ", ".join(said + [f"{name} not connected" for name in away])


def _streams(streams: Sequence[dict[str, Any]]) -> Table:
    table = _table(
        "key", "level", "", "score", "threshold", "last record", "", left=("key", "", "last record")
    )
    for one in streams:
        level = one["level"]
        style = "bold red" if one["severity"] == "critical" else "red" if one["anomaly"] else ""
        since = f"since {_moment(one['since'])}: " if one["since"] is not None else ""
        about = ", ".join([*one["kinds"][:1], *one["top"]]) if one["anomaly"] else ""
        table.add_row(
            _text(f"{one['pipeline']} {one['key']}".strip(), style),
            "-" if level is None else f"{level:.2f}",
            _text("█" * min(round((level or 0.0) * _BAR / 2), _BAR), "red" if one["anomaly"] else "green"),
            _number(one["score"]),
            _number(one["threshold"]),
            _moment(one["time"]),
            _text(f"{since}{about}" if one["anomaly"] else ""),
        )
    return table


def _table(*names: str, left: Sequence[str] = ("pipeline", "")) -> Table:
    from rich.table import Table  # noqa: PLC0415

    table = Table(box=None, header_style="dim", pad_edge=False, expand=False)
    for name in names:
        table.add_column(
            name, justify="left" if name in left else "right", no_wrap=name != "", overflow="ellipsis"
        )
    return table


def _text(text: str, style: str = "") -> Text:
    """Return text that may come from outside: no control character, no markup."""
    from rich.text import Text  # noqa: PLC0415

    return Text(printable(text), style=style)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"


def _moment(at: float | None) -> str:
    if at is None:
        return "-"
    return f"{datetime.fromtimestamp(at, UTC):%m-%d %H:%M:%S}" if at > _CALENDAR else f"{at:.0f}"


def _length(seconds: float) -> str:
    for unit, name in ((86400.0, "d"), (3600.0, "h"), (60.0, "m")):
        if seconds >= unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.1f} s"
