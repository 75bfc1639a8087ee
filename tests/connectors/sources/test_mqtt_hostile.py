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
    rest, length = len(body), b""
    while rest >= 128:
        length, rest = length + bytes([rest % 128 + 128]), rest // 128
    return b"\x32" + length + bytes([rest]) + body


# What is hostile in it: the topic, and the reason to refuse it, or the key that it gives.
TOPICS = {
    "never UTF-8": (b"in/\xff\xfe", "bad_topic"),
    "a character cut short": (b"in/\xc3", "bad_topic"),
    "a continuation alone": (b"in/\x80", "bad_topic"),
    "a surrogate": (b"in/\xed\xa0\x80", "bad_topic"),
    "a pair of surrogates": (b"in/\xed\xa0\xbd\xed\xb8\x80", "bad_topic"),
    "an overlong slash": (b"in\xc0\xafa", "bad_topic"),
    "an overlong NUL": (b"in/\xc0\x80", "bad_topic"),
    "beyond Unicode": (b"in/\xf4\x90\x80\x80", "bad_topic"),
    "Latin-1": ("in/m\xfcnchen".encode("latin-1"), "bad_topic"),
    "UTF-16": ("in/a".encode("utf-16"), "bad_topic"),
    "another topic": (b"elsewhere", "unknown_topic"),
    "a level too many": (b"in/a/b", "unknown_topic"),
    "a level too few": (b"in", "unknown_topic"),
    "an empty first level": (b"/in/a", "unknown_topic"),
    "an empty level between": (b"in//a", "unknown_topic"),
    "an empty level at the end": (b"in/a/", "unknown_topic"),
    "nothing but slashes, 65,535 bytes": (b"/" * 65535, "bad_topic"),
    "200 levels": (b"/".join([b"in"] * 200), "unknown_topic"),
    "of the broker itself": (b"$SYS/broker/uptime", "unknown_topic"),
    "a shared subscription": (b"$share/group/in/a", "unknown_topic"),
    "a NUL in our own level": (b"i\0n/a", "unknown_topic"),
    "a wildcard for our own level": (b"+/a", "unknown_topic"),
    "no key": (b"in/", "no_key"),
    "a key of spaces": (b"in/ \t ", "no_key"),
    "a key of 65,532 bytes": (b"in/" + b"x" * 65532, "bad_topic"),
    "a key of 600 characters of 4 bytes": (b"in/" + "\U0001f600".encode() * 600, "bad_key"),
    "a wildcard as the key": (b"in/+", "+"),
    "all levels as the key": (b"in/#", "#"),
    "a NUL as the key": (b"in/\0", "\0"),
    "an escape sequence and a line break": (b"in/a\x1b[2J\nb", "a\x1b[2J\nb"),
    "right to left": ("in/\u202ea".encode(), "\u202ea"),
    "no characters": ("in/\ufdd0\uffff".encode(), "\ufdd0\uffff"),
    "a template as the key": (b"in/{site}", "{site}"),
    "a path as the key": (b"in/..", ".."),
}


def test_hostile_topics_are_rejected_or_harmless_and_the_stream_goes_on() -> None:
    """P40: each is refused with its reason, or gives a key as it is, which the sinks make safe."""
    packets = [publish(topic, b'{"value": 1}', i) for i, (topic, _) in enumerate(TOPICS.values(), 1)]
    packets += [publish(b"in/a\x1b[2J\n", b"{", 90), publish(b"in/a", b'{"value": 7}', 91)]
    fake = FakeBroker(b"".join(packets))
    reading = source(fake.url, protocol="3.1.1")
    batches = [drain(reading, 1, max_rows=1)[0] for _ in packets]
    outcomes = [[one.reason for one in batch.rejected] or list(batch.key) for batch in batches]
    assert dict(zip(TOPICS, outcomes, strict=False)) == {name: [what] for name, (_, what) in TOPICS.items()}
    assert reading.connected
    rejected = [one for batch in batches for one in batch.rejected]
    assert all(one.where.isprintable() and one.detail.isprintable() for one in rejected)
    assert all(len(one.where) <= 400 and len(one.detail) <= 400 for one in rejected)
    assert outcomes[-2:] == [["bad_json"], ["a"]]
    assert values(batches)[-1] == 7
    wait_until(lambda: fake.acknowledged.count(b"\x40\x02") == len(packets))
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
