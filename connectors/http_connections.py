"""The connections of a server that takes requests from anybody: bounded in number, and in how long they idle.

uvicorn itself watches only between two requests, and waits for ever for the first, and for who does not read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

IDLE_S = 60.0
MOST = 256


def configured(
    app: Callable[..., Any], grace_s: int, cert: Path | str | None, key: Path | str | None
) -> uvicorn.Config:
    """Return how an application is served: by connections that are `Watched`, and without a word of its own.

    Parameters
    ----------
    app : callable
        An ASGI application.
    grace_s : int
        Seconds, at the end, for answers that are under way.
    cert, key : Path or str or None
        PEM files, for https; the key is not encrypted.

    Raises
    ------
    OSError, ValueError
        The files of the certificate cannot be used.
    """
    config = uvicorn.Config(
        app,
        http=Watched,
        ws="none",
        loop="asyncio",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever says for whom he asks is not believed
        timeout_keep_alive=int(IDLE_S),
        timeout_graceful_shutdown=grace_s,
        ssl_certfile=str(cert) if cert else None,
        ssl_keyfile=str(key) if key else None,
        ssl_keyfile_password="-",  # noqa: S106 - else an encrypted key would ask on the terminal
    )
    config.load()
    return config


class Watched(H11Protocol):
    """Closes a connection that brings no whole request in time, or takes no answer; and what is too many."""

    _timer: asyncio.TimerHandle | None = None
    _writing: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, if there are not too many."""
        super().connection_made(transport)
        if len(self.connections) > MOST:
            transport.abort()
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Wait for the other side to read."""
        super().pause_writing()
        self._writing = self.loop.call_later(IDLE_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Write on."""
        super().resume_writing()
        if self._writing is not None:
            self._writing.cancel()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        super().connection_lost(exc)
        for timer in (self._timer, self._writing):
            if timer is not None:
                timer.cancel()

    def _watch(self) -> None:
        busy = self.cycle is not None and not self.cycle.response_complete
        if busy and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        elif not busy and self._timer is None:
            self._timer = self.loop.call_later(IDLE_S, self.transport.abort)
