"""Whoever hands a packet over sends it; what the system does not take then follows whole and in order."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client

from connectors.mqtt.buffered import BufferedClient
from tests.brokers import OPENSSL, certificates
from tests.connectors.mqtt.scripted import V3, Stage, connack

LARGE = bytes(1_000_000)
"""More than the system's buffers hold."""


def connected(kind: type[Client] = BufferedClient, **how: Any) -> Stage:
    """Return a client that is connected, and takes us for another thread than the one that sends."""
    stage = Stage(kind, V3, **how)
    stage.send(connack(False))
    stage.client.socket().setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    stage.client._thread = threading.Thread()
    return stage


def test_sent_by_who_hands_it_over() -> None:
    stage = connected()
    stage.client.publish("out", b"at once", qos=1)
    assert not stage.client.want_write() and stage.peer.recv(100).endswith(b"at once")
    stage.end()


def test_not_before_the_broker_has_accepted() -> None:
    stage = connected()
    stage.again()
    stage.pump()
    stage.client.publish("out", b"later", qos=1)
    assert stage.client.want_write()
    stage.end()


def test_a_full_socket() -> None:
    sent = []
    for kind in (Client, BufferedClient):
        stage = connected(kind)
        for payload in (b"first", LARGE, b"second", LARGE, b"third"):
            stage.client.publish("out", payload, qos=1)
        while stage.client.want_write():
            stage.client.loop(0.0)
            stage._take()
        sent.append(stage.end().sent)
    assert sent[0] == sent[1] and len(sent[0]) > 2 * len(LARGE)


def test_the_rest_of_a_packet_stays_in_its_connection() -> None:
    stage = connected()
    stage.client.publish("out", LARGE, qos=1)
    assert stage.client.want_write()
    stage.peer.close()
    stage.again()
    before = len(stage.played.sent)
    stage.pump()
    sent = stage.end().sent[before:]
    assert sent.startswith(b"\x10") and len(sent) < 100


@pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")
def test_tls_is_left_to_one_thread(tmp_path: Path) -> None:
    stage = connected(tls=certificates(tmp_path))
    stage.client.publish("out", b"later", qos=1)
    assert stage.client.want_write()
    stage.end()
