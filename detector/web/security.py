"""Who may ask for what (P42): the host, the token, the origin and the size of each request, before all else.

A page of a stranger, open in the browser of somebody who may reach us, must neither read nor change
anything here. It is kept out four times over: by its host's name where it has been bound anew to our address
(421), by its origin (403), by the token that it does not know (401), and by the lack of any header that would
let it read the answer.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import json
from collections.abc import Awaitable, Callable, Collection, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import structlog

log = structlog.get_logger()

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

LARGEST_BODY = 2**20
FAULT = "a fault of kyori; its log tells more"
_BODY_S = 10.0
_READS = frozenset({"GET", "HEAD"})
_CHANGES = frozenset({"POST", "PUT", "DELETE"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_FREE = frozenset({"/", "/livez", "/readyz"})
_FREE_BELOW = "/static/"
"""What holds no data, and so needs no token: the files of the page, and what an orchestrator asks."""

HEADERS = {
    "content-security-policy": "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}
"""Of every answer. There are none of CORS: no other origin may read anything."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Who may ask.

    Attributes
    ----------
    token : str
        Without it nothing is changed.
    reading : bool
        Whether nothing is read without it either.
    hosts : collection of str
        Names by which we may be asked for, in lower case, besides this machine's own.
    """

    token: str
    reading: bool
    hosts: Collection[str]


class _Refused(Exception):  # noqa: N818
    """The answer to a request that goes no further."""

    def __init__(self, status: int, error: str, **headers: str) -> None:
        super().__init__(error)
        self.status, self.error, self.headers = status, error, headers


class Guard:
    """Stands before an application, lets pass what the rules allow, and gives every answer its headers.

    Parameters
    ----------
    app : callable
        An ASGI application; it is given bodies that have come whole.
    rules : Rules
        Who may ask.
    """

    def __init__(self, app: App, rules: Rules) -> None:
        self._app, self._rules = app, rules

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            return
        answer = _Answer(scope["path"], send)
        try:
            headers = _headers(scope)
            self._check(scope, headers)
            body = await _whole(headers, receive) if scope["method"] in _CHANGES else b""
            await self._app(scope, _again(body, receive), answer)
        except _Refused as refused:
            await answer.refuse(refused.status, refused.error, refused.headers)
        except Exception:
            log.exception("http_request_failed", method=scope["method"], path=scope["path"][:200])
            if not answer.begun:
                await answer.refuse(500, FAULT, {})

    def _check(self, scope: Scope, headers: Mapping[str, list[str]]) -> None:
        host = headers.get("host", [])
        if len(host) != 1 or not self._ours(host[0], scope):
            raise _Refused(421, "not a name of this server; add it to server.hosts")
        method = scope["method"]
        if method not in _READS | _CHANGES:
            raise _Refused(405, f"{method[:20]} is not served", allow="GET, HEAD, POST, PUT, DELETE")
        if method in _CHANGES:
            _same_origin(headers, host[0])
        free = scope["path"] in _FREE or scope["path"].startswith(_FREE_BELOW)
        if method in _CHANGES or (self._rules.reading and not free):
            self._check_token(headers)
        if method in _CHANGES and _has_body(headers) and not _is_json(headers):
            raise _Refused(415, "send JSON, with the header Content-Type: application/json")

    def _ours(self, host: str, scope: Scope) -> bool:
        """Return whether a Host header names us: as this machine, as configured, or by the address itself.

        An address in figures cannot be a stranger's name that leads to us, so it may be the very one
        that the request has come to.
        """
        name = _hostname(host)
        if name is None:
            return False
        if name in _LOOPBACK or name in self._rules.hosts:
            return True
        here = scope.get("server")
        return here is not None and _address(name) is not None and _address(name) == _address(here[0])

    def _check_token(self, headers: Mapping[str, list[str]]) -> None:
        """Compare the token; the time that takes says nothing of it."""
        scheme, _, given = (headers.get("authorization") or [""])[0].partition(" ")
        known = hmac.compare_digest(given.strip().encode("latin-1"), self._rules.token.encode())
        if scheme.lower() != "bearer" or not known:
            said = "a token is needed" if not given else "the token is wrong"
            raise _Refused(
                401, f"{said}; send the header Authorization: Bearer TOKEN", **{"www-authenticate": "Bearer"}
            )


class _Answer:
    """Sends an answer on, with the headers of every answer."""

    def __init__(self, path: str, send: Send) -> None:
        self._path, self._send = path, send
        self.begun = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.begun = True
            given = {name.decode("latin-1").lower(): value for name, value in message["headers"]}
            cached = "cache-control" in given and not self._path.startswith("/v1")
            ours = HEADERS if cached else HEADERS | {"cache-control": "no-store"}
            theirs = [(name, value) for name, value in given.items() if name not in ours]
            raw = [(name.encode(), value.encode()) for name, value in ours.items()]
            message = {
                **message,
                "headers": [(name.encode("latin-1"), value) for name, value in theirs] + raw,
            }
        await self._send(message)

    async def refuse(self, status: int, error: str, headers: Mapping[str, str]) -> None:
        """Answer in place of the application; the connection is closed, whatever else it still brings."""
        body = json.dumps({"error": error}).encode()
        said = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        raw = [(name.encode(), value.encode()) for name, value in (said | dict(headers)).items()]
        await self({"type": "http.response.start", "status": status, "headers": raw})
        await self({"type": "http.response.body", "body": body})


def _headers(scope: Scope) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _hostname(host: str) -> str | None:
    """Return the name in a Host header, in lower case, without port, brackets and the dot at its end."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if name is None or "@" in host or parts.path or parts.query or parts.fragment:
        return None
    return name.removesuffix(".")


def _address(name: str) -> object:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        return None


def _same_origin(headers: Mapping[str, list[str]], host: str) -> None:
    """Refuse what a page of another origin has sent; programs send neither of these headers."""
    sites, origins = headers.get("sec-fetch-site", []), headers.get("origin", [])
    ours = {f"{scheme}://{host}".lower() for scheme in ("http", "https")}  # a proxy may speak https for us
    if any(site != "same-origin" for site in sites) or any(origin.lower() not in ours for origin in origins):
        raise _Refused(403, "changes are taken from our own page only; a proxy must pass on the Host header")


def _has_body(headers: Mapping[str, list[str]]) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", ["0"]) != ["0"]


def _is_json(headers: Mapping[str, list[str]]) -> bool:
    return (headers.get("content-type") or [""])[0].partition(";")[0].strip().lower() == "application/json"


async def _whole(headers: Mapping[str, list[str]], receive: Receive) -> bytes:
    """Return the body, all of it, or refuse it."""
    too_large = _Refused(413, f"the body is larger than {LARGEST_BODY} bytes; send less at a time")
    told = (headers.get("content-length") or ["0"])[0]
    if told.isdecimal() and int(told) > LARGEST_BODY:
        raise too_large
    body, more = bytearray(), True
    try:
        async with asyncio.timeout(_BODY_S):
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise _Refused(400, "the body ended before its end")
                body += message.get("body", b"")
                if len(body) > LARGEST_BODY:
                    raise too_large
                more = message.get("more_body", False)
    except TimeoutError:
        raise _Refused(408, f"the body did not come within {_BODY_S:.0f} seconds") from None
    return bytes(body)


def _again(body: bytes, receive: Receive) -> Receive:
    """Return what gives a body that has come already, and then what comes after it."""
    given = False

    async def whole() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return whole
