r"""Arrays of JSON objects that are made alike, read by compiled code as if each object were a line.

What stands between two objects, as ``},{``, becomes ``}\n{``. Where each line is an object then, with the
same keys in the same order, the array was one of them: no string holds a line feed, so none was cut. Any
other array is left as a whole to `connectors.decode.json_records`, which has the same result.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from connectors.decode.alike import Alike
from connectors.decode.json_lines import like
from connectors.decode.marks import COLON
from connectors.decode.rows import RowBuilder

_BLANKS = b" \t\r\n"
_BETWEEN = re.compile(rb"\}[ \t\r\n]*,[ \t\r\n]*\{")
_FEWEST = 24
"""Fewer records are read as soon by the other way, which needs no preparation."""


class JsonArrays:
    """Takes payloads that are such an array.

    Parameters
    ----------
    longest : int
        A payload of more bytes is not taken.

    Examples
    --------
    >>> from detector.contracts import Layout
    >>> builder = RowBuilder(Layout(("flow",)))
    >>> payload = b"[" + b", ".join(b'{"flow": %d}' % i for i in range(100)) + b"]"
    >>> JsonArrays(10_000).take(payload, builder, {}), len(builder)
    (True, 100)
    """

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._alike: Alike | None = None

    def take(self, payload: bytes, builder: RowBuilder, labels: Mapping[str, str]) -> bool:
        """Add all records of the payload, or none; tell which."""
        lines, count = _lines(payload) if len(payload) <= self._longest else (b"", 0)
        if count < _FEWEST:
            return False
        taken = self._takes(lines, count, builder, labels)
        if not taken:
            self._alike = like(lines[: lines.index(b"\n")], builder, self._longest)
            taken = self._takes(lines, count, builder, labels)
        return taken

    def _takes(self, lines: bytes, count: int, builder: RowBuilder, labels: Mapping[str, str]) -> bool:
        # Of more lines than objects, which a line feed within one makes, some would be left over.
        return self._alike is not None and self._alike.take(lines, count, builder, labels, every=True)[0] > 0


def _lines(payload: bytes) -> tuple[bytes, int]:
    """Return the objects of an array, a line each, and how many there are; 0 where they are not alike.

    Mostly it is seen by the number of colons, as where a field is there in some of them only.
    """
    text = payload.strip(_BLANKS)
    between = _BETWEEN.search(text)
    if between is None or text[:1] != b"[" or text[-1:] != b"]":
        return b"", 0
    objects = text[1:-1].strip(_BLANKS).split(between[0])
    lines = b"}\n{".join(objects) + b"\n"
    colons = np.count_nonzero(np.frombuffer(lines, np.uint8) == COLON)
    return lines, len(objects) if colons == len(objects) * objects[0].count(b":") else 0
