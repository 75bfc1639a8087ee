"""What a service manager is told: systemd's protocol, one datagram to the socket in ``NOTIFY_SOCKET``."""

from __future__ import annotations

import os
import socket

import structlog

log = structlog.get_logger()


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
