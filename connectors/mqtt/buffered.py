"""paho's client, reading many packets at once, and sending without a detour.

paho asks the system for each packet at least four times: whether there is one, for its first byte, for its
length byte by byte, for the rest. Here a connection is read in pieces of 64 KiB (`Buffered`). What makes up
nearly all of a stream, whole messages of QoS 0 or 1 up to 16 KiB without properties, is taken out of the
piece at once (`plain_message`); paho reads what else is in it: packets cut in two, larger ones,
acknowledgements, malformed ones.

paho has its own thread send whatever is handed over; in a busy process it takes half a millisecond to wake
up. Here who hands a packet over sends it, and paho's thread what the system does not take.

This leans on paho from inside, so only on versions that the tests were run with: `KNOWN`. Any other reads and
sends as it always did, and one line of the log says so.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import struct
import threading
import time
from collections.abc import Sequence
from typing import Any

import paho.mqtt
import structlog
from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import MessageState, MessageType, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

log = structlog.get_logger()

KNOWN = frozenset({"2.1.0", "2.2.0"})
"""Versions of paho that `tests/connectors/mqtt/test_buffered.py` passes with."""

PIECE = 65536
"""Bytes that are asked of the system at once."""

_ACK_AT_ONCE = getattr(socket, "TCP_QUICKACK", None)  # Linux has it
_NO_PROPERTIES = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]


class Buffered:
    """A connected socket that is read ahead; in everything else the socket itself.

    Parameters
    ----------
    sock : socket
        Of TCP, perhaps with TLS, and non-blocking by the time it is read.

    Attributes
    ----------
    data : bytes
        The piece that was read last.
    at : int
        How much of it was given away.
    shared : bool
        Whether one thread may send while another reads; OpenSSL does not allow it.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.shared = not isinstance(sock, ssl.SSLSocket)
        self._failed: OSError | None = None
        self.data, self.at = b"", 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def fill(self) -> None:
        """Read a piece if all of the last was given away; what goes wrong is told by `recv`."""
        if self.at < len(self.data) or self._failed is not None:
            return
        try:
            self.data, self.at = self._sock.recv(PIECE), 0
            # Else the system may put off for 40 ms to tell the broker's that it came, and until then Nagle's
            # algorithm, which Mosquitto leaves on, holds the next small packet back.
            if _ACK_AT_ONCE is not None:
                self._sock.setsockopt(socket.IPPROTO_TCP, _ACK_AT_ONCE, 1)
        except OSError as error:
            self._failed = error

    def recv(self, size: int) -> bytes:
        """Return at most `size` bytes of the piece, or, when it is used up, of another; b"" at the end."""
        self.fill()
        if self._failed is not None:
            failed, self._failed = self._failed, None
            raise failed
        given = self.data[self.at : self.at + size]
        self.at += len(given)
        return given

    def pending(self) -> int:
        """Return how many bytes wait that the system no longer tells of: paho does not wait then."""
        decrypted = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        return len(self.data) - self.at + decrypted


class PlainMessage(MQTTMessage):
    """A message without properties, for which all share one object; it has no `info`."""

    __slots__ = ()

    def __init__(
        self, head: int, topic: bytes, mid: int, payload: bytes, properties: Properties | None
    ) -> None:
        self.dup, self.qos, self.retain = head & 8 != 0, head >> 1 & 1, head & 1 != 0
        self._topic, self.mid, self.payload, self.properties = topic, mid, payload, properties
        self.state, self.timestamp = MessageState.MQTT_MS_INVALID, time.monotonic()


def plain_message(data: bytes, at: int, *, v5: bool) -> tuple[PlainMessage, int] | None:
    """Return the message that starts there, and where it ends; None: whatever it is, paho shall read it.

    >>> message, end = plain_message(bytes([0x32, 6, 0, 1, 97, 0, 9, 33, 0]), 0, v5=False)
    >>> message.topic, message.qos, message.mid, message.payload, end
    ('a', 1, 9, b'!', 8)
    """
    if at + 4 > len(data) or data[at] & 0xF4 != MessageType.PUBLISH:  # or of QoS 2
        return None
    head, length, start = data[at], data[at + 1], at + 2
    if length > 127:
        if data[start] > 127:
            return None
        length, start = length - 128 + 128 * data[start], start + 1
    end = start + length
    if length < 2 or end > len(data):
        return None
    topic_end, qos = start + 2 + 256 * data[start] + data[start + 1], head >> 1 & 1
    payload = topic_end + 2 * qos + v5  # behind the packet id and the length of the properties
    if payload > end or topic_end == start + 2 or (v5 and data[payload - 1] > 0):
        return None
    mid = 256 * data[topic_end] + data[topic_end + 1] if qos else 0
    properties = _NO_PROPERTIES if v5 else None
    return PlainMessage(head, data[start + 2 : topic_end], mid, data[payload:end], properties), end


class BufferedClient(Client):
    """paho's client, made for ``manual_ack=True``, with buffered reads."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._sending = threading.RLock()

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Hand over the plain messages that have come; have paho read what else there is.

        Not more than a piece, however fast they come: `Buffered.pending` brings us back at once, after paho
        has sent what waits to be sent.
        """
        sock = self._sock
        return self._read_piece(sock) if isinstance(sock, Buffered) else super().loop_read(max_packets)

    def _read_piece(self, sock: Buffered) -> MQTTErrorCode:
        sock.fill()
        piece = sock.data
        if self._hand_over(sock):
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        result = super().loop_read()
        while not result and sock is self._sock and sock.data is piece and sock.at < len(piece):
            if not self._hand_over(sock):
                result = super().loop_read()
        return result

    def _hand_over(self, sock: Buffered) -> bool:
        """Hand over the plain messages up to the first other packet; return whether that was all of it."""
        if self._in_packet["command"] or not self._manual_ack:
            return (
                False  # the next bytes are of a packet that paho has begun; it has to acknowledge by itself
            )
        before, v5 = sock.at, self._protocol == MQTTProtocolVersion.MQTTv5
        while sock is self._sock and (found := plain_message(sock.data, sock.at, v5=v5)) is not None:
            message, sock.at = found
            self._handle_on_message(message)
        if sock.at > before:
            self._last_bytes_received = time.monotonic()
        return before < sock.at == len(sock.data)

    def ack_all(self, mids: Sequence[int]) -> None:
        """Acknowledge QoS 1 messages, all in one write."""
        if not _is_known():
            for mid in mids:
                self.ack(mid, 1)
        elif mids:
            acks = b"".join([struct.pack("!BBH", MessageType.PUBACK, 2, mid) for mid in mids])
            self._packet_queue(MessageType.PUBACK, acks, mids[-1], 1)

    def reconnect(self) -> MQTTErrorCode:
        """Connect; nobody sends meanwhile, as the rest of a packet must not go into another connection."""
        with self._sending:
            return super().reconnect()

    def _packet_write(self) -> MQTTErrorCode:
        with self._sending:
            return super()._packet_write()

    def _packet_queue(
        self, command: int, packet: Any, mid: int, qos: int, info: MQTTMessageInfo | None = None
    ) -> MQTTErrorCode:
        """Send at once what waits for the broker's answer; paho does more about other packets once sent.

        Nobody waits here for paho's thread, which may hold `_sending` in a callback that waits for us. What a
        callback hands over, paho's thread sends next.
        """
        at_once = qos == 1 and not self._in_callback_mutex.locked()
        if at_once and self._sending.acquire(blocking=False):
            try:
                sent = self._send_now(packet)
                if sent == len(packet):
                    return MQTTErrorCode.MQTT_ERR_SUCCESS
                if sent > 0:
                    self._go_on(command, packet, mid, sent, info)
                    return MQTTErrorCode.MQTT_ERR_SUCCESS
            finally:
                self._sending.release()
        return super()._packet_queue(command, packet, mid, qos, info)

    def _send_now(self, packet: Any) -> int:
        """Return how much of a packet the system took; whatever goes wrong, paho's thread will find, too."""
        sock = self._sock  # before the look at the state: a connection is new before it is accepted
        if self._out_packet or not isinstance(sock, Buffered) or not sock.shared or not self.is_connected():
            return 0
        try:
            sent: int = sock.send(packet)
        except OSError:
            return 0
        with self._msgtime_mutex:
            self._last_msg_out = time.monotonic()
        return sent

    def _go_on(self, command: int, packet: Any, mid: int, sent: int, info: MQTTMessageInfo | None) -> None:
        """Have paho's thread send the rest of a packet, before anything else."""
        rest = {"command": command, "mid": mid, "qos": 1, "info": info, "packet": packet}
        self._out_packet.appendleft({**rest, "pos": sent, "to_process": len(packet) - sent})  # type: ignore[typeddict-item]
        if self._sockpairW is not None:
            with contextlib.suppress(BlockingIOError):  # it is woken already
                self._sockpairW.send(b"0")

    def _create_socket(self) -> Any:
        sock = super()._create_socket()
        return Buffered(sock) if isinstance(sock, socket.socket) and _is_known() else sock


@functools.cache
def _is_known() -> bool:
    known = paho.mqtt.__version__ in KNOWN
    if not known:
        log.warning("mqtt_reads_unbuffered", paho=paho.mqtt.__version__, known=sorted(KNOWN))
    return known
