"""RCA: whitening by what records of the same kind vary (Shental et al., 2002).

Classes are taken for chunklets: drawing pairs from them would estimate the same matrix from less. One class
is enough. Features that depend on each other make its matrix silently not finite; that is checked.
"""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats
from detector.metric.learners import adapter
from detector.metric.learners.examples import Examples, Learner
from detector.metric.learners.scatter import require_variation


def fit(examples: Examples, seed: int, *, n_components: int) -> Floats:
    """Return L (k, d)."""
    known = examples.known("y" if examples.chunklets is None else "chunklets")
    require_variation(examples.X, known)
    _, at, counts = np.unique(known, return_inverse=True, return_counts=True)
    told = (known >= 0) & (counts[at] > 1)  # a single record says nothing of how its kind varies
    chunks = np.where(told, at, -1)
    return adapter.components("RCA", examples.X, chunks, n_components=n_components or None)


LEARNER = Learner("rca", fit, ("chunklets", "classes"), {"n_components": 0}, cheap=True, classes=1)
