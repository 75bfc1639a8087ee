"""``kyori alerts``: what there was, what is open, and what people say of it while the daemon runs."""

from __future__ import annotations

import getpass
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.config.models import Config
    from detector.web.client import Client

app = typer.Typer(
    help="List alerts, acknowledge one, and silence keys for a while.",
    no_args_is_help=True,
)

_LEAST = 6
"""Characters of an id."""
_MOST = 1000
_WIDE = 60

_Config = Annotated[Path, typer.Option("--config", help="The daemon's configuration.")]
_Id = Annotated[str, typer.Argument(metavar="ID", help="The alert's `id`, or its first characters.")]
_Pipeline = Annotated[str | None, typer.Option("--pipeline", help="Of this pipeline only. Default: all.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_By = Annotated[str | None, typer.Option("--by", help="Who says so. Default: the user's name.")]
_DEFAULT = Path("config.yaml")


def _examples(*lines: str) -> str:
    return "\b\nExamples:\n" + "".join(f"  kyori alerts {line}\n" for line in lines)


@app.command("list", epilog=_examples("list --open", "list --key A/pump-3 --limit 100", "list --json"))
def list_(
    config: _Config = _DEFAULT,
    pipeline: _Pipeline = None,
    still: Annotated[bool, typer.Option("--open", help="Only those that are open now.")] = False,
    key: Annotated[str | None, typer.Option("--key", help="Only those of this key.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=_MOST, help="So many at most.")] = 20,
    as_json: _Json = False,
) -> None:
    """List alerts, the newest first; beside a daemon that runs, and without one.

    Those that are over are known where the configuration has `server`, for 90 days.
    """
    from detector.registry import load_config  # noqa: PLC0415

    checked = load_config(config)
    names = _chosen(checked, pipeline)
    alerts = _found(checked, names, key, limit, still=still)
    if as_json:
        for alert in alerts:
            say(json.dumps(alert))
        return
    if alerts:
        _print(["id", "", "opened", "where", "", "reason"], [_row(alert) for alert in alerts])
    else:
        say("no alert is open" if still else "no alert is known")
    if not still and checked.server is None:
        say("(open ones only: a history needs the line  server: {}  in the configuration)", err=True)


@app.command(epilog=_examples("ack 2f8a61c09b7d4e13", 'ack 2f8a61 --note "bearing is on order"'))
def ack(
    alert: _Id,
    note: Annotated[str, typer.Option("--note", help="What there is to say.")] = "",
    by: _By = None,
    config: _Config = _DEFAULT,
) -> None:
    """Say that you have seen an open alert: it is not repeated, until it gets worse; its end is told."""
    client, name = _daemon(config), _whole(config, alert)
    client.post(f"/v1/alerts/{quote(name)}/ack", {"note": note, "by": by or _user()})
    say(f"alert {name} is acknowledged; nobody is told of it again until it is over, or gets critical")


@app.command(epilog=_examples("unack 2f8a61"))
def unack(alert: _Id, config: _Config = _DEFAULT) -> None:
    """Take an acknowledgement back."""
    client, name = _daemon(config), _whole(config, alert)
    client.post(f"/v1/alerts/{quote(name)}/unack", {})
    say(f"alert {name} is not acknowledged any more")


@app.command(epilog=_examples("silence 'A/*' --for 2h --why 'new pump'", "silence '*' --for 30m --why test"))
def silence(
    keys: Annotated[str, typer.Argument(metavar="KEYS", help="As 'A/*': * stands for any characters.")],
    lasts: Annotated[str, typer.Option("--for", metavar="TIME", help="How long, as 30m, 2h or 1d.")],
    why: Annotated[str, typer.Option("--why", help="The reason; the alerts carry it.")],
    pipeline: _Pipeline = None,
    by: _By = None,
    config: _Config = _DEFAULT,
) -> None:
    """Tell nobody of these keys' alerts for a while.

    Alerts are made all the same. What lasts longer than the silence is told when it is over.
    """
    from detector.written import parse_duration  # noqa: PLC0415

    try:
        parse_duration(lasts)
    except ValueError as error:
        raise typer.BadParameter(f"--for: {error}") from None
    body = {"keys": keys, "for": lasts, "why": why, "by": by or _user()}
    made = _daemon(config).post("/v1/silences", body | ({"pipeline": pipeline} if pipeline else {}))
    for one in _silences(made):
        say(f"{one['keys']} of {one['pipeline']} is silent until {_moment(one['until'])}: {one['id']}")


@app.command(epilog=_examples("silences", "silences --json"))
def silences(config: _Config = _DEFAULT, as_json: _Json = False) -> None:
    """List the quiet windows of the configuration, and the silences."""
    told = _daemon(config).get("/v1/silences")
    if as_json:
        say(json.dumps(told, indent=2))
        return
    rows = [
        ["-", one["keys"], one["pipeline"], "now" if one["active"] else _moment(one["next"]), one["why"]]
        for one in told["windows"]
    ]
    now = time.time()
    rows += [
        [one["id"], one["keys"], one["pipeline"], f"until {_moment(one['until'])}", one["why"]]
        for one in told["silences"]
        if one["until"] > now
    ]
    if rows:
        _print(["id", "keys", "pipeline", "when", "why"], rows)
    else:
        say("nothing is silent, and there is no quiet window")


@app.command(epilog=_examples("unsilence 5d41c7"))
def unsilence(
    name: Annotated[str, typer.Argument(metavar="ID", help="Of `kyori alerts silences`.")],
    config: _Config = _DEFAULT,
) -> None:
    """End a silence; what it held back and still lasts is told."""
    _daemon(config).delete(f"/v1/silences/{quote(name, safe='')}")
    say(f"silence {name} is over")


def _daemon(config: Path) -> Client:
    from detector.registry import load_config  # noqa: PLC0415
    from detector.web.client import Client  # noqa: PLC0415 - brings urllib3

    return Client.of(load_config(config))


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""


def _chosen(config: Config, pipeline: str | None) -> list[str]:
    if pipeline is not None and pipeline not in config.pipelines:
        raise KyoriError(f"no pipeline {pipeline!r}; there is: {', '.join(config.pipelines)}")
    return [pipeline] if pipeline else list(config.pipelines)


def _found(
    config: Config, names: list[str], key: str | None, limit: int, *, still: bool
) -> list[dict[str, Any]]:
    """Return alerts as they were told last, the newest first, each with ``open`` and ``acked``."""
    from detector.remembered import opened  # noqa: PLC0415

    now_open = {alert["id"]: alert for alert in opened(config.state_dir, names)}
    found = list(now_open.values())
    if not still and config.server is not None:
        from detector.web.archive import FILE, Archive, Sought  # noqa: PLC0415

        archive = Archive(config.state_dir / FILE)
        kept = [alert for name in names for _, alert in archive.newest(Sought(name, key), limit)]
        found += [alert | {"open": False, "acked": None} for alert in kept if alert["id"] not in now_open]
    found = [alert for alert in found if key in (None, alert["key"])]
    return sorted(found, key=lambda alert: (alert["opened"], alert["id"]), reverse=True)[:limit]


def _whole(config: Path, start: str) -> str:
    """Return the id of the one open alert that begins so."""
    from detector.registry import load_config  # noqa: PLC0415
    from detector.remembered import opened  # noqa: PLC0415

    if len(start) < _LEAST:
        raise typer.BadParameter(f"{start!r} is too short; give {_LEAST} characters of the id at least")
    checked = load_config(config)
    ids = sorted(alert["id"] for alert in opened(checked.state_dir, list(checked.pipelines)))
    found: list[str] = [one for one in ids if one == start] or [one for one in ids if one.startswith(start)]
    if len(found) != 1:
        what = f"several begin with {start!r}: {', '.join(found)}" if found else f"none is called {start!r}"
        raise KyoriError(f"{what}; give the id of an open alert: kyori alerts list --open")
    return found[0]


def _silences(made: Any) -> list[dict[str, Any]]:
    """Return the silences of an answer: one, or one for each pipeline."""
    return list(made["silences"]) if "silences" in made else [made]


def _row(alert: dict[str, Any]) -> list[str]:
    from detector.study.text import moment  # noqa: PLC0415

    acked = alert["acked"]
    seen = f"seen by {acked['by'] or 'somebody'}" if acked else ""
    told = seen or (f"quiet: {alert['quiet']}" if alert.get("quiet") else "")
    timed = alert["opened"] > 1e8
    where = "/".join(part for part in (alert["pipeline"], alert["key"]) if part)
    message = alert["message"]
    return [
        alert["id"], "open" if alert["open"] else "closed", moment(alert["opened"], timed=timed), where,
        told or alert["severity"], message if len(message) <= _WIDE else message[: _WIDE - 1] + "…",
    ]  # fmt: skip


def _moment(at: float | None) -> str:
    from detector.study.text import moment  # noqa: PLC0415

    return "never" if at is None else moment(at, timed=True)


def _print(head: list[str], rows: list[list[str]]) -> None:
    from detector.study.text import bold, table  # noqa: PLC0415

    first, *rest = table(head, rows).split("\n")
    say("\n".join([bold(first), *rest]))
