"""Plays a script of bytes to a client of paho, as a broker on loopback would send it, and notes all it does.

One thread plays both sides, so that nothing depends on time: a chunk is sent, then the client runs until it
has read all of it.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTProtocolVersion

from connectors.mqtt.buffered import BufferedClient

V3, V5 = MQTTProtocolVersion.MQTTv311, MQTTProtocolVersion.MQTTv5


@dataclass
class Played:
    """What a client made of a script: what it told, in order, and what it sent."""

    told: list[tuple[object, ...]] = field(default_factory=list)
    sent: bytes = b""


class Stage:
    """A client of this kind, and the broker's side of its connection.

    Parameters
    ----------
    kind : type
        `Client`, or `BufferedClient`.
    protocol : MQTTProtocolVersion
        Version of MQTT.
    tls : dict of str to Path, optional
        As from `tests.brokers.certificates`, for ``localhost``.
    publishes : int
        Messages of QoS 1 and 2 in turn that the client publishes when connected; their ids count from 1.
    manual : bool
        Messages are acknowledged in their callback, not by paho.
    """

    def __init__(
        self,
        kind: type[Client],
        protocol: MQTTProtocolVersion = V5,
        *,
        tls: dict[str, Path] | None = None,
        publishes: int = 0,
        manual: bool = True,
    ) -> None:
        self.played, self._raised = Played(), False
        self._tls, self._publishes = tls, publishes
        self.client = client = kind(CallbackAPIVersion.VERSION2, "c", protocol=protocol, manual_ack=manual)
        note = self.played.told.append
        client.on_message = self.on_message
        client.on_connect = lambda _c, _d, flags, code, props: note(("connect", flags, str(code), str(props)))
        client.on_publish = lambda _c, _d, mid, code, props: note(("publish", mid, str(code), str(props)))
        client.on_subscribe = lambda _c, _d, mid, codes, props: note(
            ("subscribe", mid, *map(str, codes), str(props))
        )
        client.on_unsubscribe = lambda _c, _d, mid, codes, props: note(
            ("unsubscribe", mid, str(codes), str(props))
        )
        client.on_disconnect = lambda _c, _d, flags, code, props: note(
            ("disconnect", flags, str(code), str(props))
        )
        client.on_log = lambda _c, _d, level, text: (
            note(("error", text)) if level == LogLevel.MQTT_LOG_ERR else None
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        if tls is not None:
            client.tls_set_context(ssl.create_default_context(cafile=str(tls["ca"])))
        self._connect()

    def on_message(self, client: Client, _data: object, message: MQTTMessage) -> None:
        """Note all of a message, and acknowledge it."""
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "?"
        flags = message.qos, message.dup, message.retain
        properties = message.properties and message.properties.json()
        self.played.told.append(
            ("message", topic, bytes(message.payload), flags, message.mid, message.state, properties)
        )
        if message.qos == 1 and isinstance(client, BufferedClient) and client._manual_ack:
            client.ack_all([message.mid])
        else:
            client.ack(message.mid, message.qos)

    def _connect(self) -> None:
        taken: list[socket.socket] = []
        thread = threading.Thread(target=lambda: taken.append(self._accept()))
        thread.start()
        self.client.connect("localhost", self._listener.getsockname()[1], keepalive=60)
        thread.join(10)
        self.client.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.peer = taken[0]
        self.peer.setblocking(False)
        for number in range(self._publishes):
            self.client.publish("out", b"x", qos=1 + number % 2)

    def _accept(self) -> socket.socket:
        peer, _ = self._listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._tls is None:
            return peer
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._tls["cert"], self._tls["key"])
        return context.wrap_socket(peer, server_side=True)

    def send(self, data: bytes) -> None:
        """Send this to the client, and let it read all of it."""
        while data:
            try:
                data = data[self.peer.send(data) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                pass
            except OSError:
                data = b""  # the client has closed the connection
            self.pump()

    def pump(self) -> None:
        """Run the client until it has read what there is; whatever it raises is told."""
        while (sock := self.client.socket()) is not None and not self._raised:
            pending = sock.pending() if hasattr(sock, "pending") else 0
            if not pending and not select.select([sock], [], [], 0.0)[0] and not self.client.want_write():
                break
            try:
                self.client.loop(0.0)
            except Exception as error:
                self.played.told.append(("raised", type(error).__name__, str(error)))
                self._raised = True
                break
        self._take()

    def _take(self) -> None:
        if self.peer.fileno() < 0 or (isinstance(self.peer, ssl.SSLSocket) and self.peer.version() is None):
            return  # what comes once TLS is over is not decrypted
        with contextlib.suppress(OSError):
            while data := self.peer.recv(65536):
                self.played.sent += data

    def close(self, *, reset: bool = False) -> None:
        """Close the broker's side, and run the client until it has seen that."""
        if reset:
            self.peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.peer.close()
        else:
            with contextlib.suppress(OSError):  # the client was the first
                self.peer.shutdown(socket.SHUT_WR)
        for _ in range(1000):
            if self.client.socket() is None or self._raised:
                return  # paho's thread would have ended
            self.pump()
        raise AssertionError("the client has not seen the end")

    def again(self) -> None:
        """Have the client connect once more."""
        self._connect()

    def end(self) -> Played:
        """Return what there was."""
        self._listener.close()
        self.client._reset_sockets()
        self._take()
        self.peer.close()
        return self.played


def play(
    kind: type[Client], chunks: Sequence[bytes], protocol: MQTTProtocolVersion = V5, **how: Any
) -> Played:
    """Play these chunks, then close; return what the client made of them."""
    reset = how.pop("reset", False)
    stage = Stage(kind, protocol, **how)
    for chunk in chunks:
        stage.send(chunk)
    stage.close(reset=reset)
    return stage.end()


# --- packets


def packet(head: int, *body: bytes) -> bytes:
    """Return a packet: first byte, length, and the rest."""
    rest = b"".join(body)
    length, left = b"", len(rest)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | 128 if left else digit])
        if not left:
            return bytes([head]) + length + rest


def connack(v5: bool) -> bytes:
    """The broker accepts."""
    return packet(0x20, b"\0\0", b"\0" * v5)


def publish(
    v5: bool,
    topic: bytes = b"in/a",
    payload: bytes = b'{"value": 1}',
    *,
    qos: int = 1,
    mid: int = 7,
    flags: int = 0,
    properties: bytes = b"",
) -> bytes:
    """A message; `flags`: 8 = DUP, 1 = RETAIN."""
    number = struct.pack("!H", mid) if qos else b""
    more = bytes([len(properties)]) + properties if v5 else b""
    return packet(0x30 | qos << 1 | flags, struct.pack("!H", len(topic)), topic, number, more, payload)


def acknowledgement(head: int, mid: int, v5: bool, reason: bytes = b"") -> bytes:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""
    return packet(head, struct.pack("!H", mid), reason if v5 else b"")


def everything(v5: bool) -> bytes:
    """Every packet that a broker may send to a client that has published messages 1 and 2."""
    content = b"\x03\x00\x04json" + b"\x26\x00\x01k\x00\x01v"  # content type, user property
    packets = [
        connack(v5),
        packet(0x90, b"\0\x03", b"\0" * v5, b"\x01\x80"),
        publish(v5),
        publish(v5, qos=0, payload=b""),
        publish(v5, mid=65535, flags=9, topic="in/ü".encode()),
        publish(v5, mid=8, payload=bytes(range(150))),
        acknowledgement(0x40, 1, v5),
        acknowledgement(0x50, 2, v5, b"\x10"),
        publish(v5, qos=2, mid=9),
        publish(v5, mid=10, properties=content if v5 else b""),
        acknowledgement(0x62, 9, v5),
        acknowledgement(0x70, 2, v5),
        packet(0xD0),
        packet(0xC0),
        packet(0xB0, b"\0\x04", b"\0\x11" * v5),
        publish(v5, qos=0, topic=b"\xff\xfe", payload=b"not utf-8"),
        publish(v5, mid=11),
        publish(v5, mid=12),
    ]
    return b"".join(packets)


def wrong(v5: bool) -> dict[str, bytes]:
    """Packets that must not be."""
    return {
        "length of five bytes": b"\x32\x80\x80\x80\x80\x01",
        "empty message": packet(0x32),
        "topic longer than the packet": packet(0x32, b"\0\x20abc"),
        "no packet id": packet(0x32, b"\0\x02ab"),
        "half a packet id": packet(0x32, b"\0\x02ab\0"),
        "no topic": publish(v5, topic=b""),
        "QoS 3": publish(v5, qos=3),
        "properties longer than the packet": packet(0x32, b"\0\x01a\0\x07", b"\x20\x03"),
        "unknown property": publish(v5, properties=b"\x7f\x01"),
        "unknown packet": packet(0xF0),
        "the client's own": packet(0x82, b"\0\x01\0\x01a\x01"),
        "disconnect": packet(0xE0, b"\x8e\0"),
        "disconnect without reason": packet(0xE0),
        "pingresp with a body": packet(0xD0, b"\0"),
        "suback without codes": packet(0x90, b"\0\x03", b"\0" * v5),
        "puback of one byte": packet(0x40, b"\0"),
    }
