"""The arrays of a batch, and what is not taken in."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objects = NDArray[np.object_]

LARGEST = 1e150
"""A number beyond this is taken for a fault of its sender: its square must still be finite."""

MOST_SAMPLES = 2**20
"""A waveform of more samples is not taken in: all of it must lie in memory."""
