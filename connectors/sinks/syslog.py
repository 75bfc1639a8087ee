"""Alerts to a syslog server: RFC 5424, over UDP, TCP with octet counting (RFC 6587), TLS, or a Unix socket.

Syslog acknowledges nothing: an alert counts as delivered when the operating system has it. What the network
loses then, or a server that dies with it, is lost. Before each write over TCP we look whether the server has
hung up, so that a restarted one loses nothing.
"""

from __future__ import annotations

import errno
import os
import re
import socket
import ssl
import time
from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator, model_validator

from connectors import tls
from connectors.options import Duration
from connectors.sinks.choice import Choice
from connectors.sinks.text import moment, on_calendar, printable, rfc3339
from connectors.tls import Tls
from detector.contracts import Alert
from detector.errors import SinkUnavailable

_PORTS = {"udp": 514, "tcp": 601, "tls": 6514}
_FACILITIES = {"user": 1, "daemon": 3, "auth": 4} | {f"local{i}": 16 + i for i in range(8)}
_CRITICAL, _WARNING, _NOTICE = 2, 4, 5
_DATA = "kyori@32473"  # 32473 is the number that is nobody's: kyori has none of its own
_MOST_UDP, _MOST = 2048, 8192
"""Bytes of a message: what every server should take in one datagram (RFC 5424, 6.1), and over a stream."""

Facility = Literal[
    "user", "daemon", "auth", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7"
]


class SyslogOptions(Choice):
    """One syslog server."""

    type: Literal["syslog"] = "syslog"
    url: str = Field(
        default="unix:///dev/log",
        description="udp://host:514, tcp://host:601, tls://host:6514, or unix:///dev/log",
    )
    facility: Facility = Field(default="daemon", description="which part of the system we count as")
    tls: Tls | None = Field(default=None, description="certificates for a tls:// url")
    timeout: Duration = Field(
        default=10.0, ge=0.1, le=300, description="how long to wait for the server before trying again"
    )

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("not a url; write udp://host:514, tcp://host:601 or unix:///dev/log") from None
        remote = parts.scheme in _PORTS and parts.hostname and port != 0 and not parts.path.strip("/")
        local = parts.scheme == "unix" and not parts.netloc and parts.path.startswith("/")
        if not (remote or local) or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError("write udp://host:514, tcp://host:601, tls://host:6514 or unix:///dev/log")
        return url

    @model_validator(mode="after")
    def _agrees(self) -> SyslogOptions:
        if self.tls is not None and self.parts.scheme != "tls":
            raise ValueError("tls is given, but the url is not tls://; write tls://host:6514")
        return self

    @property
    def parts(self) -> SplitResult:
        """The address, in parts."""
        return urlsplit(self.url)


class SyslogSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = SyslogOptions

    def __init__(self, name: str, options: SyslogOptions) -> None:
        self.name = name
        self.options = options
        self._socket: socket.socket | None = None

    def wants(self, alert: Alert) -> bool:
        """Return whether to tell of it."""
        return self.options.wants(alert)

    def open(self, resume: bytes) -> None:
        """Begin anew; `resume` is of no use, as a syslog server keeps no place for us."""
        self.close()

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Hand all over to the operating system."""
        try:
            sock = self._connected()
            for alert in alerts:
                self._send(sock, alert)
        except (OSError, ValueError) as error:  # ValueError: a name that no host can have
            self.close()
            raise SinkUnavailable(f"sink {self.name}: {self.options.url}: {_why(error)}") from error
        return b""

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def probe(self, timeout_s: float) -> str | None:
        """Connect, and send nothing; return what is wrong, or None."""
        try:
            self._connect(timeout_s).close()
        except (OSError, ValueError) as error:
            return f"{self.options.url}: {_why(error)}"
        return None

    def _send(self, sock: socket.socket, alert: Alert) -> None:
        if sock.type == socket.SOCK_DGRAM:
            most = _MOST if sock.family == socket.AF_UNIX else _MOST_UDP
            sock.send(message(alert, self.options.facility, most))
        else:
            line = message(alert, self.options.facility, _MOST)
            sock.sendall(b"%d " % len(line) + line)

    def _connected(self) -> socket.socket:
        if self._socket is not None and _hung_up(self._socket):
            self.close()
        if self._socket is None:
            self._socket = self._connect(self.options.timeout)
        return self._socket

    def _connect(self, timeout_s: float) -> socket.socket:
        parts = self.options.parts
        if parts.scheme == "unix":
            return _connect_local(parts.path, timeout_s)
        address = (parts.hostname or "", parts.port or _PORTS[parts.scheme])
        if parts.scheme == "udp":
            return _connect_datagram(address, timeout_s)
        sock = socket.create_connection(address, timeout_s)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * timeout_s))
        if parts.scheme == "tcp":
            return sock
        try:
            return tls.context(self.options.tls).wrap_socket(sock, server_hostname=parts.hostname)
        except OSError:
            sock.close()
            raise


def _connect_local(path: str, timeout_s: float) -> socket.socket:
    """Connect to a Unix socket of either kind."""
    try:
        return _connect_unix(socket.SOCK_DGRAM, path, timeout_s)
    except OSError as error:
        if error.errno != errno.EPROTOTYPE:
            raise
    return _connect_unix(socket.SOCK_STREAM, path, timeout_s)


def _connect_unix(kind: socket.SocketKind, path: str, timeout_s: float) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX, kind)
    try:
        sock.settimeout(timeout_s)
        sock.connect(path)
    except OSError:
        sock.close()
        raise
    return sock


def _connect_datagram(address: tuple[str, int], timeout_s: float) -> socket.socket:
    """Connect, so that the next write learns that nobody has listened to the last one."""
    family, kind, protocol, _, place = socket.getaddrinfo(*address, type=socket.SOCK_DGRAM)[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.settimeout(timeout_s)
        sock.connect(place)
    except OSError:
        sock.close()
        raise
    return sock


def _hung_up(sock: socket.socket) -> bool:
    """Return whether the server has closed a stream; whatever it says is not listened to."""
    if sock.type == socket.SOCK_DGRAM:
        return False
    timeout = sock.gettimeout()
    sock.setblocking(False)
    try:
        while sock.recv(4096):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        sock.settimeout(timeout)
    return True


def message(alert: Alert, facility: str, most: int) -> bytes:
    """Return one message of RFC 5424, cut to `most` bytes.

    Parameters
    ----------
    alert : Alert
        What it tells.
    facility : str
        A name in the options.
    most : int
        Bytes at most; the text is cut first, then the values of the structured data.
    """
    severity = _NOTICE if alert.status == "closed" and alert.kind != "gap" else _severity(alert)
    time_of = alert.time if on_calendar(alert.time) else time.time()
    head = " ".join(
        (
            f"<{8 * _FACILITIES[facility] + severity}>1", rfc3339(time_of), _word(socket.gethostname(), 255),
            "kyori", str(os.getpid()), _word(alert.kind, 32), f"[{_DATA} {' '.join(_data(alert))}]",
        )
    )  # fmt: skip
    text = f"{head} \ufeff{printable(alert.message)}".encode()
    return text[:most].decode(errors="ignore").encode()


def _severity(alert: Alert) -> int:
    return _CRITICAL if alert.severity == "critical" else _WARNING


def _data(alert: Alert) -> Iterator[str]:
    """Yield the parameters of the structured data."""
    values = {
        "id": alert.id, "status": alert.status, "kind": alert.kind, "severity": alert.severity,
        "pipeline": alert.pipeline, "key": alert.key, "record": alert.record, "records": alert.records,
        "opened": moment(alert.opened), "level": f"{alert.level:.6g}", "score": f"{alert.score:.6g}",
        "threshold": f"{alert.threshold:.6g}",
    }  # fmt: skip
    for name, value in values.items():
        yield f'{name}="{escape(str(value))}"'


def escape(text: str) -> str:
    r"""Return a value of the structured data, of at most 100 characters.

    >>> escape('a "b" [c] \\ d')
    'a \\"b\\" [c\\] \\\\ d'
    """
    return re.sub(r'(["\\\]])', r"\\\1", printable(text)[:100])


def _word(text: str, most: int) -> str:
    """Return what may stand in the head: printable ASCII without spaces, or - for nothing."""
    return re.sub(r"[^!-~]", "_", text)[:most] or "-"


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error}; check the certificates, and tls"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
