"""Records that others send by HTTP: Telegraf and whatever writes to an InfluxDB, or anything that can POST.

A request is answered with success only after its records are committed. One that is not answered so may be
sent again. What is sent again after its records were committed, since the answer got lost (a kill between
commit and answer, a connection that broke), is learned twice: nothing in these protocols tells that it came
before.

A request is never split over two batches, so a batch can be larger than `read` was asked for.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import structlog
from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.decode import RowBuilder, Undecodable, shown
from connectors.options import Options, Size
from connectors.sources.posts import Answer, Post, Posts
from detector.contracts import Batch, Layout
from detector.errors import SourceError

if TYPE_CHECKING:
    from connectors.sources.http_server import Server

_log = structlog.get_logger()

_STORED = Answer(204)


class HttpTlsOptions(Options):
    """Who we are to those that send."""

    cert: Path = Field(description="PEM file of our certificate, and those that it hangs on")
    key: Path = Field(description="PEM file of its key, not encrypted, and closed to others")


class HttpOptions(Options):
    """Options of the source ``http``."""

    model_config = ConfigDict(hide_input_in_errors=True)

    type: Literal["http"] = "http"
    host: str = Field(default="127.0.0.1", description="address to listen on; 0.0.0.0 for all, with a token")
    port: int = Field(ge=1, le=65535, description="port to listen on; that of InfluxDB is 8086")
    token: SecretStr | None = Field(
        default=None, description="what senders must prove to know; write ${file:/path} or ${VAR}"
    )
    tls: HttpTlsOptions | None = Field(default=None, description="certificate, for https")
    max_body: Size = Field(
        default=4 * 2**20, le=2**26, description="a larger body, unpacked, is refused, as 4 MiB"
    )
    max_waiting: int = Field(
        default=32,
        ge=1,
        le=1000,
        description="requests that may wait to be committed; others are to come again",
    )

    @field_validator("token")
    @classmethod
    def _not_empty(cls, token: SecretStr | None) -> SecretStr | None:
        if token is not None and not token.get_secret_value().strip():
            raise ValueError("the token is empty; make one with: openssl rand -hex 32")
        return token

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> HttpOptions:
        if self.token is None and not _is_loopback(self.host):
            raise ValueError(
                "whoever reaches this host could teach the model; give a token, or listen on 127.0.0.1"
            )
        return self


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class HttpSource:
    """See the module's description; `detector.contracts.Source` tells what the methods promise."""

    Options = HttpOptions
    finite = False

    def __init__(
        self, name: str, options: HttpOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        self.name = name
        self.options = options
        self._clock = clock
        self._builder = RowBuilder(layout)
        self._posts = Posts(options.max_waiting)
        self._server: Server | None = None

    def open(self, resume: bytes) -> None:
        """Listen; `resume` is of no use, as senders keep what was not answered."""
        from connectors.sources.http_server import Server  # noqa: PLC0415 - it imports uvicorn

        host, port = self.options.host, self.options.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            listener = socket.create_server((host, port), family=family)
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise SourceError(f"source {self.name}: cannot listen on {host}:{port}: {why}") from error
        self._posts = Posts(self.options.max_waiting)
        try:
            self._server = Server(self.name, listener, self.options, self._posts)
        except (OSError, ValueError) as error:  # ssl's own are of this kind
            listener.close()
            raise SourceError(f"source {self.name}: the tls files cannot be used: {error}") from error
        self._server.start()
        _log.info("listening", source=self.name, host=host, port=port)

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return what was sent, waiting up to `timeout_s` for the first request."""
        if self._server is None or not self._server.alive:
            raise SourceError(f"source {self.name}: it does not listen")
        builder, taken = self._builder, list[tuple[Post, int, int]]()
        post = self._posts.take(timeout_s)
        while post is not None:
            rows, rejected = len(builder), builder.rejected
            self._add(post)
            taken.append((post, len(builder) - rows, rejected))
            post = self._posts.take(0.0) if len(builder) + builder.rejected < max_rows else None
        if not taken:
            return None
        answers: list[tuple[Post, Answer]] = []
        batch = builder.batch(arrival=self._clock(), position=b"", token=answers)
        ends = [*(start for _, _, start in taken[1:]), len(batch.rejected)]
        for (one, rows, start), end in zip(taken, ends, strict=True):
            answers.append((one, _answer(rows, [bad.detail for bad in batch.rejected[start:end]])))
        return batch

    def ack(self, token: object) -> None:
        """Answer the requests of a committed batch."""
        if isinstance(token, list):
            for post, answer in token:
                post.settle(answer)

    def close(self) -> None:
        """Listen no more; whoever still waits for an answer is told to come again."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    @property
    def connected(self) -> bool:
        """Whether we listen."""
        return self._server is not None and self._server.alive

    def _add(self, post: Post) -> None:
        try:
            records = post.decode(post.body, post.options)
            self._builder.add_all(records, {}, post.where, post.body)
        except Undecodable as error:
            self._builder.reject(error.reason, error.detail, post.where, post.body)
        except Exception as error:  # a fault of ours: it shall cost this request, not the stream
            said = f"{type(error).__name__}: {error}"
            self._builder.reject("decoder_failed", said, post.where, post.body)


def _answer(rows: int, bad: list[str]) -> Answer:
    """Return what InfluxDB would say: 204, or 400 with the first record that is refused; the others count."""
    if not bad:
        return _STORED
    if not rows:
        return Answer(400, "invalid", f"unable to parse: {shown(bad[0], 400)}")
    said = f"partial write: {len(bad)} of {len(bad) + rows} records were refused: {shown(bad[0], 400)}"
    return Answer(400, "invalid", said)
