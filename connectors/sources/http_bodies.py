"""What may be sent, and how it is read: by the path and its query, by the content's type and coding."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qs

from connectors.decode import DECODERS, DecodeOptions, PayloadDecoder, Undecodable, shown
from connectors.decode.json_records import parse
from connectors.sources.posts import Answer

WRITES = ("/api/v2/write", "/write", "/records")

_PRECISIONS = {"": "ns", "ns": "ns", "n": "ns", "us": "us", "u": "us", "µ": "us", "ms": "ms", "s": "s"}
_CHUNK = 2**16


class Refused(Exception):  # noqa: N818 - not a failure of the program: it is answered
    """A request that is answered at once.

    Attributes
    ----------
    answer : Answer
        With what.
    """

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__(answer.message)


def reading_of(
    path: str, query: bytes, headers: Mapping[str, str], max_body: int
) -> tuple[PayloadDecoder, DecodeOptions]:
    """Return how to read the body of a request; raises `Refused` where we cannot."""
    if path != "/records":
        asked = parse_qs(query.decode("latin-1"), encoding="utf-8").get("precision", [""])[0]
        if asked not in _PRECISIONS:
            said = f"precision {shown(asked, 20)} is not known; write ns, us, ms or s"
            raise Refused(Answer(400, "invalid", said))
        return DECODERS["influx"], DecodeOptions(max_bytes=max_body, precision=_PRECISIONS[asked])
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _TYPES:
        said = f"content-type {shown(kind, 60)} is not known; write one of {', '.join(_TYPES)}"
        raise Refused(Answer(415, "invalid", said))
    return _TYPES[kind], DecodeOptions(max_bytes=max_body)


def _json_lines(payload: bytes, options: DecodeOptions) -> Sequence[object]:
    records: list[object] = []
    for number, line in enumerate(payload.split(b"\n"), 1):
        if line.strip():
            try:
                records.append(parse(line))
            except Undecodable as error:
                records.append(Undecodable(error.reason, f"line {number}: {error.detail}", line))
    return records


def _csv(payload: bytes, options: DecodeOptions) -> Sequence[object]:
    """Read CSV whose first line names the columns."""
    first, _, rest = payload.removeprefix(b"\xef\xbb\xbf").partition(b"\n")
    try:
        names = next(csv.reader([first.decode().strip()]), [])
    except (UnicodeDecodeError, csv.Error):
        names = []
    if not all(names) or len(set(names)) < len(names):
        said = f"the first line must name the columns, each by another name: {shown(first, 80)}"
        raise Undecodable("bad_csv", said)
    return DECODERS["csv"](rest, DecodeOptions(tuple(names), max_bytes=options.max_bytes))


_TYPES: dict[str, PayloadDecoder] = {
    "application/json": DECODERS["json"],
    "application/x-ndjson": _json_lines,
    "application/jsonl": _json_lines,
    "text/csv": _csv,
}


class Body:
    """The parts of a body, unpacked as they come; it never holds more than `most` bytes.

    Parameters
    ----------
    headers : mapping of str to str
        Of the request.
    most : int
        Bytes; of more, `Refused` is raised.
    """

    def __init__(self, headers: Mapping[str, str], most: int) -> None:
        coding = headers.get("content-encoding", "identity").strip().lower()
        if coding not in ("identity", "gzip"):
            raise Refused(Answer(415, "invalid", "content-encoding is not known; write gzip, or none"))
        self._most = most
        self._parts: list[bytes] = []
        self._size = 0
        self._packed = zlib.decompressobj(wbits=31) if coding == "gzip" else None
        length = headers.get("content-length", "0")
        if length.isdigit() and int(length) > most:  # packed, it would only be more
            raise self._too_large()

    def add(self, data: bytes) -> None:
        """Take the next part."""
        if self._packed is None:
            self._keep(data)
            return
        piece = b""
        try:
            while data or len(piece) == _CHUNK:
                if self._packed.eof:  # another member follows
                    self._packed = zlib.decompressobj(wbits=31)
                piece = self._packed.decompress(data, _CHUNK)
                self._keep(piece)
                data = self._packed.unconsumed_tail or self._packed.unused_data
        except zlib.error:
            raise Refused(Answer(400, "invalid", "the body is not gzip, as content-encoding says")) from None

    def whole(self) -> bytes:
        """Return all of it, when all has come."""
        if self._packed is not None and not self._packed.eof:
            raise Refused(Answer(400, "invalid", "the gzip body ends too early"))
        return b"".join(self._parts)

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._most:
            raise self._too_large()
        self._parts.append(data)

    def _too_large(self) -> Refused:
        return Refused(
            Answer(
                413,
                "request too large",
                f"at most {self._most} bytes are allowed (max_body); send fewer records",
            )
        )
