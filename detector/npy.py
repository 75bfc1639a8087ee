"""Arrays in numpy's files, of whose headers nothing is evaluated or believed.

numpy's reader parses a header as an expression of Python, raises whatever that raises, and allocates what
it claims. Here only the one form that numpy writes for plain values passes; whoever reads on compares the
claim with the bytes that there are.
"""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from typing import IO, Any, NamedTuple

import numpy as np

_MAGIC = b"\x93NUMPY"
_LENGTHS = {b"\x01\x00": 2, b"\x02\x00": 4}
"""Bytes of the header's length, by version."""
_LONGEST = 10_000
_FORM = re.compile(
    rb"\{'descr': '([<>|=]?[biufSU]\d{1,4})', 'fortran_order': (True|False), "
    rb"'shape': \((\d{0,19}|(?:\d{1,19}, ?){1,8}(?:\d{1,19})?)\),? ?\}[ \n]*"
)


DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, ValueError, EOFError, RuntimeError)
"""What reading a damaged archive may raise, beside `OSError`."""


class Header(NamedTuple):
    """What a header claims.

    Attributes
    ----------
    shape : tuple of int
        None below 0.
    by_columns : bool
        Whether the first index runs fastest.
    dtype : numpy.dtype
        Of numbers, truth values, text or bytes.
    """

    shape: tuple[int, ...]
    by_columns: bool
    dtype: np.dtype[Any]


def read_header(file: IO[bytes]) -> Header:
    """Return the header of an array; `file` stands at the first value then.

    Raises
    ------
    ValueError
        It is none of plain values, in version 1 or 2 of the format.

    Examples
    --------
    >>> import io
    >>> file = io.BytesIO()
    >>> np.lib.format.write_array(file, np.zeros((2, 3)))
    >>> read_header(io.BytesIO(file.getvalue()))
    Header(shape=(2, 3), by_columns=False, dtype=dtype('float64'))
    """
    magic, version = file.read(len(_MAGIC)), file.read(2)
    if magic != _MAGIC or version not in _LENGTHS:
        raise ValueError("not an array in version 1 or 2 of numpy's format")
    length = int.from_bytes(file.read(_LENGTHS[version]), "little")
    found = _FORM.fullmatch(file.read(length)) if length <= _LONGEST else None
    if found is None:
        raise ValueError("its header is not that of an array of numbers or text")
    try:
        dtype = np.dtype(found[1].decode())
    except TypeError:
        raise ValueError(f"there is no type {found[1].decode()}") from None
    shape = tuple(int(side) for side in found[3].decode().split(",") if side.strip())
    return Header(shape, found[2] == b"True", dtype)


def member_of(archive: zipfile.ZipFile, array: str) -> zipfile.ZipInfo:
    """Return the member of an .npz file that holds an array.

    Raises
    ------
    ValueError
        It is packed in a way that numpy does not use, and that may ask for much memory.
    """
    info = archive.getinfo(f"{array}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{array} is packed otherwise than numpy does")
    return info
