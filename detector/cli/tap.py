"""``kyori tap``."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from detector.cli import remote
from detector.cli.say import say
from detector.errors import KyoriError

EXAMPLES = """\
  kyori tap                                       each key's newest record, once a second, and alerts
  kyori tap pumps --config /etc/kyori/config.yaml
  kyori tap pumps --key p2                        every record of p2
  kyori tap --json | jq 'select(.event == "alert") | .alert.message'
  KYORI_TOKEN=... kyori tap --url https://plant-a:8480
"""

_AGAIN_S = 1.0
_CALENDAR = 1e8


def tap(
    pipeline: Annotated[str, typer.Argument(metavar="[PIPELINE]", help="Only this one. Default: all.")] = "",
    config: Annotated[
        Path, typer.Option("--config", help="The configuration of the daemon, on this machine.")
    ] = Path("config.yaml"),
    key: Annotated[str | None, typer.Option("--key", help="Every record of this key.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")] = False,
    url: remote.Url = None,
    token: remote.Token = None,
) -> None:
    """Print verdicts as they are given, until Ctrl-C.

    Without --key it is the newest record of each key that had one, once a second, those of the highest level
    first, 200 at most. The configuration needs `server:`. When the daemon is started again, this goes on.
    """
    client = remote.client_of(config, url, token)
    query = {"pipeline": pipeline or None, "key": key}
    while True:
        try:
            for event, data in client.events("/v1/events", **query):
                for line in [json.dumps({"event": event} | data)] if as_json else lines(event, data):
                    say(line, err=event == "lost")
                sys.stdout.flush()
            said = "the daemon has ended"
        except KyoriError as error:
            said = str(error)
            if not _passes(said):
                raise
        say(f"{said}; waiting for it", err=True)
        client = _again(config, url, token)
        say("it is back", err=True)


def _passes(said: str) -> bool:
    """Whether waiting may help: not where the daemon answers that it will not."""
    return not said.startswith("the daemon says:")


def _again(config: Path, url: str | None, token: str | None) -> Any:
    """Return the client of the daemon that runs again, as soon as it answers."""
    while True:
        time.sleep(_AGAIN_S)
        try:
            client = remote.client_of(config, url, token)
            client.get("/v1/overview")
        except KyoriError:
            continue
        return client


def lines(event: str, data: dict[str, Any]) -> Iterator[str]:
    """Yield what is printed of an event.

    >>> list(lines("lost", {"count": 3}))
    ['3 events were lost: this terminal is too slow']
    """
    if event == "state":
        for one in data["keys"]:
            yield _verdict(one["pipeline"], one["key"], one, ", ".join(one["top"]))
    elif event == "records":
        for i, at in enumerate(data["time"]):
            one = {name: data[name][i] for name in ("score", "threshold", "level")} | {"time": at}
            values = " ".join(
                "-" if value is None else f"{value:.5g}" for value in (column[i] for column in data["values"])
            )
            yield _verdict(data["pipeline"], data["key"], one, values)
    elif event == "alert":
        alert = data["alert"]
        at = _moment(alert["time"])
        yield f"{at}  {alert['pipeline']}  {alert['severity'].upper()} {alert['status']}: {alert['message']}"
    elif event == "lost":
        yield f"{data['count']} events were lost: this terminal is too slow"


def _verdict(pipeline: str, key: str, one: dict[str, Any], rest: str) -> str:
    score, threshold, level = (one[name] for name in ("score", "threshold", "level"))
    if level is None:
        verdict = "warming up"
    else:
        verdict = f"level {level:.2f} ({score:.4g} of {threshold:.4g})"
        verdict += "  ANOMALY" if level >= 1.0 else ""
    return "  ".join(part for part in (_moment(one["time"]), pipeline, key, verdict, rest) if part)


def _moment(at: float | None) -> str:
    if at is None:
        return "-"
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}" if at > _CALENDAR else f"{at:.0f}"
