"""Redis streams of a real server: each entry counted once, also when the server was away."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from connectors.sources import load
from detector.contracts import Batch, Layout
from detector.errors import SourceError
from tests.brokers import certificates, wait_until
from tests.redis_server import Server, needs_redis


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path).start()
    yield made
    made.stop()


def source_of(server: Server, resume: bytes = b"", key: str = "{stream}", **options: Any) -> Any:
    cls = load("redis")
    options = {"port": server.port, "streams": ["a", "b"], **options}
    source = cls("s", cls.Options(**options), Layout(("x",), time="t", key=key))
    source.open(resume)
    return source


def read(source: Any, rows: int, max_rows: int = 100) -> list[Batch]:
    found: list[Batch] = []
    deadline = time.monotonic() + 15
    while sum(len(one) + len(one.rejected) for one in found) < rows and time.monotonic() < deadline:
        batch = source.read(max_rows, 0.1)
        found += [batch] if batch is not None else []
    return found


@needs_redis
def test_entries_of_streams(server: Server) -> None:
    server.client.xadd("a", {"x": 1.5, "t": 1767607200})
    server.client.xadd("b", {"x": 2, "t": 1767607201000})
    server.client.xadd("b", {b"x": b"\xff"})
    source = source_of(server)
    batches = read(source, 3)
    source.close()
    columns = {
        key: (float(x), float(t))
        for one in batches
        for key, x, t in zip(one.key, one.columns["x"], one.time, strict=True)
    }
    assert columns == {"a": (1.5, 1767607200.0), "b": (2.0, 1767607201.0)}
    assert [one.reason for batch in batches for one in batch.rejected] == ["bad_utf8"]


@needs_redis
def test_a_server_that_goes_away_and_comes_back(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.sources.redis._RETRY_S", 0.02)
    source = source_of(server, key="")
    server.client.xadd("a", {"x": 1})
    (first,) = read(source, 1)
    assert source.connected and source.probe(5.0) is None
    server.stop()
    with capture_logs() as log:
        wait_until(lambda: source.read(10, 0.05) is None and not source.connected)
        assert source.read(10, 0.05) is None
    assert [one["event"] for one in log] == ["redis_trouble"]
    assert source.probe(1.0)
    server.start()
    server.client.xadd("a", {"x": 2})
    (second,) = read(source, 1)
    assert source.connected
    source.close()
    assert [first.columns["x"].tolist(), second.columns["x"].tolist()] == [[1.0], [2.0]]
    assert set(json.loads(second.position)) == {"a", "b"}


@needs_redis
def test_a_password_is_needed_and_never_told(tmp_path: Path) -> None:
    server = Server(tmp_path, "kanarienvogel").start()
    try:
        wrong = source_of(server, password="papagei")
        with capture_logs() as log:
            assert wrong.read(10, 0.01) is None
        assert "password" in log[0]["reason"] and "papagei" not in str(log)
        source = source_of(server, password="kanarienvogel", key="")
        server.client.xadd("a", {"x": 3})
        assert read(source, 1)[0].columns["x"].tolist() == [3.0]
        assert "kanarienvogel" not in repr(source.options)
        source.close()
    finally:
        server.stop()


@needs_redis
def test_with_tls_certificate_and_name_are_checked(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    server = Server(tmp_path, tls=made).start()
    try:
        right = source_of(server, host="localhost", tls={"ca": made["ca"]})
        server.client.xadd("a", {"x": 1})
        assert len(read(right, 1)[0]) == 1
        right.close()
        for wrong in ({"host": "127.0.0.1", "tls": {"ca": made["ca"]}}, {"host": "localhost", "tls": {}}):
            assert "certificate verify failed" in (source_of(server, **wrong).probe(5.0) or "")
        made["key"].chmod(0o604)
        with pytest.raises(SourceError, match="chmod 600"):
            source_of(server, tls={"cert": made["cert"], "key": made["key"]})
    finally:
        server.stop()


@pytest.mark.parametrize("resume", [b"x", b"[1]", b"3"])
def test_a_position_of_something_else(resume: bytes) -> None:
    cls = load("redis")
    with pytest.raises(SourceError, match="not one of this source"):
        cls("s", cls.Options(streams=["a"]), Layout(("x",))).open(resume)


def test_options_that_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = load("redis")
    with pytest.raises(ValidationError, match="streams"):
        cls.Options(streams=[])
    with pytest.raises(ValidationError) as caught:
        cls.Options(streams=["a"], password=["kanarienvogel"])
    assert "kanarienvogel" not in str(caught.value)
    monkeypatch.setattr("connectors.extras.find_spec", lambda name: None)
    with pytest.raises(ValidationError, match=r"pip install 'kyori\[redis\]'"):
        cls.Options(streams=["a"])
