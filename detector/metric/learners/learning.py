"""From records and labels to a `Metric`, by any learner."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learned import Metric, Value
from detector.metric.learners import drawing
from detector.metric.learners.examples import TUPLES, WEAK, Examples, Ints, Learner
from detector.metric.learners.registry import LEARNERS

LARGEST_WEIGHT = 1e10
"""A larger eigenvalue of M, of standardised features, stands for a matrix that was all but singular."""
_DEPENDENT = 1e-10  # variance of standardised features in a direction in which they do not vary
_PART = 1e-6  # a feature with a smaller part in such a direction has none
_NAMED = 5  # features named at most


def learn(
    algorithm: str,
    X: Floats,
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
    learner = LEARNERS[algorithm]
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            settings = _settings(learner, parameters or {})
            known = None if y is None else _numbers(y)
            X = _whole(X, features)
            mean, scale = standard(X)
            kind, examples = _examples(learner, (X - mean) / scale, known, weak or {}, seed)
            L = learner.fit(examples, seed, **settings)
            if not np.isfinite(L).all():
                raise np.linalg.LinAlgError("what it found is not finite")
            if not L.any():
                raise MetricError("it found no direction that counts; check the labels, or add features")
            if np.linalg.norm(L, 2) ** 2 > LARGEST_WEIGHT:
                raise np.linalg.LinAlgError("what it found weighs a direction beyond measure")
            about = settings | {"labels": kind, "seed": seed, "rows": len(examples.X)}
        except MetricError as error:
            raise MetricError(f"{algorithm}: {error}") from error
        except Exception as error:
            raise MetricError(f"{algorithm}: {_reason(error, X, features)}") from error
        data = _digest(X, known, features, weak or {})
        return Metric(L, mean, scale, tuple(features), algorithm, about, data, {}, parent)


def standard(X: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (d,) of records (n, d); of a constant feature its value and 1."""
    constant = X.min(0) == X.max(0)
    mean, scale = X.mean(0), X.std(0)
    usable = np.isfinite(scale) & (scale > 0.0)
    if not (usable | constant).all():
        raise MetricError("a feature is too large or too small to be standardised; give it another unit")
    return np.where(constant, X[0], mean), np.where(constant, 1.0, scale)


def _settings(learner: Learner, parameters: Mapping[str, Value]) -> dict[str, Value]:
    """Return the learner's defaults with these set."""
    settings = dict(learner.parameters)
    for name, value in parameters.items():
        if name not in settings:
            known = f"it has {', '.join(settings)}" if settings else "it has none"
            raise MetricError(f"there is no parameter {name!r}; {known}")
        kind = type(settings[name])
        if kind is float and type(value) is int:
            value = float(value)  # noqa: PLW2901 - 1 stands for 1.0
        if type(value) is not kind:
            raise MetricError(f"{name} must be of the type {kind.__name__}, as {settings[name]!r} is")
        settings[name] = value
    return settings


def _whole(X: Floats, features: Sequence[str]) -> Floats:
    X = np.array(X, np.float64, order="C")
    d = len(features)
    if X.ndim != 2 or X.shape[1] != d or not d:
        raise MetricError(f"the records have the shape {X.shape}; {d} features need (n, {d})")
    if len(X) < 2:
        raise MetricError(f"{len(X)} records are too few; give it two at least")
    bad = ~np.isfinite(X)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise MetricError(
            f"{int(bad.any(1).sum())} records have a value that is missing or infinite, the first is record "
            f"{row}, {features[column]}; leave these records out, or fill the gaps"
        )
    return X


def _examples(
    learner: Learner, Z: Floats, y: Floats | None, weak: Mapping[str, Ints], seed: int
) -> tuple[str, Examples]:
    """Return which kind of labels is used, and examples of that kind, no more than the learner takes."""
    unknown = [name for name in weak if name not in WEAK]
    if unknown:
        raise MetricError(f"there are no weak labels {unknown[0]!r}; there are {', '.join(WEAK)}")
    rng = np.random.default_rng(seed)
    given = dict(weak)
    if y is not None:
        given |= {"classes": y, "targets": y}
    kind = next((kind for kind in learner.needs if kind in given), "")
    if learner.needs and not kind:
        raise MetricError(f"it learns from {' or '.join(learner.needs)}, and there are none")
    if not kind:
        return kind, Examples(Z[drawing.any_rows(len(Z), learner.max_rows, rng)])
    field = {"classes": "y"}.get(kind, kind)
    labels: Any = _numbers(given[kind]) if kind == "targets" else _integers(given[kind], kind)
    whole = replace(Examples(Z), **{field: labels})
    if kind in TUPLES:
        rows = drawing.any_rows(len(labels), learner.max_tuples, rng)
        return kind, replace(whole, **{field: labels[rows]})
    if kind == "targets":
        rows = drawing.any_rows(len(Z), learner.max_rows, rng)
    else:
        _enough(learner, labels, kind)
        rows = drawing.rows_of_each(labels, learner.max_rows, rng)
    return kind, replace(Examples(Z[rows]), **{field: labels[rows]})


def _integers(labels: Any, kind: str) -> Ints:
    array = np.asarray(labels)
    if array.dtype.kind not in "iubf" or (array != np.floor(array)).any() or not np.isfinite(array).all():
        raise MetricError(f"{kind} must be integers, -1 = none")
    return array.astype(np.int64)


def _numbers(labels: Any) -> Floats:
    try:
        array = np.asarray(labels, np.float64)
    except (TypeError, ValueError):
        raise MetricError("labels must be numbers; number the classes, -1 = unlabelled") from None
    if not np.isfinite(array).all():
        raise MetricError("a label is missing or infinite; leave its record out, or write -1 = unlabelled")
    return array


def _enough(learner: Learner, labels: Ints, kind: str) -> None:
    """Refuse too few classes, and classes of too few records."""
    names, counts = np.unique(labels[labels >= 0], return_counts=True)
    if len(names) < learner.classes:
        raise MetricError(
            f"there are records of {len(names)} {kind}, and it needs {learner.classes}; label more records"
        )
    few = int(counts.argmin())
    if counts[few] < learner.per_class:
        raise MetricError(
            f"class {names[few]} has {counts[few]} record, and it needs {learner.per_class} of each; "
            "label more of them, or leave that class out"
        )


def _reason(error: Exception, X: Floats, features: Sequence[str]) -> str:
    """Say what went wrong inside a learner, and what to do."""
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError):
        return "the memory does not suffice; give it fewer records or features"
    tied = _dependent(X, features)
    if tied:
        return (
            f"{said}; {', '.join(tied)} are constant or depend on each other: leave some out, or use kissme"
        )
    return f"{said}; label more records, change its parameters, or use another learner, as kissme"


def _dependent(X: Floats, features: Sequence[str]) -> list[str]:
    """Return the features that have a part in a direction in which no record varies."""
    mean, scale = standard(X)
    Z = (X - mean) / scale
    values, directions = np.linalg.eigh(Z.T @ Z)
    still = np.abs(directions[:, values <= _DEPENDENT * len(X)]).max(1, initial=0.0)
    return [name for name, part in zip(features, still, strict=True) if part > _PART]


def _digest(X: Floats, y: Floats | None, features: Sequence[str], weak: Mapping[str, Ints]) -> str:
    """Identify records and labels, whatever the order of the columns."""
    digest = hashlib.blake2b(digest_size=16)
    order = sorted(range(len(features)), key=features.__getitem__)
    parts: dict[str, ArrayLike] = {"X": X[:, order], **weak} | ({} if y is None else {"y": y})
    for name in sorted(parts):
        array = np.asarray(parts[name], np.float64) + 0.0  # -0 is 0
        digest.update(f"{name}{array.shape}".encode() + np.ascontiguousarray(array).astype("<f8").tobytes())
    return digest.hexdigest()
