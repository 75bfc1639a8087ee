"""Real servers on loopback that alerts are sent to: HTTP, syslog, mail. Each keeps what it was sent."""

from __future__ import annotations

import json
import re
import socket
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller


@dataclass(frozen=True)
class Request:
    """What came by HTTP."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Answer:
    """What is answered instead of 200."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)


class HttpReceiver:
    """An HTTP server; `check` says what is wrong with a request, which is then answered with 400.

    `answers` are given first, one a request; `hold` lets no request be answered while it is cleared.
    """

    def __init__(self, check: Callable[[Request], str | None] = lambda _: None) -> None:
        self.check = check
        self.requests: list[Request] = []
        self.refused: list[str] = []
        self.answers: list[Answer] = []
        self.hold = threading.Event()
        self.hold.set()
        self.connections = 0

    @property
    def bodies(self) -> list[str]:
        return [request.body for request in self.requests]

    def take(self, request: Request) -> Answer:
        self.hold.wait(60)
        if self.answers:
            return self.answers.pop(0)
        wrong = self.check(request)
        if wrong is not None:
            self.refused.append(wrong)
            return Answer(400, wrong)
        self.requests.append(request)
        return Answer(200, "ok")


@contextmanager
def http_receiver(
    check: Callable[[Request], str | None] = lambda _: None, tls: dict[str, Path] | None = None
) -> Iterator[tuple[HttpReceiver, str]]:
    """Run one; yield it and its url."""
    receiver = HttpReceiver(check)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def setup(self) -> None:
            super().setup()
            receiver.connections += 1

        def handle_one(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            answer = receiver.take(Request(self.command, self.path, dict(self.headers), body))
            content = answer.body.encode()
            self.send_response(answer.status)
            for name, value in {**answer.headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_GET = do_DELETE = handle_one  # noqa: N815 - named by http.server

        def log_message(self, *_arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme = "http"
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls["cert"], tls["key"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    with _serving(server):
        yield receiver, f"{scheme}://{'localhost' if tls else '127.0.0.1'}:{server.server_port}"
    receiver.hold.set()


@contextmanager
def _serving(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


class SyslogReceiver:
    """A syslog server over UDP, TCP, TLS, or a Unix datagram socket; strict about how messages are framed."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.faults: list[str] = []

    def datagram(self, data: bytes) -> None:
        self.messages.append(data.decode())

    def stream(self, sock: socket.socket) -> None:
        """Read ``LENGTH SP MESSAGE`` until the end."""
        with sock.makefile("rb") as file:
            while digits := _until_space(file):
                if not re.fullmatch(rb"[1-9][0-9]*", digits):
                    self.faults.append(f"no length of a message: {digits!r}")
                    return
                self.messages.append(file.read(int(digits)).decode())


def _until_space(file: Any) -> bytes:
    found = b""
    while (byte := file.read(1)) not in (b" ", b""):
        found += byte
    return found


@contextmanager
def syslog_receiver(
    scheme: str, folder: Path, port: int = 0, tls: dict[str, Path] | None = None
) -> Iterator[tuple[SyslogReceiver, str]]:
    """Run one; yield it and its url."""
    receiver = SyslogReceiver()

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            if isinstance(self.request, tuple):
                receiver.datagram(self.request[0])
            else:
                receiver.stream(self.request)

    class Stream(socketserver.ThreadingTCPServer):
        allow_reuse_address = True
        daemon_threads = True

    if scheme == "unix":
        path = folder / "log"
        server: Any = socketserver.UnixDatagramServer(str(path), Handler)
        url = f"unix://{path}"
    else:
        server = (socketserver.UDPServer if scheme == "udp" else Stream)(("127.0.0.1", port), Handler)
        url = f"{scheme}://{'localhost' if tls else '127.0.0.1'}:{server.server_address[1]}"
    if scheme in ("udp", "unix"):
        server.max_packet_size = 65536
        server.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(tls["cert"], tls["key"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with _serving(server):
        yield receiver, url


class MailReceiver:
    """A mail server's handler for aiosmtpd; `answers` are given first to the content of a mail."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[list[str]] = []
        self.answers: list[str] = []
        self.unknown: set[str] = set()

    async def handle_RCPT(  # noqa: N802 - named by aiosmtpd
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address in self.unknown:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))  # type: ignore[arg-type]
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@contextmanager
def mail_receiver(**options: Any) -> Iterator[tuple[MailReceiver, int]]:
    """Run a mail server; yield what it gets, and its port. `options` are aiosmtpd's."""
    receiver = MailReceiver()
    controller = _Controller(receiver, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield receiver, controller.port
    finally:
        controller.stop()


class _Controller(Controller):
    """Takes any free port, and knows then which."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[attr-defined]
        super()._trigger_server()
