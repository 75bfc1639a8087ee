"""The one signature of all compiled distances, so that one compiled kernel serves them all."""

from __future__ import annotations

from numba import types

from detector.jit import Floats1

DISTANCE = types.float64(Floats1, Floats1, Floats1, types.float64, Floats1)
"""``(x, mean, sd, p, shares) -> distance``, all vectors of length d."""
