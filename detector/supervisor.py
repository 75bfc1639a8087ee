"""What a service manager is told: systemd's protocol, one datagram to the socket in ``NOTIFY_SOCKET``."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from typing import Protocol

import structlog

from detector.progress import Progress

log = structlog.get_logger()

_STATUS_EVERY_S = 10.0


class _Runs(Protocol):
    @property
    def progress(self) -> Progress: ...
    @property
    def connected(self) -> bool: ...


def said_of(pipelines: Mapping[str, _Runs]) -> str:
    """Return in a line what these are doing, for ``systemctl status``."""
    progress = [one.progress for one in pipelines.values()]
    count = len(progress)
    parts = [
        f"{count} pipeline{'s' * (count != 1)}",
        f"{sum(one.records for one in progress)} records",
        f"{sum(one.open_alerts for one in progress)} open alerts",
    ]
    away = [name for name, one in pipelines.items() if not one.connected]
    return ", ".join(parts) + (f"; not connected: {', '.join(away)}" if away else "")


class Status:
    """Tells the service manager what is being done, if there is one."""

    def __init__(self) -> None:
        self._said, self._next = "", 0.0

    def due(self) -> bool:
        """Return whether it was told long enough ago."""
        return time.monotonic() >= self._next

    def tell(self, text: str, *lines: str) -> None:
        """Send these lines, as ``READY=1``, with the status; that alone only when it is another one."""
        self._next = time.monotonic() + _STATUS_EVERY_S
        if lines or text != self._said:
            self._said = text
            notify(*lines, f"STATUS={text}")


def notify(*lines: str) -> None:
    """Send these, as ``READY=1``, to the service manager, if there is one that wants to know."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):  # in Linux's abstract namespace
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.settimeout(1.0)
            sock.sendto("\n".join(lines).encode(), address)
    except OSError as error:  # it will act as if we had said nothing
        log.warning("not_notified", socket=address, message=lines[0], error=str(error))


def watched_every() -> float | None:
    """Return within how many seconds the manager wants each ``WATCHDOG=1``; None: it does not."""
    microseconds = os.environ.get("WATCHDOG_USEC", "")
    ours = os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
    return int(microseconds) / 1e6 if ours and microseconds.isdigit() and int(microseconds) else None
