"""From records and labels as they are given to the examples that a learner sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from detector.contracts import Floats
from detector.errors import MetricError
from detector.metric.learners import drawing
from detector.metric.learners.examples import TUPLES, WEAK, Examples, Ints, Learner


def records(X: ArrayLike, features: Sequence[str]) -> Floats:
    """Return a copy of the records (n, d), which must be whole."""
    try:
        copy = np.array(X, np.float64, order="C")
    except (TypeError, ValueError):
        raise MetricError("the records must be rows of numbers, all of the same length") from None
    d = len(features)
    if copy.ndim != 2 or copy.shape[1] != d or not d:
        raise MetricError(f"the records have the shape {copy.shape}; {d} features need (n, {d})")
    if len(copy) < 2:
        raise MetricError(f"{len(copy)} records are too few; give it two at least")
    bad = ~np.isfinite(copy)
    if bad.any():
        row, column = (int(i) for i in np.argwhere(bad)[0])
        raise MetricError(
            f"{int(bad.any(1).sum())} of {len(copy)} records lack a value or have an infinite one, first "
            f"row {row}, {features[column]}; leave these records out, or fill the gaps"
        )
    return copy


def standard(X: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation (d,) of records (n, d); of a constant feature its value and 1.

    Examples
    --------
    >>> standard(np.array([[1.0, 0.1], [5.0, 0.1]]))
    (array([3. , 0.1]), array([2., 1.]))
    """
    constant = X.min(0) == X.max(0)
    mean, scale = X.mean(0), X.std(0)
    usable = np.isfinite(scale) & (scale > 0.0)
    if not (usable | constant).all():
        raise MetricError("a feature is too large or too small to be standardised; give it another unit")
    return np.where(constant, X[0], mean), np.where(constant, 1.0, scale)


def numbers(labels: ArrayLike) -> Floats:
    """Return labels as numbers, all of them finite."""
    try:
        array = np.asarray(labels, np.float64)
    except (TypeError, ValueError):
        raise MetricError("labels must be numbers; number the classes, -1 = unlabelled") from None
    if not np.isfinite(array).all():
        raise MetricError("a label is missing or infinite; leave its record out, or write -1 = unlabelled")
    return array


def examples(
    learner: Learner, Z: Floats, y: Floats | None, weak: Mapping[str, Ints], seed: int
) -> tuple[str, Examples]:
    """Return which kind of labels is used, and examples of that kind, no more than the learner takes."""
    unknown = [name for name in weak if name not in WEAK]
    if unknown:
        raise MetricError(f"there are no weak labels {unknown[0]!r}; there are {', '.join(WEAK)}")
    rng = np.random.default_rng(seed)
    given: dict[str, Any] = dict(weak) | ({} if y is None else {"classes": y, "targets": y})
    kind = next((kind for kind in learner.needs if kind in given), "")
    if learner.needs and not kind:
        raise MetricError(f"it learns from {' or '.join(learner.needs)}, and there are none")
    if not kind:
        return kind, Examples(Z[drawing.any_rows(len(Z), learner.max_rows, rng)])
    field = {"classes": "y"}.get(kind, kind)
    labels: Any = given[kind] if kind == "targets" else _integers(given[kind], kind)
    whole = replace(Examples(Z), **{field: labels})
    if kind in TUPLES:
        rows = drawing.any_rows(len(labels), learner.max_tuples, rng)
        return kind, replace(whole, **{field: labels[rows]})
    if kind == "targets":
        rows = drawing.any_rows(len(Z), learner.max_rows, rng)
    else:
        _require_enough(learner, labels, kind)
        rows = drawing.rows_of_each(labels, learner.max_rows, rng)
    return kind, replace(Examples(Z[rows]), **{field: labels[rows]})


def _integers(labels: ArrayLike, kind: str) -> Ints:
    array = numbers(labels)
    if (array != np.floor(array)).any() or np.abs(array).max(initial=0.0) > 2.0**53:
        raise MetricError(f"{kind} must be integers, -1 = unlabelled")
    return array.astype(np.int64)


def _require_enough(learner: Learner, labels: Ints, kind: str) -> None:
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
