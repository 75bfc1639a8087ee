"""A source that listens on a free port, and someone who sends to it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from connectors.sources import load
from detector.contracts import Batch, Layout
from tests.brokers import free_port

LAYOUT = Layout(("usage", "n"), key="{host}", time="time")


class Listening:
    """An open source; `send` returns at once, `take` reads one batch, `answer` also acknowledges it."""

    def __init__(self, layout: Layout = LAYOUT, ca: Path | None = None, **options: Any) -> None:
        cls = load("http")
        self.port = options.setdefault("port", free_port())
        self.scheme = "https" if "tls" in options else "http"
        self.source = cls("s", cls.Options(**options), layout, clock=lambda: 123.0)
        self.source.open(b"")
        self.pool = ThreadPoolExecutor(20)
        trusted = {} if ca is None else {"ca_certs": str(ca), "assert_hostname": "localhost"}
        self.client = urllib3.PoolManager(maxsize=20, retries=False, timeout=10, **trusted)

    def now(self, path: str, body: bytes | None = b"", method: str = "POST", **headers: str) -> Any:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        url = f"{self.scheme}://127.0.0.1:{self.port}{path}"
        return self.client.request(method, url, body=body, headers=fields)

    def send(self, path: str, body: bytes, **headers: str) -> Future[Any]:
        return self.pool.submit(self.now, path, body, **headers)

    def take(self, max_rows: int = 1000) -> Batch:
        batch = self.source.read(max_rows, 5.0)
        assert batch is not None
        return batch

    def answer(self) -> Batch:
        batch = self.take()
        self.source.ack(batch.token)
        return batch

    def idle(self) -> bool:
        return self.source.read(1000, 0.05) is None

    def close(self) -> None:
        self.client.clear()
        self.source.close()
        self.pool.shutdown()


@contextmanager
def listening(**options: Any) -> Iterator[Listening]:
    one = Listening(**options)
    try:
        yield one
    finally:
        one.close()
