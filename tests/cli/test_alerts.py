"""kyori alerts and kyori learn, beside a daemon and without one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.contracts import Alert
from detector.errors import KyoriError
from detector.store import Store
from detector.web.archive import FILE as HISTORY
from detector.web.kept import history
from detector.web.site import FILE
from tests.daemon.running import write_config
from tests.receivers import Answer, HttpReceiver, Request, http_receiver
from tests.store import samples

SOURCES = {"in": {"type": "stdin"}}


def make_alert(number: int) -> Alert:
    return replace(samples.make_alert(number), pipeline="p")


def cli(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--config", str(folder / "config.yaml")])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def state(folder: Path, *alerts: Alert, acks: dict[str, Any] | None = None) -> None:
    """What a daemon left: these alerts are open."""
    (folder / "state").mkdir()
    store = Store.open(folder / "state" / "p.db", schema="00")
    said = {("ack", name): json.dumps(one).encode() for name, one in (acks or {}).items()}
    told = json.dumps([alert.to_json() for alert in alerts]).encode()
    store.commit(positions={}, rows={}, alerts=[], meta={"open_alerts": told}, entries=said)
    store.close()


@contextmanager
def daemon(folder: Path, *answers: Any) -> Iterator[HttpReceiver]:
    """What answers as the daemon would."""
    with http_receiver() as (receiver, url):
        left = list(answers)

        def take(request: Request) -> Answer:
            receiver.requests.append(request)
            return Answer(200, json.dumps(left.pop(0)))

        receiver.take = take  # type: ignore[method-assign]
        file = folder / "state" / FILE
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(json.dumps({"url": url.rstrip("/"), "token": "t" * 20, "pid": 1}))
        yield receiver


def test_without_a_server_what_is_open_is_listed(tmp_path: Path) -> None:
    write_config(tmp_path, SOURCES)
    ack = {"by": "ann", "time": 1.7e9, "note": "", "severity": "warning"}
    state(tmp_path, make_alert(1), make_alert(2), acks={make_alert(2).id: ack})
    listed = cli(tmp_path, "alerts", "list")
    assert make_alert(1).id in listed
    assert "seen by ann" in listed
    assert "server: {}" in listed
    found = [json.loads(line) for line in cli(tmp_path, "alerts", "list", "--open", "--json").splitlines()]
    assert {one["id"]: one["acked"] for one in found} == {make_alert(1).id: None, make_alert(2).id: ack}
    assert cli(tmp_path, "alerts", "list", "--open", "--key", "no such") == "no alert is open\n"
    for words in (["silence", "*", "--for", "2h", "--why", "test"], ["ack", make_alert(1).id], ["silences"]):
        with pytest.raises(KyoriError, match="no server; add a line"):
            cli(tmp_path, "alerts", *words)


def test_with_a_server_what_is_over_is_listed_too(tmp_path: Path) -> None:
    write_config(tmp_path, SOURCES, file={"server": {}})
    state(tmp_path, make_alert(1))
    kept = history(tmp_path / "state")
    kept.open(b"")
    kept.write([make_alert(1), make_alert(3)])
    kept.close()
    assert (tmp_path / "state" / HISTORY).exists()
    found = [json.loads(line) for line in cli(tmp_path, "alerts", "list", "--json").splitlines()]
    assert {one["id"]: one["open"] for one in found} == {make_alert(1).id: True, make_alert(3).id: False}
    with pytest.raises(KyoriError, match="no daemon"):
        cli(tmp_path, "alerts", "silences")


def test_what_is_said_goes_to_the_daemon(tmp_path: Path) -> None:
    write_config(tmp_path, SOURCES, file={"server": {}})
    state(tmp_path, make_alert(1))
    id_ = make_alert(1).id
    made = {"id": "s1", "pipeline": "p", "keys": "A/*", "until": 1.7e9, "why": "new pump", "by": "ann"}
    with daemon(tmp_path, {}, {}, made, {}) as receiver:
        assert "is acknowledged" in cli(tmp_path, "alerts", "ack", id_[:-1], "--note", "seen", "--by", "ann")
        cli(tmp_path, "alerts", "unack", id_)
        words = ["silence", "A/*", "--for", "2h", "--why", "new pump", "--by", "ann"]
        assert "A/* of p is silent until 2023-11-14T22:13:20Z: s1" in cli(tmp_path, "alerts", *words)
        cli(tmp_path, "alerts", "unsilence", "s1")
        asked = [(one.method, one.path, one.body and one.json) for one in receiver.requests]
        assert all(one.headers["Authorization"] == "Bearer " + "t" * 20 for one in receiver.requests)
    assert asked == [
        ("POST", f"/v1/alerts/{id_}/ack", {"note": "seen", "by": "ann"}),
        ("POST", f"/v1/alerts/{id_}/unack", {}),
        ("POST", "/v1/silences", {"keys": "A/*", "for": "2h", "why": "new pump", "by": "ann"}),
        ("DELETE", "/v1/silences/s1", ""),
    ]
    with daemon(tmp_path), pytest.raises(KyoriError, match="none is called 'nosuch'"):
        cli(tmp_path, "alerts", "ack", "nosuch")


def test_windows_and_silences_are_listed(tmp_path: Path) -> None:
    write_config(tmp_path, SOURCES, file={"server": {}})
    window = {"pipeline": "p", "keys": "*", "cron": "0 2 * * SUN", "lasts": 7200.0, "why": "wash"}
    told = {
        "windows": [window | {"active": False, "next": 1.8e9}],
        "silences": [{"id": "s1", "pipeline": "p", "keys": "A/*", "until": 4e9, "why": "new", "by": ""}],
    }
    with daemon(tmp_path, told):
        listed = cli(tmp_path, "alerts", "silences")
    assert "2027-01-15T08:00:00Z" in listed
    assert "until 2096-10-02" in listed


def test_learning_is_paused(tmp_path: Path) -> None:
    write_config(tmp_path, SOURCES, file={"server": {}})
    overview = {"pipelines": [{"name": "p", "learning": False}]}
    with daemon(tmp_path, {}, overview, overview) as receiver:
        assert "p: paused" in cli(tmp_path, "learn", "pause", "--pipeline", "p")
        assert receiver.requests[0].json == {"learning": False, "pipeline": "p"}
        assert json.loads(cli(tmp_path, "learn", "--json")) == {"p": False}
