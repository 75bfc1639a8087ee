"""What reading ahead is for, how it stays away from what it does not know, and with which paho."""

from __future__ import annotations

import socket
import ssl
import time
from types import SimpleNamespace
from typing import Any

import paho.mqtt
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
from structlog.testing import capture_logs

from connectors.mqtt import buffered
from connectors.mqtt.buffered import KNOWN, Buffered, BufferedClient
from tests.connectors.mqtt.scripted import Stage, acknowledgement, connack, everything, play, publish


def test_the_installed_paho_is_one_that_is_known() -> None:
    assert paho.mqtt.__version__ in KNOWN, (
        f"paho-mqtt {paho.mqtt.__version__} is not read ahead, which costs several times the CPU; if all "
        "tests of test_buffered.py pass with it, add it to `connectors.mqtt.buffered.KNOWN`"
    )


class Counting:
    """Counts what is asked of a socket."""

    def __init__(self, client: Client) -> None:
        self.reads = self.writes = 0
        inner = client._sock._sock if isinstance(client._sock, Buffered) else client._sock
        outer = self

        class Spy:
            def __getattr__(self, name: str) -> Any:
                return getattr(inner, name)

            def recv(self, size: int) -> bytes:
                outer.reads += 1
                return inner.recv(size)

            def send(self, data: bytes) -> int:
                outer.writes += 1
                return inner.send(data)

        if isinstance(client._sock, Buffered):
            client._sock._sock = Spy()
        else:
            client._sock = Spy()


def test_many_packets_are_one_read_and_many_acknowledgements_one_write() -> None:
    stage = Stage(BufferedClient)
    stage.send(connack(True))
    mids = range(1, 401)
    stage.client.on_message = None
    count = Counting(stage.client)
    stage.send(b"".join(publish(True, mid=mid) for mid in mids))
    assert count.reads <= 3
    assert isinstance(stage.client, BufferedClient)
    stage.client.ack_all(mids)
    stage.client.ack_all([])
    stage.pump()
    assert count.writes == 1
    assert stage.end().sent.endswith(b"".join(acknowledgement(0x40, mid, v5=False) for mid in mids))


def test_a_flood_does_not_keep_it_from_sending() -> None:
    stage = Stage(BufferedClient)
    stage.send(connack(True))
    client, sock = stage.client, stage.client.socket()
    assert isinstance(sock, Buffered)
    message = publish(True, qos=0)
    sock._sock = SimpleNamespace(
        recv=lambda _size: message * 100, setsockopt=lambda *_: None, fileno=sock.fileno, close=sock.close
    )
    client.loop_read()
    assert len(stage.end().told) == 1 + 100


def test_a_broker_that_waits_for_the_system_to_hear_of_each_packet_is_not_held_up() -> None:
    """With Nagle's algorithm, on by default, and a client that sends only now and then."""
    late, sent = [], {}
    stage = Stage(BufferedClient)
    stage.send(connack(True))
    stage.peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)
    stage.client.on_message = lambda _c, _d, message: late.append(time.monotonic() - sent[message.mid])
    for mid in range(1, 201):
        stage.peer.setblocking(True)
        sent[mid] = time.monotonic()
        stage.peer.send(publish(True, mid=mid))
        end = sent[mid] + 0.003
        while time.monotonic() < end:
            stage.client.loop(0.001)
        if mid % 20 == 0:
            stage.client.ack(mid, 1)
    stage.end()
    assert sorted(late)[int(0.9 * len(late))] < 0.01


def test_with_another_paho_it_reads_as_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = play(BufferedClient, [everything(v5=True)], publishes=2)
    monkeypatch.setattr(paho.mqtt, "__version__", "2.99")
    buffered._is_known.cache_clear()
    with capture_logs() as lines:
        assert play(BufferedClient, [everything(v5=True)], publishes=2) == expected
        stage = Stage(BufferedClient)
        assert isinstance(stage.client.socket(), socket.socket)
        stage.end()
    buffered._is_known.cache_clear()
    assert [line["event"] for line in lines] == ["mqtt_reads_unbuffered"]


def test_what_is_no_socket_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As paho's of websockets, which has a buffer of its own."""
    websocket = SimpleNamespace()
    monkeypatch.setattr(Client, "_create_socket", lambda _self: websocket)
    assert BufferedClient(CallbackAPIVersion.VERSION2)._create_socket() is websocket


def test_in_all_else_it_is_the_socket() -> None:
    one, other = socket.socketpair()
    sock = Buffered(one)
    assert sock.fileno() == one.fileno() and not isinstance(sock, ssl.SSLSocket)
    sock.close()
    other.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        sock.recv(1)
    with pytest.raises(AttributeError):
        sock.nothing  # noqa: B018
