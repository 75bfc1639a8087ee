"""The server: uvicorn, in a thread of its own, which holds nothing up, neither records nor the end.

A port that is taken is told of, and tried again until it is free.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import structlog
import uvicorn

from connectors.http_connections import configured
from detector.config.server import Server as Settings
from detector.web.security import App

log = structlog.get_logger()

_RETRY_S = 3.0
_GRACE_S = 1
"""At the end, for answers that are under way; streams of events are cut off."""
_STOP_S = 2.0
_SOON_S = 0.05


class Server:
    """Listens from `start` to `stop`.

    Parameters
    ----------
    settings : detector.config.server.Server
        Where, and with which certificate.
    app : callable
        An ASGI application.
    listening : callable
        Told the address when it listens, as ``http://127.0.0.1:8480``; called by the server's thread.
    """

    def __init__(self, settings: Settings, app: App, listening: Callable[[str], None]) -> None:
        self._settings, self._app, self._listening = settings, app, listening
        self._config: uvicorn.Config | None = None
        self._server: uvicorn.Server | None = None
        self._halt = threading.Event()
        self._told = ""
        self._thread = threading.Thread(target=self._run, name="server", daemon=True)

    def start(self) -> None:
        """Begin; returns at once."""
        self._thread.start()

    def end(self) -> None:
        """Take no more; returns at once."""
        self._halt.set()
        if self._server is not None:
            self._server.should_exit = True

    def stop(self) -> None:
        """Take no more, and wait for what is under way, two seconds at most."""
        self.end()
        self._thread.join(_STOP_S)

    def renew(self) -> None:
        """Read the certificate again, for those that connect from now on."""
        tls, config = self._settings.tls, self._config
        if tls is None or config is None or config.ssl is None:
            return
        try:
            config.ssl.load_cert_chain(tls.cert, tls.key, "-")
        except OSError as error:
            log.error("certificate_not_renewed", error=str(error), remedy="the old one stays in use")

    def _run(self) -> None:
        while not self._halt.is_set():
            try:
                self._config = self._configured()
                listener = self._bound()
            except (OSError, ValueError) as error:  # ssl's own are of this kind
                self._tell(error)
                self._halt.wait(_RETRY_S)
                continue
            try:
                self._serve(self._config, listener)
            except Exception:
                log.exception("server_failed")
                self._halt.wait(_RETRY_S)
            finally:
                listener.close()

    def _tell(self, error: Exception) -> None:
        why = str(getattr(error, "strerror", None) or error).lower()
        if why != self._told:
            self._told = why
            remedy = "free the port, or give server.listen another; it is tried again, and detection goes on"
            log.error("server_unavailable", listen=self._settings.listen, error=why, remedy=remedy)

    def _bound(self) -> socket.socket:
        host, port = self._settings.host, self._settings.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)

    def _configured(self) -> uvicorn.Config:
        tls = self._settings.tls
        return configured(self._app, _GRACE_S, tls.cert if tls else None, tls.key if tls else None)

    def _serve(self, config: uvicorn.Config, listener: socket.socket) -> None:
        self._told = ""
        self._server = server = uvicorn.Server(config)
        server.should_exit = self._halt.is_set()
        asyncio.run(self._served(server, listener))

    async def _served(self, server: uvicorn.Server, listener: socket.socket) -> None:
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started and not serving.done():
            await asyncio.sleep(_SOON_S)
        if server.started:
            self._listening(_url(self._settings, listener.getsockname()[1]))
        await serving


def _url(settings: Settings, port: int) -> str:
    """Return the address at which this machine reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.host, settings.host)  # noqa: S104
    scheme = "https" if settings.tls else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"
