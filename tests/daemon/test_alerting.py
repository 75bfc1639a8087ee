"""Alerts on their way to people, by a real daemon: what is slow, what is refused, what has to be repeated."""

from __future__ import annotations

import json
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from tenacity import Future, RetryCallState, Retrying

from detector import courier as couriers
from detector.courier import Courier
from detector.errors import SinkUnavailable
from detector.store import Store
from tests.brokers import wait_until
from tests.checks.harness_outbound import webhook
from tests.checks.webhook_formats import firing, strictly
from tests.daemon.conserved_alerts import assert_alerts_conserved
from tests.daemon.process import records, without_crash, write_csv
from tests.daemon.running import ALERTS, Inside, lines, write_config
from tests.receivers import http_receiver, mail_receiver
from tests.store.samples import make_alert

EXAMPLES = Path(__file__).parents[2] / "examples"
FILE = {"in": {"type": "file", "paths": ["in.csv"]}}


def to(url, **options):
    return ALERTS | {"hook": {"type": "webhook", "url": url} | options}


def test_a_slow_webhook_holds_up_no_other_output(tmp_path):
    """It has not answered its first alert when the file has all of them; and gets them all in the end."""
    write_csv(tmp_path / "in.csv", records(3_000))
    expected = [alert.to_json() for alert in without_crash(records(3_000))[1]]
    with http_receiver() as (receiver, url):
        receiver.hold.clear()
        with Inside(write_config(tmp_path, FILE, to(url))) as daemon:
            wait_until(lambda: lines(tmp_path / "out.jsonl") == expected)
            assert receiver.requests == []
            receiver.hold.set()
            wait_until(lambda: len(receiver.requests) == len(expected))
            daemon.wait_for("sources_ended")
    assert receiver.bodies == expected


def test_a_refused_alert_is_passed_over_counted_as_dropped_and_holds_up_none(tmp_path, monkeypatch):
    monkeypatch.setattr(couriers, "_jitter", lambda state: 0.01)
    write_csv(tmp_path / "in.csv", records(3_000))
    expected = [alert.to_json() for alert in without_crash(records(3_000))[1]]
    bad = expected[1]
    with http_receiver(lambda request: "I do not like it" if request.body == bad else None) as (
        receiver,
        url,
    ):
        with Inside(write_config(tmp_path, FILE, to(url))) as daemon:
            refused = daemon.wait_for("alert_refused")
            wait_until(lambda: len(receiver.requests) == len(expected) - 1)
        assert receiver.bodies == [one for one in expected if one != bad]
        assert len(receiver.refused) == 2
    assert refused["id"] == json.loads(bad)["id"]
    tally = assert_alerts_conserved(tmp_path / "state")["hook"]
    assert (tally.delivered, tally.dropped) == (len(expected) - 1, 1)


def test_what_an_alertmanager_shows_is_what_is_open(tmp_path):
    """Told again while it is open, also after a restart, and over when it closes."""
    X = records(3_000)
    alerts = without_crash(X)[1]
    half = next(i for i, alert in enumerate(alerts) if alert.status == "open") + 1
    until = alerts[half - 1].record + 1
    growing = {"in": {"type": "tail", "paths": ["in.csv"], "start_at": "saved_or_beginning"}}
    with http_receiver(strictly("alertmanager")) as (receiver, url):
        outputs = to(url + "/api/v2/alerts", format="alertmanager", resend="1s")
        config = write_config(tmp_path, growing, outputs)
        write_csv(tmp_path / "in.csv", X[:until])
        with Inside(config):
            wait_until(lambda: len(receiver.requests) >= half + 1)  # the opening, and again
        assert len(firing(receiver.requests)) == 1
        before = len(receiver.requests)
        with Inside(config):
            wait_until(lambda: len(receiver.requests) > before)
            write_csv(tmp_path / "whole.csv", X)
            with (tmp_path / "in.csv").open("a") as file:
                file.writelines(f"{line}\n" for line in lines(tmp_path / "whole.csv")[until + 1 :])
            wait_until(lambda: len(lines(tmp_path / "out.jsonl")) == len(alerts))
            wait_until(lambda: firing(receiver.requests) == [])
        assert receiver.refused == []


def test_the_example_runs_and_tells_everyone(tmp_path, monkeypatch):
    for name in ("alerting.yaml", "pumps.csv"):
        shutil.copy(EXAMPLES / name, tmp_path)
    with (
        http_receiver(strictly("alertmanager")) as (manager, at_manager),
        http_receiver(strictly("slack")) as (chat, at_chat),
        mail_receiver() as (mail, port),
    ):
        monkeypatch.setenv("KYORI_ALERTMANAGER", at_manager + "/api/v2/alerts")
        monkeypatch.setenv("KYORI_SLACK", at_chat)
        monkeypatch.setenv("KYORI_MAIL_PORT", str(port))
        with Inside(tmp_path / "alerting.yaml", once=True) as daemon:
            pass
        (tally,) = (event["outputs"] for event in daemon.events("stopped"))
    assert {one["waiting"] for one in tally.values()} == {0}
    assert tally["history"]["made"] > 0
    with closing(sqlite3.connect(tmp_path / "out" / "history.db")) as history:
        rows = history.execute("SELECT id, status, severity FROM alerts").fetchall()
    assert len(rows) == len(chat.requests) == len(manager.requests) == tally["history"]["made"]
    assert len(mail.mails) <= sum(severity == "critical" for _, _, severity in rows)
    assert manager.refused == chat.refused == []


class Few:
    """A sink that takes one alert at once, wants only those with an even record, and may repeat itself."""

    at_once = 1
    repeat_every_s = 0.05

    def __init__(self):
        self.given, self.repeats, self.closed = [], 0, threading.Event()

    def open(self, resume):
        pass

    def wants(self, alert):
        return alert.record % 2 == 0

    def write(self, alerts):
        self.given.append([alert.record for alert in alerts])
        return b""

    def repeat(self):
        self.repeats += 1

    def close(self):
        self.closed.set()


def test_a_sink_is_given_what_it_wants_and_no_more_at_once(tmp_path):
    store = Store.open(tmp_path / "p.db", schema="s")
    store.register(["few"])
    store.commit(positions={}, rows={}, alerts=[make_alert(n) for n in range(1, 8)])
    sink = Few()
    courier = Courier("few", sink, store)
    courier.start()
    wait_until(lambda: store.backlog() == 0 and sink.repeats > 2)
    assert sink.given == [[2], [4], [6]]
    tally = store.tallies()["few"]
    assert (tally.delivered, tally.grouped, tally.waiting) == (3, 4, 0)
    courier.finish()
    courier.join(10)
    assert sink.closed.is_set()
    store.close()


@pytest.mark.parametrize(("asked", "least", "most"), [(0.0, 0.0, 1.0), (7.0, 7.0, 8.0), (1e9, 600.0, 601.0)])
def test_pauses_have_jitter_and_are_as_long_as_a_receiver_asks(asked, least, most):
    state = RetryCallState(Retrying(), None, (), {})
    state.outcome = Future(1)
    state.outcome.set_exception(SinkUnavailable("busy", asked))
    waits = {couriers._wait(state) for _ in range(50)}
    assert len(waits) > 10
    assert all(least <= wait <= most for wait in waits)


def test_a_webhook_that_is_stopped_sends_nothing_twice_of_what_is_noted(tmp_path):
    """One alert a note: of hundreds on their way, a stop repeats one at most."""
    with http_receiver() as (receiver, url):
        for _ in range(2):
            store = Store.open(tmp_path / "p.db", schema="s")
            store.register(["hook"])
            if not receiver.requests:
                store.commit(positions={}, rows={}, alerts=[make_alert(n) for n in range(300)])
            before = len(receiver.requests)
            courier = Courier("hook", webhook("json", url), store)
            courier.start()
            wait_until(lambda before=before: len(receiver.requests) >= before + 20)
            courier.give_up()
            courier.wake()
            courier.join(10)
            store.close()
    names = [json.loads(body)["id"] for body in receiver.bodies]
    assert len(names) - len(set(names)) <= 1
    assert names == sorted(names, key=lambda name: int(name.split("-")[1]))
