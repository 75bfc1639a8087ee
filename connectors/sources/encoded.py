"""Reads text of another encoding as UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Callable


class Recoded:
    r"""The bytes of a text as UTF-8; what its encoding does not know becomes U+FFFD.

    Parameters
    ----------
    read : callable
        Returns up to that many bytes, b"" at the end.
    encoding : str
        Any that Python knows.

    Examples
    --------
    >>> import io
    >>> Recoded(io.BytesIO(b"\xb0C").read, "latin-1").read(9)
    b'\xc2\xb0C'
    """

    def __init__(self, read: Callable[[int], bytes], encoding: str) -> None:
        self._read = read
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = b""

    def read(self, size: int) -> bytes:
        """Return up to `size` bytes, b"" at the end."""
        while not self._rest:
            data = self._read(size)
            self._rest = self._decoder.decode(data, not data).encode("utf-8", "replace")
            if not data:
                break
        given, self._rest = self._rest[:size], self._rest[size:]
        return given
