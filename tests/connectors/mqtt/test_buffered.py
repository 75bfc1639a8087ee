"""Read ahead, paho does what it does: the same callbacks and bytes sent, however a stream is cut."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import paho.mqtt
import paho.mqtt.client
import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import MQTTProtocolVersion

from connectors.mqtt import buffered
from connectors.mqtt.buffered import KNOWN, PIECE, BufferedClient
from tests.brokers import OPENSSL, certificates
from tests.connectors.mqtt.scripted import (
    V3,
    V5,
    Stage,
    connack,
    everything,
    packet,
    play,
    publish,
    wrong,
)

versions = pytest.mark.parametrize("protocol", [V3, V5], ids=["3.1.1", "5"])
WRONG = list(wrong(v5=True))


@pytest.fixture(autouse=True, scope="module")
def as_if_known() -> Iterator[None]:
    """Every other test tries what is here with the paho there is."""
    before, buffered.KNOWN = buffered.KNOWN, KNOWN | {paho.mqtt.__version__}
    buffered._is_known.cache_clear()
    yield
    buffered.KNOWN = before
    buffered._is_known.cache_clear()


@versions
def test_cut_anywhere(protocol: MQTTProtocolVersion) -> None:
    stream = everything(protocol == V5)
    expected = play(Client, [stream], protocol, publishes=2)
    assert len(expected.told) >= 14 and expected == play(
        Client, [bytes([one]) for one in stream], protocol, publishes=2
    )
    assert play(BufferedClient, [bytes([one]) for one in stream], protocol, publishes=2) == expected
    for cut in range(len(stream)):
        assert play(BufferedClient, [stream[:cut], stream[cut:]], protocol, publishes=2) == expected, cut


@versions
def test_where_paho_acknowledges(protocol: MQTTProtocolVersion) -> None:
    stream = everything(protocol == V5)
    expected = play(Client, [stream], protocol, publishes=2, manual=False)
    for cut in range(0, len(stream), 7):
        chunks = [stream[:cut], stream[cut:]]
        assert play(BufferedClient, chunks, protocol, publishes=2, manual=False) == expected, cut


@versions
@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_a_connection_that_ends_anywhere(protocol: MQTTProtocolVersion, reset: bool) -> None:
    stream = everything(protocol == V5)
    for end in range(len(stream)):
        expected = play(Client, [stream[:end]], protocol, publishes=2, reset=reset)
        assert expected.told[-1][0] == "disconnect"
        assert any("reset by peer" in str(one) for one in expected.told) == reset
        assert play(BufferedClient, [stream[:end]], protocol, publishes=2, reset=reset) == expected, end


@versions
@pytest.mark.parametrize("what", WRONG)
def test_what_must_not_be(protocol: MQTTProtocolVersion, what: str) -> None:
    v5 = protocol == V5
    start, bad = connack(v5) + publish(v5), wrong(v5)[what]
    stream = start + bad + publish(v5, mid=99)
    expected = play(Client, [stream], protocol)
    assert play(BufferedClient, [stream], protocol) == expected
    for cut in range(len(start), len(start + bad) + 1):
        assert play(BufferedClient, [stream[:cut], stream[cut:]], protocol) == play(
            Client, [stream[:cut], stream[cut:]], protocol
        ), cut


@versions
def test_every_length(protocol: MQTTProtocolVersion) -> None:
    v5 = protocol == V5
    around = [*range(20), *range(100, 140), *range(16_360, 16_400), PIECE - 20, PIECE, 2_097_152, 3_000_000]
    messages = [publish(v5, payload=b"x" * size, mid=number + 1) for number, size in enumerate(around)]
    stream = connack(v5) + b"".join(messages)
    expected = play(Client, [stream], protocol)
    assert [len(one[2]) for one in expected.told if one[0] == "message"] == around
    assert play(BufferedClient, [stream], protocol) == expected


@versions
def test_thousands_in_one_piece(protocol: MQTTProtocolVersion) -> None:
    v5 = protocol == V5
    messages = [publish(v5, payload=b"%d" % number, mid=number + 1) for number in range(5000)]
    expected = play(Client, [connack(v5), b"".join(messages)], protocol)
    assert sum(one[0] == "message" for one in expected.told) == 5000
    assert play(BufferedClient, [connack(v5), b"".join(messages)], protocol) == expected


@versions
@pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")
def test_through_tls(protocol: MQTTProtocolVersion, tmp_path: Path) -> None:
    tls, v5 = certificates(tmp_path), protocol == V5
    stream = everything(v5) + publish(v5, payload=bytes(40_000), mid=20) + publish(v5, mid=21)
    expected = play(Client, [stream], protocol, publishes=2, tls=tls)
    assert sum(one[0] == "message" for one in expected.told) == 11
    for chunks in ([stream], [stream[:200], stream[200:]], [bytes([one]) for one in stream[:400]]):
        assert play(BufferedClient, chunks, protocol, publishes=2, tls=tls) == play(
            Client, chunks, protocol, publishes=2, tls=tls
        )


@versions
def test_another_connection_begins_anew(protocol: MQTTProtocolVersion) -> None:
    v5 = protocol == V5
    told = []
    for kind in (Client, BufferedClient):
        stage = Stage(kind, protocol)
        stage.send(connack(v5) + publish(v5) + publish(v5, mid=8)[:-3])
        stage.close()
        stage.again()
        stage.send(connack(v5) + publish(v5, mid=9))
        stage.close()
        told.append(stage.end())
    assert told[0] == told[1]
    assert [one[4] for one in told[0].told if one[0] == "message"] == [7, 9]


@versions
def test_a_callback_that_connects_anew(protocol: MQTTProtocolVersion) -> None:
    """The rest of the piece was of the connection before."""
    v5 = protocol == V5
    for kind in (Client, BufferedClient):
        stage = Stage(kind, protocol)
        noted = stage.on_message

        def on_message(client: Client, data: object, message: MQTTMessage, stage: Stage = stage) -> None:
            Stage.on_message(stage, client, data, message)
            client.on_message = None
            client._sock_close()
            stage.again()

        stage.client.on_message = on_message
        stage.send(connack(v5) + publish(v5, mid=7) + publish(v5, mid=8))
        stage.client.on_message = noted
        stage.send(connack(v5) + publish(v5, mid=9))
        stage.close()
        assert [one[4] for one in stage.end().told if one[0] == "message"] == [7, 9]


@versions
def test_silence_is_asked_about(protocol: MQTTProtocolVersion, monkeypatch: pytest.MonkeyPatch) -> None:
    v5, now = protocol == V5, [1000.0]
    monkeypatch.setattr(paho.mqtt.client, "time_func", lambda: now[0])
    monkeypatch.setattr(buffered, "time", SimpleNamespace(monotonic=lambda: now[0]))
    seen = []
    for kind in (Client, BufferedClient):
        now[0] = 1000.0
        stage, asked = Stage(kind, protocol), []
        stage.send(connack(v5))
        for second in range(10, 400, 10):
            now[0] = 1000.0 + second
            if second < 100:
                stage.send(publish(v5))
            elif second == 170:
                stage.send(packet(0xD0))
            stage.client.loop_misc()
            stage.pump()
            asked.append(stage.played.sent.count(b"\xc0\0"))
        assert stage.client.socket() is None
        seen.append((asked, stage.end()))
    assert seen[0] == seen[1]
    assert seen[0][0][-1] >= 1 and "Keep alive" in str(seen[0][1].told[-1])


@versions
def test_a_callback_that_raises(protocol: MQTTProtocolVersion) -> None:
    v5 = protocol == V5

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    for kind in (Client, BufferedClient):
        stage = Stage(kind, protocol)
        stage.client.on_message = broken
        stage.send(connack(v5) + publish(v5))
        assert stage.end().told[-2:] == [
            ("error", "Caught exception in on_message: "),
            ("raised", "ZeroDivisionError", ""),
        ]


def test_filtered_callbacks() -> None:
    for kind in (Client, BufferedClient):
        stage, found = Stage(kind), []
        stage.client.message_callback_add("in/+", lambda _c, _d, message, f=found: f.append(message.mid))
        stage.send(connack(True) + publish(True) + publish(True, topic=b"other", mid=8))
        assert found == [7]
        assert [one[4] for one in stage.end().told if one[0] == "message"] == [8]
