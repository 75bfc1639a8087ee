"""Records of a key in a plane: by PCA of what happens, or by LFDA of what people have labelled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError

_NAMED = 3
_LEAST = 0.1


class Plane(NamedTuple):
    """Where records are.

    Attributes
    ----------
    Z : (n, 2)
    axes : (str, str)
        What each axis is made of, by the features that count most.
    note : str
        What to know of it.
    """

    Z: Floats
    axes: list[str]
    note: str


def pca(X: Floats, names: Sequence[str]) -> Plane:
    """Return the plane in which standardised records vary most.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        A missing value counts as the mean.
    names : sequence of str
        Of the d features.

    Examples
    --------
    >>> pca(np.array([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]), ("a", "b")).note
    '100 % of the variance'
    """
    with np.errstate(all="ignore"):
        mean = np.nan_to_num(np.nanmean(np.vstack([X, np.zeros((1, X.shape[1]))])[: max(len(X), 1)], axis=0))
    V = np.where(np.isfinite(X), X - mean, 0.0)
    sd = np.sqrt((V**2).mean(axis=0)) if len(V) else np.zeros(len(names))
    V = V / np.where(sd > 0.0, sd, 1.0)
    _, s, axes = (
        np.linalg.svd(V, full_matrices=False) if len(V) else (0, np.zeros(0), np.zeros((0, len(names))))
    )
    # An axis may point either way: its largest part counts up, so that a picture does not turn over.
    axes = axes[:2] * np.array([np.sign(axis[np.argmax(np.abs(axis))]) for axis in axes[:2]]).reshape(-1, 1)
    total = float((s**2).sum())
    part = float((s[:2] ** 2).sum()) / total if total > 0.0 else 0.0
    return Plane(_two(V @ axes.T), _named(axes, names), f"{100.0 * part:.0f} % of the variance")


def lfda(X: Floats, labelled: Floats, kinds: Sequence[str], names: Sequence[str]) -> Plane:
    """Return the plane in which the labelled kinds are farthest apart, and all records in it.

    Parameters
    ----------
    X : ndarray of shape (n, d)
        Records.
    labelled : ndarray of shape (m, d)
        Those that the plane is learned from.
    kinds : sequence of str
        What each of them is.
    names : sequence of str
        Of the d features.

    Raises
    ------
    MetricError
        There is no such plane; says why, and what to do.
    """
    from detector.metric.learners.learning import learn  # noqa: PLC0415 - slow to import

    whole = np.asarray(np.isfinite(labelled).all(axis=1))
    labelled, kinds = (
        labelled[whole],
        [kind for kind, there in zip(kinds, whole.tolist(), strict=True) if there],
    )
    classes = sorted(set(kinds))
    if len(classes) < 2:
        raise MetricError(
            "it tells kinds apart, and there are not two: label alerts as real and as false or normal"
        )
    y = np.array([classes.index(kind) for kind in kinds])
    if len(names) < 2:
        raise MetricError("it needs two features; ask for pca")
    metric = learn("lfda", labelled, y, list(names), parameters={"n_components": 2})
    Z = metric.transform(np.where(np.isfinite(X), X, metric.mean))
    return Plane(
        _two(Z), _named(metric.L, names), f"learned from {len(labelled)} records: {', '.join(classes)}"
    )


def _two(Z: Floats) -> Floats:
    """Return two columns, whatever there were."""
    return np.column_stack([Z, np.zeros((len(Z), 2))])[:, :2]


def _named(axes: Floats, names: Sequence[str]) -> list[str]:
    named = []
    for axis in axes[:2]:
        size = np.abs(axis) / max(float(np.abs(axis).max()), 1e-300)
        order = [j for j in np.argsort(-size, kind="stable").tolist() if size[j] >= _LEAST][:_NAMED]
        named.append(" ".join(f"{'+' if axis[j] >= 0 else '-'}{names[j]}" for j in order))
    return [*named, "", ""][:2]
