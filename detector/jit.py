"""Compile with numba, keeping the result on disk where there is a place for it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numba
from numba import types

Floats1 = types.Array(types.float64, 1, "C")
Floats2 = types.Array(types.float64, 2, "C")
Ints1 = types.Array(types.int64, 1, "C")
Bools1 = types.Array(types.boolean, 1, "C")

_warned = False


def jit(*signature: Any) -> Callable[[Callable[..., Any]], Any]:
    """Return a decorator that compiles a function; no fastmath, so one row = many rows bit for bit.

    numba looks for a writable cache by itself (NUMBA_CACHE_DIR, beside the source, the user's cache);
    where there is none the function is compiled anew in each process, which is said once.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        global _warned  # noqa: PLW0603 - one warning a process is the point
        try:
            return numba.njit(*signature, cache=True, error_model="numpy", nogil=True)(function)
        except RuntimeError as error:
            if "cannot cache" not in str(error):
                raise
            if not _warned:
                _warned = True
                warnings.warn(
                    "no writable place for compiled code; every start compiles anew (about 20 s). "
                    "Set NUMBA_CACHE_DIR to a writable directory.",
                    UserWarning,
                    stacklevel=2,
                )
            return numba.njit(*signature, error_model="numpy", nogil=True)(function)

    return decorate
