"""HTTP: who sends is told that it is stored when it is, and what else became of it."""

from __future__ import annotations

import base64
import gzip
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

import pytest
import urllib3
from pydantic import ValidationError

from connectors import http_connections
from connectors.sources import http_server, load
from detector.contracts import Layout
from detector.errors import SourceError
from tests.brokers import certificates, free_port, wait_until
from tests.connectors.sources.http_help import Listening, listening

CPU = b"cpu,host=a usage=1.5,n=3i 1767607200000000000\ncpu,host=b usage=2 1767607201000000000\n"


@pytest.fixture(scope="module")
def open_one() -> Iterator[Listening]:
    with listening(max_body="64 KiB") as one:
        yield one


def refused(one: Listening, *sent: Any, **headers: str) -> tuple[int, str]:
    """Send what is refused at once, and return status and message; nothing of it is read."""
    got = one.now(*sent, **headers)
    said = json.loads(got.data)
    assert set(said) == {"code", "message", "error"}
    assert one.idle()
    return got.status, said["message"]


def test_a_write_is_answered_when_it_is_committed_and_not_before(open_one: Listening) -> None:
    sent = open_one.send("/api/v2/write?org=o&bucket=b&precision=ns", CPU, authorization="Token unused")
    batch = open_one.take()
    assert not wait([sent], 0.1).done
    open_one.source.ack(object())
    open_one.source.ack(batch.token)
    open_one.source.ack(batch.token)
    got = sent.result(5)
    assert (got.status, got.data) == (204, b"")
    assert got.headers["x-influxdb-version"]
    assert batch.columns["usage"].tolist() == [1.5, 2.0]
    assert batch.time.tolist() == [1767607200.0, 1767607201.0]
    assert list(batch.key) == ["a", "b"]
    assert batch.arrival == 123.0


@pytest.mark.parametrize(
    ("path", "unit"),
    [
        ("/write?db=telegraf", 10**9), ("/write?precision=n", 10**9), ("/write?precision=u", 10**6),
        ("/api/v2/write?precision=us", 10**6), ("/api/v2/write?precision=ms", 10**3),
        ("/api/v2/write?precision=s", 1),
    ],
)  # fmt: skip
def test_both_paths_and_every_precision(open_one: Listening, path: str, unit: int) -> None:
    sent = open_one.send(path, b"cpu,host=a usage=1 %d" % (1767607200 * unit))
    assert open_one.answer().time.tolist() == [1767607200.0]
    assert sent.result(5).status == 204


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b'{"host": "a", "usage": 1, "n": 2}'),
        ("application/json; charset=utf-8", b'[{"host": "a", "usage": 1, "n": 2}]'),
        ("application/x-ndjson", b'{"host": "a", "usage": 1, "n": 2}\n\n'),
        ("application/jsonl", b'{"host": "a", "usage": 1, "n": 2}'),
        ("text/csv", b'\xef\xbb\xbfusage,host,"n"\r\n1,a,2\r\n'),
    ],
)
def test_records(open_one: Listening, kind: str, body: bytes) -> None:
    sent = open_one.send("/records", body, content_type=kind)
    batch = open_one.answer()
    assert (batch.columns["usage"].tolist(), batch.columns["n"].tolist(), list(batch.key)) == (
        [1],
        [2],
        ["a"],
    )
    assert sent.result(5).status == 204


@pytest.mark.parametrize("members", [1, 2])
def test_gzip(open_one: Listening, members: int) -> None:
    body = b"".join(gzip.compress(CPU) for _ in range(members))
    sent = open_one.send("/api/v2/write", body, content_encoding="gzip")
    assert len(open_one.answer()) == 2 * members
    assert sent.result(5).status == 204


def test_what_is_wrong_in_a_write_costs_only_itself(open_one: Listening) -> None:
    sent = open_one.send("/api/v2/write", b"cpu,host=a usage=1\ncpu,host=b usage=eins\ncpu usage=3\n")
    batch = open_one.answer()
    assert [(one.row, one.reason) for one in batch.rejected] == [(1, "bad_influx"), (1, "no_key")]
    assert batch.rejected[0].raw == b"cpu,host=b usage=eins\n"
    assert batch.rejected[0].where == "POST /api/v2/write"
    got = sent.result(5)
    said = json.loads(got.data)
    assert (got.status, said["code"]) == (400, "invalid")
    assert said["message"].startswith(
        "partial write: 2 of 3 records were refused: line 2, column 18: not a value"
    )
    assert said["error"] == said["message"]  # version 1 of the API calls it so


@pytest.mark.parametrize(
    ("path", "kind", "body", "reason"),
    [
        ("/write", "", b"cpu", "bad_influx"),
        ("/write", "", b"cpu usage=\xff", "bad_utf8"),
        ("/records", "application/json", b"{", "bad_json"),
        ("/records", "application/json", b"1", "not_an_object"),
        ("/records", "application/jsonl", b"\n{", "bad_json"),
        ("/records", "text/csv", b"a,a\n1,2", "bad_csv"),
        ("/records", "text/csv", b"host,usage\na", "ragged_row"),
    ],
)
def test_a_write_of_which_nothing_can_be_used(
    open_one: Listening, path: str, kind: str, body: bytes, reason: str
) -> None:
    sent = open_one.send(path, body, content_type=kind)
    batch = open_one.answer()
    assert len(batch) == 0 and [one.reason for one in batch.rejected] == [reason]
    got = sent.result(5)
    assert got.status == 400 and json.loads(got.data)["message"].startswith("unable to parse: ")


def test_requests_of_one_batch_have_their_own_answers(open_one: Listening) -> None:
    bodies = [b"cpu,host=a usage=1", b"cpu", b"cpu,host=a usage=2\nx", b"# nothing\n"]
    sent = [open_one.send("/write", body) for body in bodies]
    done, deadline = 0, time.monotonic() + 5
    while done < 4 and time.monotonic() < deadline:
        batch = open_one.answer()
        done += len(batch.token)  # type: ignore[arg-type]
    assert [one.result(5).status for one in sent] == [204, 400, 400, 204]


REFUSED = [
    ("/api/v2/write?precision=h", b"x", "POST", {}, 400, "write ns, us, ms or s"),
    ("/records", b"x", "POST", {"content_type": "text/html"}, 415, "application/json"),
    ("/records", b"x", "POST", {}, 415, "application/json"),
    ("/write", b"x", "POST", {"content_encoding": "br"}, 415, "gzip"),
    ("/write", b"x" * 20, "POST", {"content_encoding": "gzip"}, 400, "not gzip"),
    ("/write", gzip.compress(CPU)[:-9], "POST", {"content_encoding": "gzip"}, 400, "too early"),
    ("/write", b"x" * 65537, "POST", {}, 413, "max_body"),
    ("/write", gzip.compress(b"x" * 65537), "POST", {"content_encoding": "gzip"}, 413, "max_body"),
    ("/write", None, "GET", {}, 405, "POST"),
    ("/ping", b"", "POST", {}, 405, "GET"),
    ("/query", b"", "POST", {}, 404, "/api/v2/write"),
]


@pytest.mark.parametrize(
    ("path", "body", "method", "headers", "status", "said"),
    REFUSED,
    ids=[f"{status}-{path}-{said}" for path, _, _, _, status, said in REFUSED],
)
def test_refused_at_once(
    open_one: Listening, path: str, body: Any, method: str, headers: dict[str, str], status: int, said: str
) -> None:
    got, message = refused(open_one, path, body, method, **headers)
    assert got == status and said in message


def test_a_body_without_end_is_refused_when_it_is_too_large(open_one: Listening) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(20):
            yield b"x" * 8192

    got = open_one.now("/write", parts())  # type: ignore[arg-type]
    assert got.status == 413


def test_ping_health_and_an_empty_write(open_one: Listening) -> None:
    for path, status in (("/ping", 204), ("/health", 200)):
        for method in ("GET", "HEAD"):
            assert open_one.now(path, None, method).status == status
    assert json.loads(open_one.now("/health", None, "GET").data)["status"] == "pass"
    assert open_one.now("/write", b" \n").status == 204
    assert open_one.idle()


def test_when_too_many_wait_others_are_to_come_again() -> None:
    with listening(max_waiting=1) as one:
        first = one.send("/write", b"cpu,host=a usage=1")
        batch = one.take()
        got = one.now("/write", b"cpu,host=a usage=2")
        assert (got.status, got.headers["retry-after"]) == (503, "1")
        one.source.ack(batch.token)
        assert first.result(5).status == 204
        third = one.send("/write", b"cpu,host=a usage=3")
        assert one.answer().columns["usage"].tolist() == [3.0]
        assert third.result(5).status == 204


def test_what_nobody_reads_in_time_is_given_back_and_not_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_PATIENCE_S", 0.1)
    with listening() as one:
        assert one.now("/write", b"cpu,host=a usage=1").status == 503
        assert one.idle()
        sent = one.send("/write", b"cpu,host=a usage=2")
        batch = one.take()
        assert not wait([sent], 0.3).done  # it is read: it will be committed
        one.source.ack(batch.token)
        assert sent.result(5).status == 204


def test_closing_tells_all_that_wait_to_come_again() -> None:
    with listening() as one:
        server = one.source._server
        read = one.send("/write", b"cpu,host=a usage=1")
        batch = one.take()
        unread = one.send("/write", b"cpu,host=a usage=2")
        wait_until(lambda: len(server._open) == 2)
        one.source.close()
        assert [read.result(5).status, unread.result(5).status] == [503, 503]
        one.source.ack(batch.token)  # of a server that is gone: nothing happens
        with pytest.raises(SourceError, match="does not listen"):
            one.source.read(1, 0.0)
        assert not one.source.connected
        assert not server.alive
        one.source.open(b"")  # on the same port
        sent = one.send("/write", b"cpu,host=a usage=3")
        assert len(one.answer()) == 1
        assert sent.result(5).status == 204


def test_only_who_knows_the_token_may_write() -> None:
    with listening(token="kanarienvogel-ß") as one:
        for header in ("", "Token", "Token kanarienvogel", "Basic !", "Basic eA==", "Digest kanarienvogel-ß"):
            status, message = refused(one, "/write", CPU, authorization=header.encode().decode("latin-1"))
            assert status == 401 and "kanarienvogel" not in message
        assert one.now("/ping", None, "GET").status == 204
        basic = base64.b64encode("me:kanarienvogel-ß".encode()).decode()
        token = "kanarienvogel-ß".encode().decode("latin-1")
        for header in (f"Token {token}", f"Bearer {token}", f"Basic {basic}"):
            sent = one.send("/write", CPU, authorization=header)
            assert len(one.answer()) == 2
            assert sent.result(5).status == 204
        assert "kanarienvogel" not in repr(one.source.options)


def test_https(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    with listening(tls={"cert": made["cert"], "key": made["key"]}, ca=made["ca"]) as one:
        sent = one.send("/write", CPU)
        assert len(one.answer()) == 2
        assert sent.result(5).status == 204
        one.scheme = "http"
        with pytest.raises(urllib3.exceptions.ProtocolError):
            one.now("/write", CPU)
    made["key"].chmod(0o604)
    with pytest.raises(SourceError, match=f"chmod 600 {made['key']}"):
        Listening(tls={"cert": made["cert"], "key": made["key"]})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"host": "0.0.0.0"}, "give a token"),  # noqa: S104
        ({"host": "::"}, "give a token"),
        ({"host": "example.org"}, "give a token"),
        ({"token": " "}, "the token is empty"),
        ({"port": 0}, "greater than or equal to 1"),
        ({"max_waiting": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        load("http").Options(**{"port": 8086, **options})


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_needs_no_token(host: str) -> None:
    assert load("http").Options(port=8086, host=host).token is None


def test_what_keeps_it_from_listening_is_told(tmp_path: Path) -> None:
    with (
        listening() as one,
        pytest.raises(SourceError, match=f"127.0.0.1:{one.port}: address already in use"),
    ):
        Listening(port=one.port)
    with pytest.raises(SourceError, match="the tls files cannot be used"):
        Listening(tls={"cert": tmp_path / "none.pem", "key": tmp_path / "none.pem"})
    with pytest.raises(SourceError, match="does not listen"):
        cls = load("http")
        cls("s", cls.Options(port=free_port()), Layout(("a",))).read(1, 0.0)


def ended(connection: socket.socket) -> bool:
    """Wait until the other side has closed."""
    connection.settimeout(5)
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize(
    "said",
    [b"", b"POST /write HT", b"POST /query HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1"],
    ids=["nothing", "half a head", "half of a refused body"],
)
def test_a_connection_that_brings_no_request_is_closed(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(http_connections, "IDLE_S", 0.1)
    with listening() as one, socket.create_connection(("127.0.0.1", one.port)) as slow:
        slow.sendall(said)
        assert ended(slow)


def test_a_body_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_server, "_BODY_S", 0.1)
    with listening(max_waiting=1) as one, socket.create_connection(("127.0.0.1", one.port)) as slow:
        slow.sendall(b"POST /write HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n1")
        slow.settimeout(5)
        assert b" 408 " in slow.recv(1000)
        sent = one.send("/write", CPU)
        assert len(one.answer()) == 2  # its place is free again
        assert sent.result(5).status == 204


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "MOST", 2)
    with listening() as one:
        kept = [socket.create_connection(("127.0.0.1", one.port)) for _ in range(2)]
        wait_until(lambda: len(one.source._server._server.server_state.connections) == 2)
        with socket.create_connection(("127.0.0.1", one.port)) as third:
            assert ended(third)
        for connection in kept:
            connection.close()
        sent = one.send("/write", CPU)
        assert len(one.answer()) == 2
        assert sent.result(5).status == 204
