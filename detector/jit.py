"""Compile with numba, keeping the result on disk where there is a place for it."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba import types

Floats1 = types.Array(types.float64, 1, "C")
Floats2 = types.Array(types.float64, 2, "C")
Ints1 = types.Array(types.int64, 1, "C")
Bools1 = types.Array(types.boolean, 1, "C")
Bools2 = types.Array(types.boolean, 2, "C")

_warned = False


def _version() -> str:
    """Return a digest of every source file that ends up in compiled code.

    numba looks only at the file of the function itself before it takes compiled code from the disk. A
    kernel would go on running the old version of whatever it calls, after an update for instance.
    """
    package = Path(__file__).parent
    folders = ("kernel", "reference", "verdict", "metric/distances", "features", "alerts")
    files = [package / "jit.py", package / "row.py"]
    files += [file for folder in folders for file in sorted((package / folder).rglob("*.py"))]
    digest = hashlib.blake2b(digest_size=6)
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


_VERSION = _version()


def borrow(*signature: Any, inline: bool = False) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator for a function that only borrows its arrays: it makes none and returns none.

    numba then counts no references to them. Counting costs two locked instructions for each array that is
    passed or sliced: more than half of the time of a loop over short records. To make an array in such
    a function does not compile, but one that is returned *to* it would never be freed. `inline` is for what
    a loop calls for every record: an array is passed as seven numbers.
    """
    return jit(*signature, _nrt=False, forceinline=inline)


def jit(*signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function; no fastmath, so one row = many rows bit for bit.

    numba looks for a writable cache by itself (NUMBA_CACHE_DIR, beside the source, the user's cache);
    where there is none the function is compiled anew in each process, which is said once.
    """
    options = {"error_model": "numpy", "nogil": True, "_nrt": True, **options}

    def decorate(function: Callable[..., Any]) -> Any:
        global _warned  # noqa: PLW0603 - one warning a process is the point
        njit: Any = numba.njit  # its stubs know no signature that may be absent
        function.__qualname__ += f"_{_VERSION}"  # names the file of the compiled code
        try:
            return njit(*signature, cache=True, **options)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            if not _warned:
                _warned = True
                warnings.warn(
                    "no writable place for compiled code; every start compiles anew (about a minute). "
                    "Set NUMBA_CACHE_DIR to a writable directory.",
                    UserWarning,
                    stacklevel=2,
                )
            return njit(*signature, **options)(function)

    return decorate
