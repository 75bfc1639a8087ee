"""The server that takes requests: uvicorn, in a thread of its own. Nothing here knows records.

It answers as InfluxDB does, so that what writes to one can write to us.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import socket
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

import structlog
import uvicorn

from connectors.http_connections import configured
from connectors.keyfile import closed
from connectors.sources.http_bodies import WRITES, Body, Refused, reading_of
from connectors.sources.posts import COME_AGAIN, Answer, Post, Posts

if TYPE_CHECKING:
    from connectors.sources.http import HttpOptions

_log = structlog.get_logger()

_PATIENCE_S = 4.0
"""A request that nobody has read by then is given back; Telegraf itself gives up after five seconds."""
_BODY_S = 30.0
_STOP_S = 2.0

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Server:
    """Listens from `start` to `stop`.

    Parameters
    ----------
    name : str
        The source's, for the log.
    listener : socket
        Bound already; `stop` closes it.
    options : HttpOptions
        Who may send what.
    posts : Posts
        Where requests go to be read.

    Raises
    ------
    OSError, ValueError
        The files of the certificate cannot be used.
    """

    def __init__(self, name: str, listener: socket.socket, options: HttpOptions, posts: Posts) -> None:
        self._name = name
        self._listener = listener
        self._options = options
        self._posts = posts
        self._open: set[Post] = set()
        self._stopping = False
        token = options.token.get_secret_value() if options.token is not None else None
        self._token = token.encode() if token is not None else None
        tls = options.tls
        config = configured(
            self._app, int(_STOP_S), tls.cert if tls else None, closed(tls.key) if tls else None
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._run, name=f"http {name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Whether it has not ended."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Tell all that wait to come again, take no more, and end."""
        self._stopping = True
        for post in tuple(self._open):
            post.settle(COME_AGAIN)
        self._server.should_exit = True
        self._thread.join(2 * _STOP_S)
        self._listener.close()

    def _run(self) -> None:
        try:
            self._server.run(sockets=[self._listener])
        except Exception:
            _log.exception("http_failed", source=self._name)

    async def _app(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = refused.answer
        except Exception:
            _log.exception("http_request_failed", source=self._name)
            answer = Answer(500, "internal error", "this is a fault of kyori; its log tells more")
        body = b""
        headers = [*answer.headers, ("x-influxdb-version", "kyori")]
        if answer.status != 204:
            said = {"code": answer.code, "message": answer.message, "error": answer.message}
            body = json.dumps(said if answer.status >= 400 else {"name": "kyori", "status": "pass"}).encode()
            headers += [("content-type", "application/json"), ("content-length", str(len(body)))]
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Message, receive: Receive) -> Answer:
        path, method = scope["path"], scope["method"]
        if path in ("/ping", "/health"):
            if method not in ("GET", "HEAD"):
                raise Refused(Answer(405, "method not allowed", "write GET", (("allow", "GET, HEAD"),)))
            return Answer(204 if path == "/ping" else 200)
        if path not in WRITES:
            raise Refused(Answer(404, "not found", f"there are {', '.join(WRITES)}, /ping and /health"))
        if method != "POST":
            raise Refused(Answer(405, "method not allowed", "write POST", (("allow", "POST"),)))
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if not self._knows_token(headers.get("authorization", "")):
            raise Refused(
                Answer(
                    401,
                    "unauthorized",
                    "send the header Authorization: Token ...",
                    (("www-authenticate", "Token"),),
                )
            )
        if self._stopping or not self._posts.enter():
            raise Refused(COME_AGAIN)
        try:
            return await self._take(path, scope["query_string"], headers, receive)
        finally:
            self._posts.leave()

    def _knows_token(self, header: str) -> bool:
        """Tell whether a request may write; the time that takes says nothing of the token."""
        if self._token is None:
            return True
        scheme, _, given = header.partition(" ")
        if scheme.lower() == "basic":  # version 1 of InfluxDB's API: the token is the password
            try:
                given = base64.b64decode(given.strip(), validate=True).decode("latin-1").partition(":")[2]
            except ValueError:
                return False
        elif scheme.lower() not in ("token", "bearer"):
            return False
        return hmac.compare_digest(given.strip().encode("latin-1"), self._token)

    async def _take(self, path: str, query: bytes, headers: dict[str, str], receive: Receive) -> Answer:
        decode, options = reading_of(path, query, headers, self._options.max_body)
        body = Body(headers, self._options.max_body)
        try:
            async with asyncio.timeout(_BODY_S):
                more = True
                while more:
                    message = await receive()
                    if message["type"] != "http.request":
                        return COME_AGAIN  # it is gone, and will not read this
                    body.add(message.get("body", b""))
                    more = message.get("more_body", False)
        except TimeoutError:
            return Answer(408, "invalid", f"the body did not come within {_BODY_S:.0f} seconds")
        text = body.whole()
        if not text.strip():
            return Answer(204)
        return await self._committed(Post(text, decode, options, f"POST {path}"))

    async def _committed(self, post: Post) -> Answer:
        """Wait until the records are stored; what nobody has read in time is taken back."""
        self._open.add(post)
        try:
            if self._stopping:
                return COME_AGAIN
            self._posts.put(post)
            await asyncio.wait([post.answered], timeout=_PATIENCE_S)
            if not post.answered.done() and self._posts.withdraw(post):
                return COME_AGAIN
            return await post.answered
        finally:
            self._open.discard(post)
