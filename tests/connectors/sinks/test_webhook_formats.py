"""What the receivers believe: Alertmanager, PagerDuty, Slack, ntfy, CloudEvents."""

from __future__ import annotations

import dataclasses
import json
import time
import zlib

import pytest
from structlog.testing import capture_logs

from connectors.webhook import episodes
from detector.contracts import Reason
from tests.checks.harness_outbound import webhook
from tests.checks.sinks import HOSTILE, alert
from tests.checks.webhook_formats import firing, moment, strictly
from tests.receivers import Answer, http_receiver


def at(status, opened, **fields):
    return dataclasses.replace(alert(7), status=status, opened=opened, **{"time": opened} | fields)


@pytest.fixture
def manager():
    """An Alertmanager, and a sink for it."""
    with http_receiver(strictly("alertmanager")) as (receiver, url):
        sink = webhook("alertmanager", url, labels={"site": "north"})
        sink.open(b"")
        yield receiver, sink, url
        assert receiver.refused == []


def test_an_alertmanager_shows_an_episode_from_its_opening_to_its_closing(manager):
    receiver, sink, _ = manager
    now = time.time()
    sink.write([at("open", now - 10)])
    (labels,) = firing(receiver.requests)
    assert labels == {
        "alertname": "KyoriDistance", "kind": "distance", "pipeline": "pumps", "key": alert(7).key,
        "severity": "critical", "site": "north",
    }  # fmt: skip
    assert firing(receiver.requests, now + 3 * 60) == [labels]
    assert firing(receiver.requests, now + 5 * 60) == []  # by itself, should we fall silent
    sink.repeat()
    first, second = (request.json[0] for request in receiver.requests)
    assert moment(second["endsAt"]) > moment(first["endsAt"])
    assert abs(moment(first["startsAt"]) - (now - 10)) < 0.01
    assert second["startsAt"] == first["startsAt"]
    sink.write([at("closed", now - 10, time=now - 1)])
    assert firing(receiver.requests) == []
    sent = len(receiver.requests)
    sink.repeat()
    assert len(receiver.requests) == sent


def test_an_alertmanager_is_told_again_after_a_restart(manager):
    receiver, sink, url = manager
    position = sink.write([at("open", 1.7e9)])
    again = webhook("alertmanager", url, labels={"site": "north"})
    again.open(position)
    again.repeat()
    assert len(receiver.requests) == 2
    again.write([at("closed", 1.7e9)])
    assert firing(receiver.requests) == []


@pytest.mark.parametrize("opened", [1.0, 1.5e9, 4e9, 1e300, float("nan")])
def test_nothing_open_ends_in_the_past_whatever_the_time_of_the_stream(manager, opened):
    """A replay of last year, a machine whose clock runs ahead, and records that are only numbered."""
    receiver, sink, _ = manager
    sink.write([at("open", opened)])
    sink.write([at("update", opened)])
    assert len(firing(receiver.requests, time.time() + 60)) == 1
    assert all(moment(request.json[0]["startsAt"]) <= time.time() for request in receiver.requests)
    sink.write([at("closed", opened, time=opened + 5)])
    assert firing(receiver.requests) == []


def test_an_episode_that_gets_critical_is_no_warning_any_more(manager):
    receiver, sink, _ = manager
    sink.write([at("open", 1.7e9, severity="warning")])
    sink.write([at("update", 1.7e9, severity="critical")])
    assert [labels["severity"] for labels in firing(receiver.requests)] == ["critical"]
    sink.write([at("closed", 1.7e9, severity="critical")])
    assert firing(receiver.requests) == []
    sink.write([at("open", 1.7e9, severity="warning")])
    sink.write([at("closed", 1.7e9, severity="critical")])  # the worst record came after the opening
    assert firing(receiver.requests) == []


def test_what_is_over_at_once_is_seen_for_a_while(manager):
    receiver, sink, _ = manager
    sink.write([at("closed", 1.7e9, kind="gap")])
    assert len(firing(receiver.requests, time.time() + 240)) == 1
    assert firing(receiver.requests, time.time() + 301) == []
    sink.repeat()
    assert len(receiver.requests) == 1


def test_two_stuck_features_are_two_alerts(manager):
    receiver, sink, _ = manager
    for name in ("flow", "pressure"):
        why = (Reason(name, "", 1.0, None, None, 1.0, ""),)
        sink.write([at("open", 1.7e9, id=name, kind="stuck", reasons=why)])
    assert [labels["feature"] for labels in firing(receiver.requests)] == ["flow", "pressure"]


def test_a_closing_is_sent_whatever_else_is_not(manager):
    """Else it would be shown for ever."""
    _, sink, _ = manager
    grouped = at("closed", 1.7e9, grouped=True)
    assert not sink.wants(grouped)
    sink.write([at("open", 1.7e9)])
    assert sink.wants(grouped)
    assert sink.wants(dataclasses.replace(grouped, status="update"))  # it must not end by itself, either


def test_what_is_open_is_bounded_in_number_and_time(manager, monkeypatch):
    receiver, sink, _ = manager
    monkeypatch.setattr(episodes, "MOST", 3)
    with capture_logs() as log:
        sink.write([at("open", 1.7e9, id=f"e{i}") for i in range(4)])
    assert [(line["event"], line["id"]) for line in log] == [("open_alert_forgotten", "e0")]
    sink.repeat()
    assert len(receiver.requests[-1].json) == 3
    sent, now = len(receiver.requests), time.time()
    monkeypatch.setattr(time, "time", lambda: now + 30 * 86400 + 1)
    with capture_logs() as log:
        sink.repeat()
    assert len(log) == 3
    assert len(receiver.requests) == sent


def test_many_open_episodes_are_a_small_position_and_told_in_portions():
    form = webhook("alertmanager", "http://h")._format
    told = episodes.Episodes("s")
    for i in range(episodes.MOST):
        told.note(f"{i:016x}", form.entry(at("open", 1.7e9, key=f"pump {i}"), None, 1.7e9))
    assert len(told.to_bytes()) < 100_000 < len(zlib.decompress(told.to_bytes()))
    portions = [json.loads(content) for content in form.again(told.entries(), 1.7e9)]
    assert [len(portion) for portion in portions] == [200] * 5


def test_a_repetition_that_is_refused_does_not_stop_the_others(manager):
    receiver, sink, _ = manager
    sink.write([at("open", 1.7e9)])
    receiver.answers.append(Answer(400, "no"))
    with capture_logs() as log:
        sink.repeat()
    assert [line["event"] for line in log] == ["repetition_refused"]
    sink.repeat()
    assert len(receiver.requests) == 2


def sent(form, *notices):
    """What a receiver is sent."""
    with http_receiver(strictly(form)) as (receiver, url):
        sink = webhook(form, url)
        sink.open(b"")
        sink.write(notices)
        assert receiver.refused == []
    return [request.json for request in receiver.requests]


def test_an_episode_is_one_incident_of_pagerduty():
    opened, again, closed = sent("pagerduty", *(at(status, 1.7e9) for status in ("open", "update", "closed")))
    assert [one["event_action"] for one in (opened, again, closed)] == ["trigger", "trigger", "resolve"]
    assert {one["dedup_key"] for one in (opened, again, closed)} == {alert(7).id}
    assert opened["payload"]["severity"] == "critical"
    assert opened["payload"]["custom_details"]["reasons"] == ["flow 3 l/min, expected 7 ± 0.5 (100 %)"]
    assert "payload" not in closed


def test_a_gap_is_an_incident_that_a_person_resolves():
    (gap,) = sent("pagerduty", at("closed", 1.7e9, kind="gap", message="m" * 3000))
    assert gap["event_action"] == "trigger"
    assert len(gap["payload"]["summary"]) == 1024


def test_slack_makes_no_link_and_no_mention_of_what_an_alert_holds():
    notices = [
        at("open", 1.7e9, key=text, message=text) for text in (*HOSTILE, "<!channel> & <@U1>", "<" * 9000)
    ]
    messages = sent("slack", *notices)  # the receiver refuses a bare <, > or &, and what is too long
    assert "&lt;!channel&gt; &amp; &lt;@U1&gt;" in messages[-2]["blocks"][0]["text"]["text"]


def test_ntfy_gets_priority_and_no_more_than_it_takes():
    first, last, long = sent(
        "ntfy",
        at("open", 1.7e9),
        at("closed", 1.7e9),
        at("open", 1.7e9, key="ポンプ" * 900, message="é" * 9000),
    )
    assert (first["priority"], first["tags"][0], first["topic"]) == (5, "rotating_light", "plant-a")
    assert (last["priority"], last["title"][:7]) == (2, "closed:")
    assert len(long["title"]) == 200


def test_a_cloud_event_is_unique_and_holds_the_alert():
    opened, closed, bare = sent(
        "cloudevents", at("open", 1.7e9), at("closed", 1.7e9), at("open", 3.0, key="")
    )
    assert opened["type"] == "io.kyori.alert.open.v1"
    assert opened["id"] != closed["id"]
    assert opened["data"] == json.loads(at("open", 1.7e9).to_json())
    assert (opened["subject"], "subject" in bare) == (alert(7).key, False)
    assert abs(moment(bare["time"]) - time.time()) < 60
