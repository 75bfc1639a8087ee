"""The MQTT source against peers that it must not trust: P40 and P41."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.errors import SourceError
from tests.brokers import OPENSSL, Broker, certificates, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import connected, drain, source, values

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")


class FakeBroker:
    """Accepts one client of MQTT 3.1.1, answers CONNECT and SUBSCRIBE, then sends what it is given."""

    def __init__(self, packets: bytes) -> None:
        self.packets = packets
        self.acknowledged = b""
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._server, self._server.accept()[0] as peer:
            self._packet(peer)
            peer.sendall(b"\x20\x02\x00\x00")
            mid = self._packet(peer)[:2]
            peer.sendall(b"\x90\x03" + mid + b"\x01" + self.packets)
            try:
                while data := peer.recv(4096):
                    self.acknowledged += data
            except ConnectionResetError:
                pass

    @staticmethod
    def _packet(peer: socket.socket) -> bytes:
        return peer.recv(2 + peer.recv(2)[1])

    def join(self) -> None:
        self._thread.join(5)


def publish(topic: bytes, payload: bytes, mid: int) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + payload
    length = bytes([len(body)]) if len(body) < 128 else bytes([len(body) % 128 + 128, len(body) // 128])
    return b"\x32" + length + body


def test_hostile_topics_are_rejected_and_the_stream_goes_on() -> None:
    topics = [
        b"in/\xff\xfe",
        b"in/\xc3",
        b"in/\xed\xa0\x80",
        b"elsewhere",
        b"in/a/b",
        b"in",
        b"in/" + b"x" * 9000,
    ]
    packets = b"".join(publish(topic, b'{"value": 1}', i) for i, topic in enumerate(topics, 1))
    packets += publish(b"in/a\x1b[2J\n", b"{", 90) + publish(b"in/a", b'{"value": 7}', 91)
    fake = FakeBroker(packets)
    reading = source(fake.url, protocol="3.1.1")
    batches = drain(reading, len(topics) + 2)
    rejected = [one for batch in batches for one in batch.rejected]
    assert reading.connected
    assert [one.reason for one in rejected[:6]] == ["bad_topic"] * 3 + ["unknown_topic"] * 3
    assert all(one.where.isprintable() and one.detail.isprintable() for one in rejected)
    assert values(batches)[-1] == 7
    wait_until(lambda: fake.acknowledged.count(b"\x40\x02") == len(topics) + 2)
    reading.close()
    fake.join()


@pytest.mark.parametrize(
    "packets",
    [publish(b"", b"1", 1), b"\xf0\x00", b"\x32\x02\x00\x09", b"\x32\xff\xff\xff\xff\xff", b"\x00" * 9],
)
def test_broken_packets_end_the_connection_or_the_source_but_never_silently(packets: bytes) -> None:
    fake = FakeBroker(packets)
    reading = source(fake.url, protocol="3.1.1")
    wait_until(lambda: reading._subscribed)

    def noticed() -> bool:
        try:
            reading.read(1, 0.05)
        except SourceError:
            return True
        return not reading._link.connected  # type: ignore[union-attr]

    wait_until(noticed)
    reading.close()
    fake.join()


@pytest.fixture
def tls(tmp_path: Path) -> Iterator[tuple[Broker, dict[str, Path]]]:
    files = certificates(tmp_path / "tls")
    lines = f"allow_anonymous true\ncertfile {files['cert']}\nkeyfile {files['key']}"
    made = Broker(tmp_path / "broker", lines=lines).start()
    yield made, files
    made.kill()


@needs_mosquitto
@needs_openssl
def test_tls(tls: tuple[Broker, dict[str, Path]], tmp_path: Path) -> None:
    made, files = tls
    good = f"mqtts://localhost:{made.port}"
    reading = connected(good, tls={"ca": files["ca"]})
    assert reading.probe(5) is None
    reading.close()

    other = certificates(tmp_path / "other")
    for url, ca in ((good, other["ca"]), (good, None), (f"mqtts://127.0.0.1:{made.port}", files["ca"])):
        refused = source(url, tls={"ca": ca}, on_start_error="fail")
        with pytest.raises(SourceError, match="certificate verify failed"):
            for _ in range(100):
                refused.read(1, 0.1)
        problem = refused.probe(5)
        assert problem is not None and "certificate verify failed" in problem
        refused.close()


def test_missing_tls_file_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="tls files"):
        source("mqtts://localhost:1", tls={"ca": tmp_path / "missing.pem"})
