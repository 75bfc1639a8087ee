"""From a pipeline's models to a reference, and from a reference to the row that a new model begins with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from detector.contracts import Floats
from detector.errors import FleetError
from detector.fleet.merging import learned, own
from detector.fleet.reference import Shape
from detector.pipeline import Pipeline
from detector.row import LEARN_CLOCK, VECTORS

FADED = 7.0
"""Half-lives after which what a model began with counts less than 1 %."""


def shape_of(pipeline: Pipeline) -> Shape:
    """Return what the charts of a pipeline's models mean.

    Raises
    ------
    FleetError
        They do not merge.
    """
    if pipeline.model.unmergeable:
        raise FleetError(f"pipeline {pipeline.name}: {pipeline.model.unmergeable}")
    names, model = tuple(pipeline.vector.names), pipeline.model
    return Shape(pipeline.schema, names, len(model.charts), model.mixing)


def given(
    pipeline: Pipeline, rows: Iterable[tuple[str, Floats]], bases: Mapping[str, Floats]
) -> dict[str, Floats]:
    """Return the charts of what these models have learned themselves, by key; of some nothing can be said.

    Parameters
    ----------
    rows : iterable of (str, ndarray)
        Key and row of each model.
    bases : mapping of str to ndarray of shape (charts, width)
        What those began with that began with the records of others. Where memory fades, nobody can tell any
        more which part of such a model is its own: it gives nothing until what it began with has faded.
    """
    shape, half_life = shape_of(pipeline), pipeline.model.half_life
    charts: dict[str, Floats] = {}
    for key, row in rows:
        found, base = charts_of(pipeline, row), bases.get(key)
        if base is not None:
            since = learned(found) - learned(base)
            if np.isinf(half_life):
                found = own(found, base, shape)
            elif not since >= FADED * half_life:
                continue
        if learned(found) > 0.0:
            charts[key] = found
    return charts


def charts_of(pipeline: Pipeline, row: Floats) -> Floats:
    """Return a copy of the charts in a row, (charts, width), with nothing in them that does not merge."""
    charts = np.array([row[at] for at in pipeline.model.charts])
    charts[:, LEARN_CLOCK:VECTORS] = 0.0
    if pipeline.model.mixing.full:
        charts[:, -pipeline.model.d :] = 0.0
    return charts


def begun(pipeline: Pipeline, charts: Floats) -> Floats:
    """Return the row of a model that begins with these charts, and has seen no record itself.

    Its warm-up begins with its first record: it is silent until it has a threshold of its own.
    """
    row = pipeline.pool.fresh.copy()
    end = -pipeline.model.d if pipeline.model.mixing.full else None  # scales come of the order of records
    for at, chart in zip(pipeline.model.charts, charts, strict=True):
        begun = row[at]
        kept = begun[end:].copy() if end else None
        begun[:] = chart
        begun[LEARN_CLOCK:VECTORS] = 0.0
        begun[LEARN_CLOCK] = np.inf  # no time has passed since, until the first record writes its own
        if kept is not None:
            begun[end:] = kept
    return row
