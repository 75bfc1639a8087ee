"""A flat picture of a space by t-SNE."""

from __future__ import annotations

import numpy as np

from detector.contracts import Floats

_PERPLEXITY = 30.0
_NEAR = 5  # neighbours whose order trustworthiness looks at


def perplexity(n: int) -> float:
    """Return how many neighbours t-SNE keeps together, for n records.

    >>> perplexity(1000), perplexity(31)
    (30.0, 10.0)
    """
    return min(_PERPLEXITY, (n - 1) / 3.0)


def flat(Z: Floats, seed: int) -> Floats:
    """Return a place (n, 2) for each vector (n, k), neighbours beside each other."""
    from sklearn.manifold import TSNE  # noqa: PLC0415

    if Z.shape[1] < 2:
        Z = np.column_stack([Z, np.zeros(len(Z))])  # it starts from two principal components
    made = TSNE(2, perplexity=perplexity(len(Z)), init="pca", random_state=seed, n_jobs=1)
    places: Floats = made.fit_transform(Z).astype(np.float64)
    return places


def trustworthiness(Z: Floats, places: Floats) -> float:
    """Return how far neighbours in a picture are neighbours in the space: 1 = all, about .5 = by chance."""
    from sklearn import manifold  # noqa: PLC0415

    return float(manifold.trustworthiness(Z, places, n_neighbors=_NEAR))
