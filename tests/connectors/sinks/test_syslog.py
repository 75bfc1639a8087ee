"""Syslog as RFC 5424 has it: fields, framing, escapes; and a server that goes away."""

from __future__ import annotations

import dataclasses
import re

import pytest

from detector.errors import SinkUnavailable
from tests.brokers import certificates, free_port, wait_until
from tests.checks.harness_outbound import make
from tests.checks.sinks import HOSTILE, alert, alerts, write
from tests.checks.webhook_formats import RFC5424
from tests.receivers import syslog_receiver


def sent(tmp_path, *notices, scheme="unix", **options):
    """Send these; return what the server got, taken apart."""
    with syslog_receiver(scheme, tmp_path) as (receiver, url):
        write(make("syslog", url=url, **options), notices)
        wait_until(lambda: len(receiver.messages) == len(notices))
        assert receiver.faults == []
    found = [RFC5424.fullmatch(message) for message in receiver.messages]
    assert all(found)
    return [one.groupdict() | {"whole": one[0]} for one in found]


def values(data):
    """The parameters of structured data, with the escapes undone."""
    return {
        name: re.sub(r"\\(.)", r"\1", value)
        for name, value in re.findall(r' ([a-z]+)="((?:[^"\\]|\\.)*)"', data)
    }


def test_a_message_has_the_fields_of_its_alert(tmp_path):
    (one,) = sent(tmp_path, alert(3), facility="local3")
    assert (one["pri"], one["app"], one["msgid"]) == (str(19 * 8 + 2), "kyori", "distance")
    assert one["time"] == "2023-11-14T22:13:23.000Z"
    assert one["text"] == alert(3).message
    assert one["data"].startswith("[kyori@32473 ")
    found = values(one["data"])
    assert (found["id"], found["status"], found["key"]) == (alert(3).id, "open", alert(3).key)
    assert (found["level"], found["opened"]) == ("3", "2023-11-14T22:13:20.000Z")


def test_severities(tmp_path):
    warning = dataclasses.replace(alert(1), severity="warning")
    gap = dataclasses.replace(warning, status="closed", kind="gap")
    found = sent(tmp_path, alert(1), warning, alert(1, status="closed"), gap)
    assert [int(one["pri"]) % 8 for one in found] == [2, 4, 5, 4]


def test_nothing_in_an_alert_can_break_out_of_its_field(tmp_path):
    texts = (*HOSTILE, 'a"] [evil@1 x="y', "\\", '\\"]', "two\n<13>1 lines", "\ud83d half")
    notices = [dataclasses.replace(alert(i, text), key=text) for i, text in enumerate(texts)]
    found = sent(tmp_path, *notices, scheme="tcp")
    assert [values(one["data"])["id"] for one in found] == [notice.id for notice in notices]
    assert [values(one["data"])["key"] for one in found[6:9]] == list(texts[6:9])
    assert all(one["text"].isprintable() for one in found)


@pytest.mark.parametrize(("scheme", "most"), [("udp", 2048), ("tcp", 8192)])
def test_a_long_message_is_cut_and_still_one(tmp_path, scheme, most):
    """Between two characters, wherever the limit falls."""
    long = [
        dataclasses.replace(alert(1, "x" * i + "é" * 20_000), key='"' * 5000, pipeline="ポ" * 500)
        for i in range(2)
    ]
    found = sent(tmp_path, *long, scheme=scheme)
    assert sorted(len(one["whole"].encode()) for one in found) == [most - 1, most]
    assert all("éé" in one["text"] for one in found)


def test_a_server_that_was_restarted_loses_nothing(tmp_path):
    port = free_port()
    sink = make("syslog", url=f"tcp://127.0.0.1:{port}")
    sink.open(b"")
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.write(alerts(1))
    for part in ([1, 2], [3]):
        with syslog_receiver("tcp", tmp_path, port) as (receiver, _):
            sink.write(alerts(*part))
            wait_until(lambda part=part, receiver=receiver: len(receiver.messages) == len(part))
            sink._socket.shutdown(1)  # the server reads the end, and hangs up
    sink.close()


def test_a_datagram_to_nobody_is_noticed_at_the_next(tmp_path):
    sink = make("syslog", url=f"udp://127.0.0.1:{free_port()}")
    sink.open(b"")
    with pytest.raises(SinkUnavailable, match="refused"):
        sink.write(alerts(1, 2, 3))
    sink.close()


def test_tls_is_checked(tmp_path):
    ours, other = certificates(tmp_path / "ours"), certificates(tmp_path / "other")
    with syslog_receiver("tls", tmp_path, tls=ours) as (receiver, url):
        write(make("syslog", url=url, tls={"ca": ours["ca"]}), alerts(1), alerts(2))
        wait_until(lambda: len(receiver.messages) == 2)
        with pytest.raises(SinkUnavailable, match=r"TLS: .*certificate"):
            write(make("syslog", url=url, tls={"ca": other["ca"]}), alerts(3))
        assert "TLS" in make("syslog", url=url).probe(5.0)
    assert len(receiver.messages) == 2
