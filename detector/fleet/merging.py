"""References merged: of several units by key, or all into one; and what a model learned since it began."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce

import numpy as np

from detector.contracts import Floats
from detector.errors import FleetError, KyoriError
from detector.fleet.reference import Learned, Reference, Shape
from detector.merged import merge, without
from detector.row import LEARNED, VECTORS


def merged(references: Sequence[Reference]) -> Reference:
    """Return one reference of several: keys of one name are merged.

    Raises
    ------
    FleetError
        They are of different shapes, or hold the same records: of one unit, or of one life.
    """
    first = references[0]
    units: dict[str, Learned] = {}
    charts: dict[str, list[Floats]] = {}
    for one in references:
        if differs := one.shape.differs(first.shape):
            raise FleetError(f"{_names(one)} does not merge with {_names(first)}: {differs}")
        _check_apart(units, one)
        units |= one.units
        for key, found in one.charts.items():
            charts.setdefault(key, []).append(found)
    return Reference(first.shape, {key: _all(found, first.shape) for key, found in charts.items()}, units)


def as_one(reference: Reference, key: str) -> Reference:
    """Return the same with all keys merged into one of this name."""
    found = list(reference.charts.values())
    return Reference(reference.shape, {key: _all(found, reference.shape)} if found else {}, reference.units)


def newest(references: Iterable[Reference]) -> tuple[list[Reference], list[str]]:
    """Return those that count, and in words what was left out: an older one of the same life.

    Raises
    ------
    FleetError
        One unit has two lives here: nobody can tell which records are whose.
    """
    kept: dict[tuple[str, str], Reference] = {}
    dropped: list[str] = []
    for number, one in enumerate(references):
        if len(one.units) != 1:  # merged before: `merged` refuses what is in it twice
            kept["merged", str(number)] = one
            continue
        ((unit, learned),) = one.units.items()
        if any(unit in other.units and other.units[unit].life != learned.life for other in kept.values()):
            raise FleetError(
                f"unit {unit} is there twice, of two lives: two units have this name, or it began anew; "
                "leave one of the two out"
            )
        place = ("life", learned.life) if learned.life else ("unit", unit)
        known = kept.setdefault(place, one)
        if known is one:
            continue
        ((name, before),) = known.units.items()
        if learned.scored > before.scored:
            kept[place], unit, learned, name, before = one, name, before, unit, learned
        dropped.append(f"{unit} at {learned.scored} records, for {name} is the same at {before.scored}")
    return list(kept.values()), dropped


def own(whole: Floats, base: Floats, shape: Shape) -> Floats:
    """Return the charts (charts, width) of what a model learned since it was `base`, forgetting nothing."""
    charts = np.array([_empty(shape) for _ in range(shape.charts)])
    for into, now, then in zip(charts, whole, base, strict=True):
        without(now, then, into, len(shape.features), **shape.mixing._asdict())
    return _sound(charts, shape)


def _all(found: Sequence[Floats], shape: Shape) -> Floats:
    return reduce(lambda a, b: _pair(a, b, shape), found)


def _pair(a: Floats, b: Floats, shape: Shape) -> Floats:
    charts = np.array([_empty(shape) for _ in range(shape.charts)])
    for into, one, other in zip(charts, a, b, strict=True):
        try:
            with np.errstate(all="ignore"):
                merge(one, other, into, len(shape.features), **shape.mixing._asdict())
        except KyoriError as error:
            raise FleetError(str(error)) from None
    return _sound(charts, shape)


def _sound(charts: Floats, shape: Shape) -> Floats:
    """Refuse what numbers from outside may have come to."""
    d = len(shape.features)
    known = np.delete(charts, np.s_[VECTORS + d : VECTORS + 2 * d], axis=1)
    if not np.isfinite(known).all():
        raise FleetError("the moments are beyond all numbers")
    return charts


def _empty(shape: Shape) -> Floats:
    d = len(shape.features)
    chart = np.zeros(shape.width)
    chart[VECTORS + d : VECTORS + 2 * d] = np.nan
    return chart


def _check_apart(units: Mapping[str, Learned], one: Reference) -> None:
    lives = {learned.life: unit for unit, learned in units.items() if learned.life}
    for unit, learned in one.units.items():
        if unit in units:
            raise FleetError(f"the records of unit {unit} are in two of these, and would count twice")
        if learned.life in lives:
            raise FleetError(
                f"{unit} and {lives[learned.life]} have one life: the state of one was copied to the other, "
                "and its records would count twice"
            )


def _names(reference: Reference) -> str:
    return ", ".join(reference.units)


def learned(charts: Floats) -> float:
    """Return how many records the charts of a key have learned."""
    return float(charts[0, LEARNED])
