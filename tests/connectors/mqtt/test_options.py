"""P5: settings that would lose messages, and P41: passwords, never shown."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connectors.sinks.mqtt import MqttSink
from connectors.sources.mqtt import MqttSource

GOOD: dict[str, Any] = {"type": "mqtt", "url": "mqtt://h:1", "client_id": "me", "topics": {"a/+x": 1}}


def refusal(cls: Any, **change: Any) -> str:
    with pytest.raises(ValidationError) as error:
        cls.Options(**{**GOOD, **change})
    return str(error.value)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"topics": {"a": 2}}, "QoS 2 loses"),
        ({"topics": {"a": 3}}, "no QoS"),
        ({"topics": {"a": 0}}, "allow_loss: true"),
        ({"topics": {}}, "at least 1"),
        ({"topics": {"a/#/b": 1}}, "last level"),
        ({"topics": {"+x/+x": 1}}, "twice"),
        ({"topics": {"a/#": 1, "a/b": 1}}, "same topics"),
        ({"client_id": ""}, "needs a client_id"),
        ({"session_expiry": "0s"}, "session_expiry 0"),
        ({"url": "http://h"}, "mqtt://host:port"),
        ({"url": "mqtt://h:99999"}, "not a url"),
        ({"url": "mqtt://h/topic"}, "follow the port"),
        ({"tls": {"ca": "x"}}, "mqtts://"),
        ({"url": "mqtts://h", "tls": {"cert": "x"}}, "belong together"),
        ({"password": "p"}, "needs a username"),
        ({"payload": "csv"}, "names of the cells"),
        ({"columns": ["a"]}, "names of the cells"),
        ({"protocol": 4}, "protocol"),
        ({"keepalive": 60}, "not a duration"),
        ({"max_inflight": 0}, "greater"),
        ({"payload": "sparkplug_b"}, "no filter for Sparkplug B; write spBv1.0/#"),
        ({"payload": "sparkplug_b", "topics": {"$share/g/spBv1.0/#": 1}}, "not behind $share"),
        ({"payload": "sparkplug_b", "topics": {"spBv1.0/+x/#": 1}, "field": "{x}"}, "leave it out"),
        ({"request_rebirth": True}, "only with payload: sparkplug_b"),
        ({"field": "{y}"}, "'a/+x' has no label y; write +y"),
        ({"field": "{x!r}"}, "only labels may stand in braces"),
        ({"field": "{x"}, "only labels may stand in braces"),
        ({"topics": {"$share/g/a/+x": 1, "a/b": 1}}, "same topics"),
        ({"clean_start": True}, "Extra inputs"),
        ({"tls": {"insecure": True}, "url": "mqtts://h"}, "Extra inputs"),
    ],
)
def test_refused(change: dict[str, Any], why: str) -> None:
    assert why in refusal(MqttSource, **change)


def test_sparkplug_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    said = refusal(MqttSource, payload="sparkplug_b", topics={"spBv1.0/#": 1})
    assert "pip install 'kyori[sparkplug]'" in said


def test_defaults() -> None:
    options = MqttSource.Options(**GOOD)
    assert (options.protocol, options.session_expiry, options.keepalive) == (5, 86400, 60)
    assert (options.max_payload, options.max_inflight, options.on_start_error) == (262144, 1000, "retry")
    assert MqttSource.Options(**{**GOOD, "protocol": "3.1.1"}).protocol == "3.1.1"
    assert MqttSource.Options(**{**GOOD, "url": "mqtts://[::1]"}).address == ("::1", 8883)


def test_passwords_are_not_shown() -> None:
    shown = refusal(MqttSource, url="mqtt://me:canary-secret@h")
    shown += refusal(MqttSource, username="me", password="canary-secret", payload="csv")
    shown += repr(MqttSource.Options(**{**GOOD, "username": "me", "password": "canary-secret"}))
    assert "canary-secret" not in shown
    assert "leave user and password out of the url" in shown


def test_sink_refuses_a_topic_that_cannot_be_published_to() -> None:
    with pytest.raises(ValidationError, match="no \\+ # or NUL"):
        MqttSink.Options(type="mqtt", url="mqtt://h", topic="a/#")
