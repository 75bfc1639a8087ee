"""One request at a time to one receiver, and what its answer means for the alert."""

from __future__ import annotations

import base64
import email.utils
import logging
import math
import re
import socket
import ssl
import time
from contextlib import closing

import urllib3

from connectors import tls
from connectors.sinks.text import printable, shorten
from connectors.webhook.options import WebhookOptions

_ANSWER_BYTES = 4096
_REASON_CHARS = 200
_REFUSED = (400, 413, 422)
_CHALLENGES = {
    401: "it does not know us; check token, or username and password",
    403: "it does not let us; check the rights of token or user, and the url",
    404: "there is nothing at this address; check the url",
    405: "it does not take this method; check method and url",
    407: "it wants a proxy's password; kyori uses no proxy",
    410: "what was at this address is gone; check the url",
}

logging.getLogger("urllib3").setLevel(logging.WARNING)  # below, it writes whole addresses


class Unavailable(Exception):  # noqa: N818 - read as a sentence
    """The receiver cannot take it now, or not as we are set up."""

    def __init__(self, what: str, retry_after_s: float = 0.0) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class Refused(Exception):  # noqa: N818 - read as a sentence
    """The receiver does not take this very content."""


class Client:
    """Keeps one connection to the receiver.

    Redirects are not followed, and proxies of the environment not used: an alert goes where the configuration
    says.
    """

    def __init__(self, options: WebhookOptions) -> None:
        self._options = options
        parts = options.parts
        self.address = f"{parts.scheme}://{parts.netloc}"
        """What messages may show: the path can be a secret."""
        self._pool: urllib3.PoolManager | None = None

    def send(self, content: bytes, content_type: str) -> None:
        """Send one request; return when the receiver has taken it.

        Raises
        ------
        Refused
            It answered 400, 413 or 422.
        Unavailable
            Whatever else went wrong.
        """
        options = self._options
        try:
            self._pool = self._pool or self._new_pool()
            answer = self._pool.request(
                options.method, options.url.get_secret_value(), body=content,
                headers=self._headers(content_type), redirect=False, preload_content=False,
                decode_content=False,
            )  # fmt: skip
            said = self._read(answer)
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise Unavailable(self.hide(_why(error))) from None  # its traceback could show the address
        self._judge(answer, said)

    def reach(self, timeout_s: float) -> str | None:
        """Connect once, send nothing; return what is wrong, or None."""
        parts = self._options.parts
        port = parts.port or (443 if self._options.encrypted else 80)
        try:
            with socket.create_connection((parts.hostname or "", port), timeout_s) as sock:
                if self._options.encrypted:
                    with closing(
                        tls.context(self._options.tls).wrap_socket(sock, server_hostname=parts.hostname)
                    ):
                        pass
        except (OSError, ValueError) as error:
            return f"{self.address}: {_why(error)}"
        return None

    def close(self) -> None:
        """Let the connection go."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

    def hide(self, text: str) -> str:
        """Mask in a text what is nobody's business, and make it one short line."""
        options = self._options
        secrets = [
            options.token,
            options.password,
            options.routing_key,
            options.topic,
            *options.headers.values(),
        ]
        words = {secret.get_secret_value() for secret in secrets if secret is not None}
        parts = options.parts
        words |= {
            options.url.get_secret_value(),
            parts.path,
            *re.split("[/?&=]", parts.path + "?" + parts.query),
        }
        for word in sorted(words, key=len, reverse=True):
            if len(word) > 3:
                text = text.replace(word, "***")
        return shorten(printable(text), _REASON_CHARS)

    def _new_pool(self) -> urllib3.PoolManager:
        return urllib3.PoolManager(
            num_pools=1, maxsize=1, retries=False, timeout=urllib3.Timeout(total=self._options.timeout),
            ssl_context=tls.context(self._options.tls) if self._options.encrypted else None,
        )  # fmt: skip

    def _headers(self, content_type: str) -> dict[str, str]:
        options = self._options
        headers = {name: value.get_secret_value() for name, value in options.headers.items()}
        if options.token is not None:
            headers["Authorization"] = f"Bearer {options.token.get_secret_value()}"
        if options.password is not None:
            pair = f"{options.username}:{options.password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return {"User-Agent": "kyori", "Accept": "application/json", **headers, "Content-Type": content_type}

    def _read(self, answer: urllib3.BaseHTTPResponse) -> bytes:
        """Return the beginning of the answer's content; a long or slow one costs the connection, not us."""
        deadline, said = time.monotonic() + self._options.timeout, b""
        while len(said) < _ANSWER_BYTES and time.monotonic() < deadline:
            part = answer.read1(_ANSWER_BYTES)
            if not part:
                answer.release_conn()
                return said
            said += part
        answer.close()
        return said

    def _judge(self, answer: urllib3.BaseHTTPResponse, said: bytes) -> None:
        status = answer.status
        if 200 <= status < 300:
            return
        reason = self.hide(said.decode("utf-8", "replace").strip())
        what = f"HTTP {status}" + (f": {reason}" if reason else "")
        if status in _REFUSED:
            raise Refused(what)
        if 300 <= status < 400:
            raise Unavailable(f"HTTP {status}: it redirects, which is not followed; write the final url")
        if status in _CHALLENGES:
            what = f"{what}; {_CHALLENGES[status]}"
        raise Unavailable(what, _retry_after(answer.headers.get("Retry-After")))


def _why(error: Exception) -> str:
    text = str(error)
    if isinstance(error, urllib3.exceptions.NewConnectionError):
        return text.partition("Failed to establish a new connection: ")[2] or text
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError):
        return "no answer in time"
    if isinstance(error, urllib3.exceptions.SSLError | ssl.SSLError):
        return f"TLS: {error}; check the certificates, and tls"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror if not error.filename else f"{error.filename}: {error.strerror}"
    return text


def _retry_after(text: str | None) -> float:
    """Return the seconds that a header asks for: a number, or a date.

    >>> _retry_after("120"), _retry_after("soon"), _retry_after(None)
    (120.0, 0.0, 0.0)
    """
    if not text:
        return 0.0
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        until = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return 0.0
    wait = until - time.time()
    return wait if 0.0 < wait < math.inf else 0.0
