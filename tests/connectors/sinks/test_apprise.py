"""apprise: the extra, its addresses, and that nobody else hears what it says."""

from __future__ import annotations

import dataclasses
import json
import logging
import sys

import pytest
from pydantic import ValidationError

from detector.errors import SinkUnavailable
from tests.checks.harness_outbound import make
from tests.checks.sinks import alert, alerts, write
from tests.receivers import Answer, http_receiver

CANARY = "kanarienvogel-9c41f0"


def test_a_notification_tells_of_an_alert():
    warning = dataclasses.replace(alert(2), severity="warning")
    with http_receiver() as (receiver, url):
        write(
            make("apprise", url=url.replace("http", "json") + "/"),
            [alert(1), warning, alert(1, status="closed")],
        )
    first, second, third = (json.loads(body) for body in receiver.bodies)
    assert first["title"] == f"CRITICAL pumps/{alert(1).key}"
    assert "- flow 3 l/min, expected 7 ± 0.5 (100 %)" in first["message"]
    assert [one["type"] for one in (first, second, third)] == ["failure", "warning", "success"]


class Heard(logging.Handler):
    def __init__(self, said):
        super().__init__()
        self.said = said

    def emit(self, record):
        if record.name == "apprise":
            self.said.append(record.getMessage())


def test_what_fails_comes_again_and_shows_no_secret(capfd, monkeypatch):
    heard = []
    monkeypatch.setattr(logging.getLogger(), "handlers", [Heard(heard)])
    with http_receiver() as (receiver, url):
        sink = make("apprise", url=url.replace("http://", f"json://me:{CANARY}@") + f"/{CANARY}/")
        sink.open(b"")
        receiver.answers.append(Answer(503))
        with pytest.raises(SinkUnavailable, match=r"could not deliver: .*503") as caught:
            sink.write(alerts(1))
        sink.write(alerts(1))
        assert len(receiver.requests) == 1
    assert CANARY not in str(caught.value) + repr(sink.options) + "".join(capfd.readouterr())
    assert heard == []  # what it says is caught


def test_a_service_of_apprise_that_breaks_is_tried_again_and_shows_no_secret(monkeypatch):
    sink = make("apprise", url=f"json://127.0.0.1/{CANARY}")
    sink.open(b"")

    def broken(**_):
        raise RuntimeError(f"cannot reach /{CANARY}")

    monkeypatch.setattr(sink._notifier, "notify", broken)
    with pytest.raises(SinkUnavailable, match="RuntimeError: cannot reach") as caught:
        sink.write(alerts(1))
    assert CANARY not in str(caught.value)


def test_an_unknown_address_is_refused_and_not_shown(capfd):
    with pytest.raises(ValidationError, match="does not know such an address") as caught:
        make("apprise", url=f"nonsense://{CANARY}")
    assert CANARY not in str(caught.value) + "".join(capfd.readouterr())


def test_without_the_extra_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ValidationError, match=r"pip install 'kyori\[apprise\]'"):
        make("apprise", url="json://127.0.0.1/")
