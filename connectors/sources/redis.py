"""Records from Redis streams: the fields of an entry are those of the record, each entry counted once.

The ids of the entries read last are part of our committed position; nothing is stored at the server. A stream
that is new to us is read from its oldest entry on. What the server trims before it is read is lost.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

import structlog
from pydantic import ConfigDict, Field, SecretStr, model_validator

from connectors.decode import RowBuilder
from connectors.extras import lacking
from connectors.keyfile import closed
from connectors.options import Options
from connectors.tls import Tls
from detector.contracts import Batch, Layout
from detector.errors import SourceError

if TYPE_CHECKING:
    from redis import Redis

_log = structlog.get_logger()

_TIMEOUT_S = 5.0
_CONNECT_S = 2.0
_RETRY_S = 3.0
_MOST = 1000
"""Entries that are asked for at a time: how large they are, the server does not say before."""
_BEFORE_ALL = "0-0"


class RedisOptions(Options):
    """Options of the source ``redis``."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["redis"] = "redis"
    host: str = Field(default="127.0.0.1", description="name or address of the server")
    port: int = Field(default=6379, ge=1, le=65535, description="its port")
    db: int = Field(default=0, ge=0, description="number of the database")
    username: str | None = Field(default=None, description="user at the server; default: its only one")
    password: SecretStr | None = Field(
        default=None, description="its password; write ${file:/path} or ${VAR}"
    )
    tls: Tls | None = Field(default=None, description="{} for TLS with the system's authorities")
    streams: tuple[str, ...] = Field(min_length=1, description="keys of streams; the label stream holds it")

    @model_validator(mode="after")
    def _installed(self) -> RedisOptions:
        problem = lacking("redis", "redis", "redis")
        if problem is not None:
            raise ValueError(problem)
        return self

    def client(self, timeout_s: float) -> Redis:
        """Return a connection that is made when it is used, and that does not try again by itself."""
        from redis import Redis  # noqa: PLC0415 - an extra, and slow

        options: dict[str, Any] = {
            **self.model_dump(include={"host", "port", "db", "username"}),
            "password": self.password.get_secret_value() if self.password is not None else None,
            "protocol": 2,
            "retry": None,
            "socket_timeout": timeout_s,
            "socket_connect_timeout": min(timeout_s, _CONNECT_S),
        }
        if self.tls is not None:
            files = {"ca_certs": self.tls.ca, "certfile": self.tls.cert, "keyfile": closed(self.tls.key)}
            options |= {f"ssl_{name}": str(path) for name, path in files.items() if path is not None}
            options |= {"ssl": True, "ssl_check_hostname": True}
        return Redis(**options)


class RedisSource:
    """See the module's description; `detector.contracts.Source` tells what the methods promise."""

    Options = RedisOptions
    finite = False

    def __init__(
        self, name: str, options: RedisOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self.options = options
        self._clock = clock
        self._builder = RowBuilder(layout)
        self._client: Redis | None = None
        self._last = dict.fromkeys(options.streams, _BEFORE_ALL)
        self._problem = ""
        self._retry_at = -math.inf

    def open(self, resume: bytes) -> None:
        """Get ready; whether it works is seen by `connected`, and told by the log."""
        try:
            saved = dict(json.loads(resume or b"{}"))
        except (ValueError, TypeError) as error:
            raise SourceError(f"source {self.name}: its saved position is not one of this source") from error
        self._last |= {stream: str(saved[stream]) for stream in self.options.streams if stream in saved}
        try:
            self._client = self.options.client(_TIMEOUT_S)
        except (OSError, ValueError) as error:
            raise SourceError(f"source {self.name}: the tls files cannot be used: {error}") from error

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return the entries that have come, waiting up to `timeout_s` for the first one."""
        from redis.exceptions import RedisError  # noqa: PLC0415

        if self._client is None:
            raise SourceError(f"source {self.name}: it is not open")
        if (
            time.monotonic() < self._retry_at
        ):  # not at each read: who else reads would wait for our connecting
            time.sleep(timeout_s)
            return None
        share = max(1, min(max_rows, _MOST) // len(self._last))
        wait_ms = max(1, round(min(timeout_s, _TIMEOUT_S / 2) * 1000))  # 0 would be for ever
        try:
            places: dict[Any, Any] = dict(self._last)
            answer: Any = self._client.xread(places, share, wait_ms)
        except (RedisError, OSError) as error:
            if not self._problem:
                _log.warning("redis_trouble", source=self.name, host=self.options.host, reason=str(error))
            self._problem, self._retry_at = str(error), time.monotonic() + _RETRY_S
            return None
        self._problem = ""
        entries = [(stream.decode(), *entry) for stream, some in answer or [] for entry in some]
        for stream, entry, fields in entries[:max_rows]:
            self._add(stream, entry.decode(), fields)
        if not entries:
            return None
        return self._builder.batch(arrival=self._clock(), position=json.dumps(self._last).encode())

    def ack(self, token: object) -> None:
        """Do nothing: a stream keeps its entries."""

    def close(self) -> None:
        """Disconnect."""
        if self._client is not None:
            self._client.close()
            self._client = None

    @property
    def connected(self) -> bool:
        """Whether nothing is wrong, as far as is known."""
        return self._client is not None and not self._problem

    def probe(self, timeout_s: float) -> str | None:
        """Try to connect once; return what is wrong, or None."""
        from redis.exceptions import RedisError  # noqa: PLC0415

        try:
            self.options.client(timeout_s).ping()
        except (RedisError, OSError, ValueError) as error:
            return str(error)
        return None

    def _add(self, stream: str, entry: str, fields: dict[bytes, bytes]) -> None:
        self._last[stream] = entry
        where, raw = f"{stream} {entry}", repr(fields).encode()
        try:
            record = {name.decode(): value.decode() for name, value in fields.items()}
        except UnicodeDecodeError:
            self._builder.reject("bad_utf8", "a field is not UTF-8", where, raw)
            return
        self._builder.add(record, {"stream": stream}, where, raw)
