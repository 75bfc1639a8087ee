"""A key looked at: its last records with what was expected of them, two features of it, and a plane."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from detector.contracts import Floats
from detector.errors import MetricError
from detector.labels.book import Labelled
from detector.pipeline import Pipeline
from detector.row import SEEN
from detector.snapshot import Moments
from detector.web import embedding
from detector.web.answers import Ellipse, Embedding, FeatureOf, Numbers, Window
from detector.web.expected import Expected, averaged, expect
from detector.web.pair import pair
from detector.web.recent import Rows
from detector.web.refusal import Refusal

WARM = 20
"""Records more, before those that are asked for, so that a running average has come to what it is."""
_RATE = 0.001
"""Of false alarms, where the settings name none."""


@dataclass(frozen=True, slots=True)
class Model:
    """What the model of a key was, at the moment that it was asked.

    Attributes
    ----------
    normal : Moments or None
        None: there is no model.
    steps : float
        Records that the judged average is of; 1 = each by itself.
    seen : int
        Records judged.
    metric : (k, d) or None
        What stands between record and distance.
    """

    normal: Moments | None
    steps: float
    seen: int
    metric: Floats | None


def model_of(pipeline: Pipeline, key: str) -> Model:
    """Return the model of a key; to be called by the pipeline's own thread."""
    row = pipeline.pool.peek(key)
    by_metric = pipeline.settings.detector.distance == "learned" and pipeline.model.metric is not None
    metric = pipeline.model.metric.raw if by_metric and pipeline.model.metric is not None else None
    if row is None:
        return Model(None, 1.0, 0, metric)
    return Model(pipeline.model.moments(row), pipeline.model.averaged(row)[0], int(row[SEEN]), metric)


def features(pipeline: Pipeline) -> list[FeatureOf]:
    """Return the features that are judged."""
    return [{"name": feature.name, "unit": feature.unit} for feature in pipeline.vector.told]


def numbers(column: Floats) -> Numbers:
    """Return a column as JSON can have it."""
    return [
        one if there else None
        for one, there in zip(column.tolist(), np.isfinite(column).tolist(), strict=True)
    ]


def expected(pipeline: Pipeline, rows: Rows, model: Model) -> Expected:
    """Return what was expected of records, all columns; NaN where nothing is known."""
    nothing = np.full(rows.X.shape, np.nan)
    if model.normal is None or model.normal.records < 2.0:
        return Expected(nothing, nothing, np.zeros(rows.X.shape))
    floor = pipeline.settings.detector.covariance.floor
    F = averaged(rows.X, model.steps)
    return expect(F, model.normal, floor=floor, context=pipeline.vector.context, metric=model.metric)


def window(pipeline: Pipeline, key: str, rows: Rows, model: Model, last: int) -> Window:
    """Return the last of these records of a key, and what was expected of them."""
    told, part = expected(pipeline, rows, model), slice(max(len(rows.time) - last, 0), None)
    c = pipeline.vector.context
    values, mean, sd = (table[part, c:].T.copy() for table in (rows.X, told.expected, told.sd))
    for j, feature in enumerate(pipeline.vector.features):
        if feature.log:  # back to the unit that the sensor speaks; sd by the delta method
            with np.errstate(over="ignore"):
                values[j], mean[j] = np.exp(values[j]), np.exp(mean[j])
                sd[j] *= mean[j]
    shares = told.shares[-1, c:] if len(rows.time) else np.zeros(len(pipeline.vector.features))
    return {
        "pipeline": pipeline.name, "key": shown(key), "features": features(pipeline),
        "time": numbers(rows.time[part]), "score": numbers(rows.score[part]),
        "threshold": numbers(rows.threshold[part]), "level": numbers(rows.level[part]),
        "values": [numbers(one) for one in values], "expected": [numbers(one) for one in mean],
        "sd": [numbers(one) for one in sd], "shares": numbers(shares),
        "learned": model.normal.records if model.normal is not None else 0.0, "seen": model.seen,
    }  # fmt: skip


def ellipse(pipeline: Pipeline, rows: Rows, model: Model, last: int, x: str, y: str) -> Ellipse:
    """Return two features of a key in a plane, in the units that are judged."""
    names = [feature.name for feature in pipeline.vector.told]
    for name in (x, y):
        if name not in names:
            raise Refusal(404, f"there is no feature {name!r}; there are: {', '.join(names)}")
    if x == y:
        raise Refusal(422, "x and y are the same feature; name two")
    if model.normal is None or model.normal.records < 3.0:
        raise Refusal(409, "the model of this key has not learned three records yet; ask again later")
    c = pipeline.vector.context
    columns = np.array([c + names.index(x), c + names.index(y)])
    points = averaged(rows.X, model.steps)[max(len(rows.time) - last, 0) :, columns]
    level = rows.level[max(len(rows.time) - last, 0) :]
    normal = model.normal
    of = Moments(normal.mean[columns], normal.covariance[np.ix_(columns, columns)], normal.records)
    settings = pipeline.settings.detector
    found = pair(points, of, settings.threshold.share or _RATE, settings.covariance.floor)
    return {
        "x": x, "y": y, "points": [numbers(one) for one in np.column_stack([points, level])],
        "ellipse": found.ellipse.tolist(), "circle": found.circle.tolist(), "mean": of.mean.tolist(),
        "outside_ellipse": int(found.beyond_ellipse.sum()), "outside_circle": int(found.beyond_circle.sum()),
    }  # fmt: skip


def plane(
    pipeline: Pipeline, rows: Rows, labelled: list[Labelled], last: int, method: Literal["pca", "lfda"]
) -> Embedding:
    """Return records of a key in a plane, and those that people have labelled among them."""
    c, first = pipeline.vector.context, max(len(rows.time) - last, 0)
    names = [feature.name for feature in pipeline.vector.told]
    X, kinds = rows.X[first:, c:], [one.name or one.label for one in labelled for _ in one.X]
    known = np.vstack([np.empty((0, len(names))), *(one.X[:, c:] for one in labelled)])
    together = np.vstack([X, known])
    try:
        found = (
            embedding.pca(together, names)
            if method == "pca"
            else embedding.lfda(together, known, [_kind(one) for one in labelled for _ in one.X], names)
        )
    except MetricError as error:
        raise Refusal(409, str(error)) from None
    level = np.concatenate([rows.level[first:], [one.level for one in labelled for _ in one.X]])
    labels = [""] * len(X) + kinds
    points: list[list[float | str | None]] = [
        [*numbers(at), label] for at, label in zip(np.column_stack([found.Z, level]), labels, strict=True)
    ]
    return {"method": method, "axes": found.axes, "points": points, "note": found.note}


def _kind(one: Labelled) -> str:
    return (one.name or "fault") if one.label == "real" else "normal"


def shown(text: str) -> str:
    r"""Return text that UTF-8 can hold: half a surrogate pair as its escape.

    >>> shown("pump\udc80")
    'pump\\udc80'
    """
    return text.encode("utf-8", "backslashreplace").decode()
