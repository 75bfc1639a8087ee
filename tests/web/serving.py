"""A real daemon that serves on a free port, and someone who asks it, also in ways that no library would."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from starlette.routing import BaseRoute

from detector.daemon import Daemon
from detector.web.site import FILE
from tests.brokers import wait_until
from tests.daemon.running import Inside, write_config

TOKEN = "kanarienvogel-0123456789"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asker:
    """Asks what listens at the address that `url` returns."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url

    @property
    def port(self) -> int:
        return int(urlsplit(self._url()).port or 0)

    def ask(
        self, path: str, method: str = "GET", body: Any = None, host: str | None = None, **headers: str
    ) -> Answer:
        """Send one request; `_` in the name of a header stands for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.putrequest(method, path, skip_host=True)
            connection.putheader("Host", host if host is not None else f"127.0.0.1:{self.port}")
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
            if data is not None and "Content_Length" not in headers:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders()
            if data is not None:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it was refused half-way
                    connection.send(data)
            got = connection.getresponse()
            return Answer(got.status, {k.lower(): v for k, v in got.getheaders()}, got.read())
        finally:
            connection.close()

    def raw(self, said: bytes) -> socket.socket:
        """Return a connection over which this has been sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        connection.sendall(said)
        return connection


class Serving(Asker):
    """A daemon inside this process."""

    def __init__(self, folder: Path, inside: Inside) -> None:
        self.folder, self.inside = folder, inside
        self.site = inside.daemon.site
        super().__init__(lambda: self.site.url)

    @property
    def noted(self) -> dict[str, Any]:
        said: dict[str, Any] = json.loads((self.folder / "state" / FILE).read_text())
        return said

    def bearer(self, token: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self.site.token}"}

    def post(self, path: str, body: Any = None, host: str | None = None, **headers: str) -> Answer:
        """Send a change as our own page does; what is in `headers` comes in place of that."""
        usual = {"Content_Type": "application/json", **self.bearer()}
        given = {name: value for name, value in (usual | headers).items() if value}
        return self.ask(path, "POST", {} if body is None else body, host, **given)


@contextmanager
def serving(
    folder: Path, routes: Sequence[BaseRoute] = (), *, listens: bool = True, **server: Any
) -> Iterator[Serving]:
    """Run a daemon over a log, ``log.jsonl``, that serves these routes, and neither page nor API."""
    sources = {
        "s": {"type": "tail", "paths": ["log.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}
    }
    write_config(folder, sources, file={"server": {"listen": "127.0.0.1:0", "page": False} | server})
    with patch.object(Daemon, "_more_routes", lambda *_: routes), Inside(folder / "config.yaml") as inside:
        one = Serving(folder, inside)
        if listens:
            wait_until(lambda: one.site.url, 30)
        yield one
