"""Reads CSV, lines of JSON, or a log from standard input, or from any other binary stream."""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Callable
from io import FileIO
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import structlog

from connectors.decode.alike import compiled
from connectors.decode.rows import RowBuilder
from connectors.sources.reading import TextOptions, TextReading, position_of
from detector.contracts import Batch, Layout
from detector.errors import EndOfInput, SourceError

if TYPE_CHECKING:
    from connectors.logs.digest import Digest

_log = structlog.get_logger()


class StdinOptions(TextOptions):
    """Options of the source ``stdin``."""

    type: Literal["stdin"] = "stdin"


class StreamSource:
    """Source of the records in a binary stream. `finite`, without an arrival time, and not resumable.

    Parameters
    ----------
    name : str
        The source's name, shown in messages.
    options : StdinOptions
        How to read.
    layout : Layout
        The columns wanted.
    stream : binary file
        Where the bytes come from. It is not closed. `read` keeps to its timeout where the stream is
        unbuffered and has a file descriptor, and waits for data where not.
    prefix : bytes
        What the caller has taken from the stream already, to find out what is in it.
    clock : callable
        Only for logs: it closes a window when no lines come, and has the year of times that have none.
    """

    finite = True

    def __init__(
        self,
        name: str,
        options: StdinOptions,
        layout: Layout,
        stream: BinaryIO,
        prefix: bytes = b"",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._digest = options.digest(name, layout, clock, replayed=True)
        self._layout = layout = self._digest.layout if self._digest is not None else layout
        self._stream = stream
        self._prefix = prefix
        self._records = 0
        self._deadline = 0.0
        self._reading: TextReading | None = TextReading(
            self._bytes, options, layout, name, {}, options.format, {}, self._digest
        )

    def open(self, resume: bytes) -> None:
        """Begin with the stream's next byte, whatever `resume` is: what has been read is gone.

        Of a log its templates and open windows are still known.
        """
        compiled()
        if resume:
            _log.warning("stream_cannot_resume", source=self.name)
        if resume and self._digest is not None:
            self._digest.restore(_log_of(resume))

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return the next rows, None when there are none in time; raises `EndOfInput` after the last."""
        self._deadline = time.monotonic() + timeout_s
        builder = RowBuilder(self._layout)
        try:
            if self._reading is not None and not self._reading.fill(builder, max_rows):
                self._reading = None
        except OSError as error:
            raise SourceError(f"source {self.name}: reading failed: {error.strerror}") from error
        if self._digest is not None:
            self._close_windows(self._digest, builder, max_rows)
        rows = len(builder) + builder.rejected
        if rows == 0 and self._reading is None:
            raise EndOfInput(f"source {self.name}: the stream has ended")
        if rows == 0:
            return None
        self._records += rows
        position = str(self._records).encode()
        if self._digest is not None:
            position = position_of({"records": self._records}, self._digest)
        return builder.batch(arrival=float("nan"), position=position)

    def ack(self, token: object) -> None:
        """Do nothing: a stream needs no acknowledgement."""

    def close(self) -> None:
        """Read no more."""
        self._reading = None

    def _close_windows(self, digest: Digest, builder: RowBuilder, max_rows: int) -> None:
        """Close a log's windows: all at the end, those whose time is over when no lines come."""
        room = max_rows - len(builder) - builder.rejected
        if self._reading is None:
            digest.flush(builder, room)
        else:
            digest.idle(builder, room)

    def _bytes(self, size: int) -> bytes | None:
        if self._prefix:
            data, self._prefix = self._prefix[:size], self._prefix[size:]
            return data
        if not isinstance(self._stream, FileIO):
            read: Callable[[int], bytes] = getattr(self._stream, "read1", self._stream.read)
            return read(size)
        wait = max(0.0, self._deadline - time.monotonic())
        if not select.select([self._stream], [], [], wait)[0]:
            return None
        return self._stream.read(size)


def _log_of(resume: bytes) -> dict[str, Any]:
    """Return what a position holds of a log; nothing if the stream was another before."""
    try:
        position = json.loads(resume)
    except ValueError:
        return {}
    log = position.get("log") if isinstance(position, dict) else None
    return log if isinstance(log, dict) else {}


class StdinSource(StreamSource):
    """`StreamSource` of standard input."""

    Options = StdinOptions

    def __init__(
        self, name: str, options: StdinOptions, layout: Layout, clock: Callable[[], float] = time.time
    ) -> None:
        raw = getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        super().__init__(name, options, layout, raw, clock=clock)
