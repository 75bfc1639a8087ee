"""What an answer means for an alert, who is asked, and what nobody is shown."""

from __future__ import annotations

import base64
import dataclasses

import pytest
from structlog.testing import capture_logs

from detector.errors import SinkUnavailable
from tests.brokers import certificates
from tests.checks.harness_outbound import webhook
from tests.checks.sinks import alert, alerts, ids
from tests.receivers import Answer, http_receiver

CANARY = "T0KEN-kanarienvogel"


@pytest.fixture
def server():
    with http_receiver() as found:
        yield found


def opened(url, form="json", resume=b"", **options):
    sink = webhook(form, url, **options)
    sink.open(resume)
    return sink


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Answer(503, "overloaded"), "HTTP 503: overloaded"),
        (Answer(408), "HTTP 408"),
        (Answer(500, "x" * 5000), "…"),
        (Answer(401, "who?"), "check token"),
        (Answer(404), "check the url"),
        (Answer(302, "", {"Location": "/other"}), "not followed"),
    ],
    ids=lambda one: str(one)[:20],
)
def test_an_answer_that_may_change_keeps_the_alert(server, answer, said):
    receiver, url = server
    sink = opened(url)
    sink.write(alerts(1))
    for _ in range(3):
        receiver.answers.append(answer)
        with pytest.raises(SinkUnavailable, match=said) as caught:
            sink.write(alerts(2))
        assert len(str(caught.value)) < 500
    sink.write(alerts(2))
    assert ids(receiver.bodies) == ids(one.to_json() for one in alerts(1, 2))
    assert {request.path for request in receiver.requests} == {"/"}
    assert sink.refused == 0


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0), ("x", 0.0)]
)
def test_a_receiver_may_say_when_to_come_again(server, header, seconds):
    receiver, url = server
    receiver.answers.append(Answer(429, "", {"Retry-After": header}))
    with pytest.raises(SinkUnavailable) as caught:
        opened(url).write(alerts(1))
    assert caught.value.retry_after_s == seconds


@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_alert_that_is_refused_twice_is_passed_over_and_counted(server, status):
    receiver, url = server
    sink = opened(url)
    sink.write(alerts(1))
    receiver.answers += [Answer(status, "bad key"), Answer(status, "bad key")]
    with pytest.raises(SinkUnavailable, match="tried once more"):
        sink.write(alerts(2))
    with capture_logs() as log:
        sink.write(alerts(2))
    (line,) = log
    assert (line["event"], line["id"], line["refused"]) == ("alert_refused", "00000002", 1)
    assert "bad key" in line["error"]
    sink.write(alerts(3))
    assert ids(receiver.bodies) == ["00000001", "00000003"]
    assert sink.refused == 1


def test_to_a_receiver_that_has_taken_none_yet_nothing_is_passed_over(server):
    """It is more likely set up wrongly: PagerDuty says 400 to a wrong routing key."""
    receiver, url = server
    sink = opened(url)
    receiver.answers += [Answer(400, "wrong routing key")] * 4
    for _ in range(4):
        with pytest.raises(SinkUnavailable, match="wrong routing key; it has taken no alert yet"):
            sink.write(alerts(1))
    position = sink.write(alerts(1))
    receiver.answers += [Answer(400)] * 2
    again = opened(url, resume=position)  # and that is known after a restart
    with pytest.raises(SinkUnavailable, match="once more"):
        again.write(alerts(2))
    again.write(alerts(2))
    assert again.refused == 1


def test_a_silent_receiver_is_given_up_in_time(server):
    receiver, url = server
    sink = opened(url, timeout="200ms")
    receiver.hold.clear()
    with pytest.raises(SinkUnavailable, match="no answer in time"):
        sink.write(alerts(1))


def test_one_connection_is_kept_and_a_long_answer_does_not_break_it(server):
    receiver, url = server
    sink = opened(url)
    sink.write(alerts(1, 2, 3))
    assert receiver.connections == 1
    receiver.answers.append(Answer(200, "x" * 1_000_000))
    sink.write(alerts(4))
    sink.write(alerts(5))
    assert ids(receiver.bodies) == ["00000001", "00000002", "00000003", "00000005"]


def test_who_we_are_is_sent(server):
    receiver, url = server
    opened(url + "/hook?x=1", token="t1", headers={"X-Team": "plant"}, method="PUT").write(alerts(1))
    opened(url, username="ops", password="pw").write(alerts(2))
    first, second = receiver.requests
    assert (first.method, first.path, first.headers["X-Team"]) == ("PUT", "/hook?x=1", "plant")
    assert first.headers["Authorization"] == "Bearer t1"
    assert second.headers["Authorization"] == "Basic " + base64.b64encode(b"ops:pw").decode()


def test_a_proxy_of_the_environment_is_not_used(server, monkeypatch):
    receiver, url = server
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    opened(url).write(alerts(1))
    assert len(receiver.requests) == 1


def test_a_redirect_reaches_nobody(server):
    receiver, url = server
    with http_receiver() as (other, elsewhere):
        receiver.answers.append(Answer(307, "", {"Location": elsewhere}))
        with pytest.raises(SinkUnavailable, match="write the final url"):
            opened(url).write(alerts(1))
        assert other.requests == []


def test_tls_is_checked(tmp_path):
    ours, other = certificates(tmp_path / "ours"), certificates(tmp_path / "other")
    with http_receiver(tls=ours) as (receiver, url):
        sink = opened(url, tls={"ca": ours["ca"]})
        sink.write(alerts(1))
        assert sink.probe(5.0) is None
        for wrong in (None, {"ca": other["ca"]}):
            with pytest.raises(SinkUnavailable, match=r"TLS: .*certificate"):
                opened(url, tls=wrong).write(alerts(2))
        with pytest.raises(SinkUnavailable, match=r"TLS: .*127\.0\.0\.1"):
            opened(url.replace("localhost", "127.0.0.1"), tls={"ca": ours["ca"]}).write(alerts(2))
        assert "certificate" in webhook("json", url).probe(5.0)
        with pytest.raises(SinkUnavailable, match="No such file"):
            opened(url, tls={"ca": tmp_path / "none"}).write(alerts(2))
    assert len(receiver.requests) == 1


def test_secrets_are_in_no_error_and_no_log(server, caplog):
    receiver, url = server
    caplog.set_level("DEBUG")
    secret = {"token": CANARY, "headers": {"X-Key": CANARY}}
    sink = opened(f"{url}/services/{CANARY}?k={CANARY}", **secret)
    texts = [repr(sink.options), str(sink.options)]
    sink.write(alerts(1))
    for answer in (Answer(404, f"no {CANARY} at /services/{CANARY}"), Answer(302, "", {"Location": CANARY})):
        receiver.answers.append(answer)
        with pytest.raises(SinkUnavailable) as caught:
            sink.write(alerts(2))
        texts.append(str(caught.value))
    receiver.answers += [Answer(400, CANARY)] * 2
    with capture_logs() as log:
        with pytest.raises(SinkUnavailable) as caught:
            sink.write(alerts(2))
        sink.write(alerts(2))
    away = opened(f"http://127.0.0.1:1/{CANARY}", **secret)
    with pytest.raises(SinkUnavailable, match="refused") as gone:
        away.write(alerts(1))
    texts += [str(caught.value), str(log), str(gone.value), str(away.probe(1.0)), caplog.text]
    assert len(receiver.requests) == 1
    assert all(text and CANARY not in text for text in texts if text != caplog.text)
    assert CANARY not in caplog.text


def test_what_is_chosen_is_told(server):
    warning = dataclasses.replace(alert(1), severity="warning")
    closed, grouped = alert(2, status="closed"), dataclasses.replace(alert(3), grouped=True)
    gap = dataclasses.replace(closed, kind="gap")

    def told(**options):
        sink = webhook("json", "http://h", **options)
        return [sink.wants(one) for one in (alert(0), warning, closed, grouped, gap)]

    assert told() == [True, True, True, False, True]
    assert told(grouped=True) == [True] * 5
    assert told(on=["open"]) == [True, True, False, False, True]
    assert told(**{"from": "critical"}) == [True, False, True, False, True]
    assert told(on=["update"]) == [False] * 5
