"""What a daemon serves by HTTP, as its configuration says: begun, exchanged for another, ended.

Others on this machine find it by ``server.json`` in the state directory, which only the daemon's own user
may read: it holds the token.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog

from detector.config.models import Config
from detector.config.server import Server as Settings
from detector.web.vitals import Vitals

if TYPE_CHECKING:
    from starlette.routing import BaseRoute

    from detector.web.server import Server

log = structlog.get_logger()

FILE = "server.json"
"""Below the state directory."""


class Site:
    """Serves nothing until `follow` is given a configuration with a server.

    Parameters
    ----------
    state_dir : Path
        Locked by this daemon.
    vitals : Vitals
        What is told of the daemon's health.
    more_routes : callable
        Returns what else a configuration serves.

    Attributes
    ----------
    url : str
        Where it listens, as this machine reaches it; "" = it does not, or not yet.
    token : str
        What changes need: that of the configuration, or one made for this run.
    """

    def __init__(
        self, state_dir: Path, vitals: Vitals, more_routes: Callable[[Config], Sequence[BaseRoute]]
    ) -> None:
        self._file = state_dir / FILE
        self._vitals, self._more_routes = vitals, more_routes
        self._settings: Settings | None = None
        self._server: Server | None = None
        self._own_token = secrets.token_urlsafe(32)
        self._to_terminal = False
        self.token = ""
        self.url = ""

    def follow(self, config: Config) -> None:
        """Serve as this configuration says; what it already does goes on."""
        if config.server == self._settings:
            if self._server is not None:
                self._server.renew()
            return
        self.stop()
        self._settings = settings = config.server
        if settings is None:
            return
        from detector.web.app import application  # noqa: PLC0415 - it imports starlette
        from detector.web.security import Rules  # noqa: PLC0415
        from detector.web.server import Server  # noqa: PLC0415 - it imports uvicorn

        given = settings.token
        self.token = given.get_secret_value() if given is not None else self._own_token
        self._to_terminal = given is None and config.log.format != "json" and sys.stderr.isatty()
        rules = Rules(self.token, given is not None, {settings.host.lower(), *_bare(settings.hosts)})
        routes = [*self._routes(settings), *self._more_routes(config)]
        self._server = Server(settings, application(routes, rules), self._listening)
        self._server.start()

    def _routes(self, settings: Settings) -> list[BaseRoute]:
        from detector.web import health, metrics, page  # noqa: PLC0415 - metrics imports prometheus_client

        found: list[BaseRoute] = [*health.routes(self._vitals)]
        found += metrics.routes(self._vitals) if settings.metrics else []
        return [*found, *page.routes()] if settings.page else found

    def _listening(self, url: str) -> None:
        """Say where, and leave a note for others on this machine; called by the server's thread."""
        self.url = url
        log.info("server_listening", url=f"{url}/#token={self.token}" if self._to_terminal else url)
        try:
            _write(self._file, {"url": url, "token": self.token, "pid": os.getpid()})
        except OSError as error:
            log.warning("server_not_noted", file=str(self._file), error=error.strerror or str(error))

    def end(self) -> None:
        """Take no more requests; returns at once."""
        if self._server is not None:
            self._server.end()

    def stop(self) -> None:
        """End, within two seconds."""
        if self._server is not None:
            self._server.stop()
        self._server, self._settings, self.url = None, None, ""
        with suppress(OSError):
            self._file.unlink()


def _bare(hosts: Sequence[str]) -> list[str]:
    """Return addresses without their brackets, as names are compared."""
    return [host.strip("[]") for host in hosts]


def _write(file: Path, content: dict[str, Any]) -> None:
    """Write what only its owner may read, in one piece."""
    beside = file.with_suffix(".new")
    beside.unlink(missing_ok=True)
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "w") as written:
        json.dump(content, written)
    beside.replace(file)
