"""How a verb talks to the daemon that runs: found by its state directory, as its user."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import urllib3

from detector.config.models import Config
from detector.errors import KyoriError
from detector.web.site import FILE

_CONNECT_S, _ANSWER_S = 3.0, 30.0
_QUIET_S = 60.0
"""A stream of events says at least every fifteen seconds that it lives."""


class Client:
    """Asks the daemon.

    Parameters
    ----------
    url : str
        Where it listens, as ``http://127.0.0.1:8480``.
    token : str
        What it wants to see for a change.
    cert : Path, optional
        Its certificate, of an ``https`` address; no other is trusted.

    Examples
    --------
    ::

        client = Client.of(load_config("config.yaml"))
        client.get("/v1/alerts", status="open")
        client.post("/v1/learn", {"learning": False})
        for event, data in client.events("/v1/events"):
            ...
    """

    def __init__(self, url: str, token: str, cert: Path | None = None) -> None:
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        # Its certificate may be for the name that others know it by.
        trusted: dict[str, Any] = (
            {} if cert is None else {"ssl_context": _trusting(cert), "assert_hostname": False}
        )
        self._pool = urllib3.PoolManager(retries=False, **trusted)

    @classmethod
    def of(cls, config: Config) -> Client:
        """Return the client of the daemon that runs this configuration.

        Raises
        ------
        KyoriError
            It has no server, does not run, or is another user's.
        """
        if config.server is None:
            raise KyoriError(f"{config.file} has no server; add a line to it: server: {{}}")
        file = config.state_dir / FILE
        try:
            said = json.loads(file.read_text())
            return cls(said["url"], said["token"], tls.cert if (tls := config.server.tls) else None)
        except FileNotFoundError:
            raise KyoriError(
                f"no daemon of {config.file} listens; start it: kyori run {config.file}"
            ) from None
        except PermissionError:
            raise KyoriError(f"{file} is another user's; ask as the user that runs the daemon") from None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise KyoriError(f"{file} cannot be read: {error}; restart the daemon") from None

    def get(self, path: str, **query: object) -> Any:
        """Return what is at a path, as plain data.

        Raises
        ------
        KyoriError
            With what the daemon says, or that it does not answer.
        """
        return self._answer("GET", _with(path, query))

    def post(self, path: str, body: object) -> Any:
        """Send plain data; return the answer. Raises as `get` does."""
        return self._answer("POST", path, body)

    def delete(self, path: str) -> Any:
        """Remove what is at a path; return the answer. Raises as `get` does."""
        return self._answer("DELETE", path)

    def events(self, path: str, **query: object) -> Iterator[tuple[str, Any]]:
        """Yield the name and the data of each event, until the daemon ends. Raises as `get` does."""
        timeout = urllib3.Timeout(connect=_CONNECT_S, read=_QUIET_S)
        answer = self._ask("GET", _with(path, query), None, timeout, preload=False)
        try:
            if answer.status >= 400:
                raise _refusal(answer.status, answer.read(2**16))
            yield from _events(answer)
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.TimeoutError):
            raise KyoriError(f"the daemon at {self.url} has ended, or does not speak any more") from None
        finally:
            answer.close()

    def _answer(self, method: str, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        answer = self._ask(method, path, data, urllib3.Timeout(connect=_CONNECT_S, read=_ANSWER_S))
        if answer.status >= 400:
            raise _refusal(answer.status, answer.data)
        return json.loads(answer.data) if answer.data else None

    def _ask(
        self, method: str, path: str, body: bytes | None, timeout: urllib3.Timeout, *, preload: bool = True
    ) -> urllib3.BaseHTTPResponse:
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        try:
            return self._pool.request(
                method, self.url + path, body=body, headers=headers, timeout=timeout, preload_content=preload
            )
        except urllib3.exceptions.HTTPError as error:
            why = str(error).rpartition(": ")[2]
            raise KyoriError(f"the daemon does not answer at {self.url}: {why}; does it run?") from None


def _trusting(cert: Path) -> ssl.SSLContext:
    """Return what trusts this very certificate, by whatever name it is asked for."""
    made = ssl.create_default_context(cafile=str(cert))
    made.check_hostname = False
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return made


def _with(path: str, query: dict[str, object]) -> str:
    given = {name: value for name, value in query.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


def _refusal(status: int, body: bytes) -> KyoriError:
    try:
        said = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError):
        said = f"status {status}"
    return KyoriError(f"the daemon says: {said}")


def _events(lines: urllib3.BaseHTTPResponse) -> Iterator[tuple[str, Any]]:
    """Yield the events of a stream: see https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    name, data, rest = "message", list[str](), b""
    for part in lines.stream(2**16):
        *whole, rest = (rest + part).split(b"\n")
        for line in whole:
            field, _, value = line.decode().rstrip("\r").partition(":")
            value = value.removeprefix(" ")
            if field == "event":
                name = value
            elif field == "data":
                data.append(value)
            elif not line.strip() and data:
                yield name, json.loads("\n".join(data))
                name, data = "message", []
