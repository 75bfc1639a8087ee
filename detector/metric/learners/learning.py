"""From records and labels to a `Metric`, by any learner."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Metric, Value
from detector.metric.learners import preparing
from detector.metric.learners.examples import Ints, Learner
from detector.metric.learners.registry import LEARNERS

LARGEST_WEIGHT = 1e10
"""A larger eigenvalue of M, of standardised features, stands for a matrix that was all but singular."""
_STILL = 1e-10  # variance of standardised features in a direction in which they do not vary
_PART = 1e-6  # a feature with a smaller part in such a direction has none
_NAMED = 5  # features named at most


def learn(
    algorithm: str,
    X: ArrayLike,
    y: ArrayLike | None,
    features: Sequence[str],
    *,
    seed: int = 0,
    parameters: Mapping[str, Value] | None = None,
    parent: str = "",
    weak: Mapping[str, Ints] | None = None,
) -> Metric:
    """Return the metric that a learner finds in these records.

    Parameters
    ----------
    algorithm : str
        Name in `LEARNERS`.
    X : (n, d)
        Whole records, as they are: they are standardised here.
    y : (n,) or None
        The class of each, an integer, -1 = unlabelled; for ``mlkr`` a number.
    features : sequence of str
        What the columns are.
    seed : int
        The same seed gives the same metric.
    parameters : mapping of str to plain values
        Settings of the learner, as its `Learner.parameters` has them.
    parent : str
        `id` of the metric in force.
    weak : mapping of str to int64 arrays
        ``pairs``, ``triplets``, ``quadruplets`` or ``chunklets``, as `Examples` describes them. Preferred to
        classes where the learner takes them.

    Raises
    ------
    MetricError
        There is no usable metric; says why, and what to do. Nothing else is raised, whatever the data.
    """
    if algorithm not in LEARNERS:
        raise MetricError(f"there is no learner {algorithm!r}; there are {', '.join(LEARNERS)}")
    learner, weak = LEARNERS[algorithm], weak or {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            settings = _settings(learner, parameters or {})
            X, y = preparing.records(X, features), None if y is None else preparing.numbers(y)
            mean, scale = preparing.standard(X)
            Z = (X - mean) / scale
            labels, examples = preparing.examples(learner, Z, y, weak, seed)
            try:
                L = learner.fit(examples, seed, **settings)
                _check(L)
            except MetricError:
                raise
            except Exception as error:
                raise MetricError(_reason(error, Z, features)) from error
        except MetricError as error:
            raise MetricError(f"{algorithm}: {error}") from error
        called = settings | {"labels": labels, "seed": seed, "rows": len(examples.X)}
        data = _digest(X, y, features, weak)
        return Metric(L, mean, scale, tuple(features), algorithm, called, data, parent=parent)


def _settings(learner: Learner, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the learner's defaults with these set."""
    settings = dict(learner.parameters)
    for name, value in parameters.items():
        if name not in settings:
            known = f"it has {', '.join(settings)}" if settings else "it has none"
            raise MetricError(f"there is no parameter {name!r}; {known}")
        kind = type(settings[name])
        if type(value) is not kind and (kind, type(value)) != (float, int):
            raise MetricError(f"{name} must be of the type {kind.__name__}, as {settings[name]!r} is")
        settings[name] = kind(value)
    return settings


def _check(L: Floats) -> None:
    if not np.isfinite(L).all():
        raise np.linalg.LinAlgError("what it found is not finite")
    if not L.any():
        raise MetricError("it found no direction that counts; check the labels, or add features")
    if np.linalg.norm(L, 2) ** 2 > LARGEST_WEIGHT:
        raise np.linalg.LinAlgError("what it found weighs a direction beyond measure")


def _reason(error: Exception, Z: Floats, features: Sequence[str]) -> str:
    """Say what went wrong inside a learner, and what to do."""
    if isinstance(error, MemoryError):
        return "the memory does not suffice; give it fewer records or features"
    said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    tied = _dependent(Z, features)
    if tied:
        more = f" and {len(tied) - _NAMED} more" if len(tied) > _NAMED else ""
        names = ", ".join(tied[:_NAMED]) + more
        return f"{said}; constant or following from others are {names}: leave some out"
    return f"{said}; label more records, set its parameters, or use another learner, as kissme"


def _dependent(Z: Floats, features: Sequence[str]) -> list[str]:
    """Return the features that have a part in a direction in which no record (n, d) varies."""
    values, directions = np.linalg.eigh(Z.T @ Z / len(Z))
    part = np.abs(directions[:, values <= _STILL]).max(1, initial=0.0)
    return [name for name, size in zip(features, part, strict=True) if size > _PART]


def _digest(X: Floats, y: Floats | None, features: Sequence[str], weak: Mapping[str, Ints]) -> str:
    """Identify records and labels, whatever the order of the columns."""
    digest = hashlib.blake2b(digest_size=16)
    order = sorted(range(len(features)), key=features.__getitem__)
    parts: dict[str, ArrayLike] = {"X": X[:, order], **weak, **({} if y is None else {"y": y})}
    for name in sorted(parts):
        array = np.asarray(parts[name], np.float64) + 0.0  # -0 is 0
        digest.update(f"{name}{array.shape}".encode() + np.ascontiguousarray(array).astype("<f8").tobytes())
    return digest.hexdigest()
