"""Which numbers are features: what a column holds decides, and what it is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detector.contracts import Floats, Objects
from detector.survey.units import unit_of, words_of

SENDERS = {
    *("asset", "device", "equipment", "host", "hostname", "id", "line", "machine", "node", "plant", "pump"),
    *("sensor", "server", "site", "station", "tag", "turbine", "unit", "vehicle", "well"),
}
"""Words of a column that says who sent the record."""
ANSWERS = {"anomaly", "changepoint", "class", "fault", "label", "outlier", "state", "status", "target"}
NUMBERED = {"code", "name", "no", "nr", "num", "number"}
_ROW_NUMBERS = {"index", "no", "nr", "num", "row", "seq", "sequence", "unnamed"}
_COUNTERS = {
    *("bytes", "count", "counter", "cumulative", "cycles", "energy", "errors", "kwh", "odometer", "packets"),
    *("pulses", "requests", "sum", "total", "uptime", "wh"),
}
_RARE = 0.2
_FEW = 3
"""So many values tell whether a column moves at all."""
_RISES = 5
_MANY_RISES = 20
"""A column that is not called so is a counter if it never fell in so many steps."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column that is a feature.

    Attributes
    ----------
    name, unit : str
        As in the configuration.
    field : str
        The field, where it is called otherwise.
    difference : bool
        It is a counter.
    note : str
        What was seen.
    """

    name: str
    unit: str = ""
    field: str = ""
    difference: bool = False
    note: str = ""


def features_of(
    columns: Mapping[str, Floats], senders: Objects, aside: Iterable[str] = ()
) -> tuple[list[Column], dict[str, str]]:
    """Return which columns are features, and why each other is not.

    Parameters
    ----------
    columns : mapping of str to (n,) float64
        NaN is missing.
    senders : (n,) object
        Who sent each record.
    aside : iterable of str
        Columns that have another role.
    """
    features, left_out = [], {}
    for name, values in columns.items():
        if name in set(aside):
            continue
        why = _called(name) or _holds(values, senders)
        if why:
            left_out[name] = why
        else:
            features.append(_feature(name, values, senders))
    return features, left_out


def names_a_sender(column: str) -> bool:
    """Tell whether a name is that of a sender and of nothing that it measures.

    >>> names_a_sender("Pump_ID"), names_a_sender("pump_pressure"), names_a_sender("sensor_1")
    (True, False, False)
    """
    words = set(words_of(column))
    return bool(words & SENDERS) and words <= SENDERS | NUMBERED


def _called(name: str) -> str:
    """Return why a column is no feature by its name; "" if it may be one."""
    if "${" in name:
        return "a configuration would take ${ for a variable: rename it"
    words = set(words_of(name))
    if words & ANSWERS:
        return "looks like an answer, not like a measurement"
    if words & _ROW_NUMBERS or "id" in words:
        return "looks like a number of the record, not like a measurement"
    return ""


def _holds(values: Floats, senders: Objects) -> str:
    """Return why a column is no feature by what it holds; "" if it may be one."""
    there = ~np.isnan(values)
    present = values[there]
    if len(present) < _RARE * len(values):
        return f"only in {_share(len(present) / len(values))} of the records"
    if len(present) < _FEW:
        return ""
    if (present == present[0]).all():
        return f"always {present[0]:.6g}"
    parts = _parts(values, senders)
    if len(parts) > 1 and all(len(part) >= _FEW and (part == part[0]).all() for part in parts):
        return "always the same for each key"
    steps = [np.diff(part) for part in (*parts, present)]
    if any(len(step) >= _RISES and (step == 1).all() for step in (steps[-1], np.concatenate(steps[:-1]))):
        return "counts the records; record.sequence tells of numbers that are missing"
    return ""


def _feature(name: str, values: Floats, senders: Objects) -> Column:
    present = values[~np.isnan(values)]
    if _is_counter(name, values, senders):
        note = "a counter, as it only grows: its change counts"
        return Column(name, unit_of(name), difference=True, note=note)
    low, high = f"{present.min():.4g}", f"{present.max():.4g}"
    return Column(name, unit_of(name), note=f"seen {low} to {high}" if low != high else f"seen {low}")


def _is_counter(name: str, values: Floats, senders: Objects) -> bool:
    steps = np.concatenate([np.diff(part) for part in _parts(values, senders)])
    if len(steps) < _RISES or (steps < 0).any() or not (steps > 0).any():
        return False
    if set(words_of(name)) & _COUNTERS:
        return True
    whole = (values[~np.isnan(values)] % 1 == 0).all()
    return bool(whole) and len(steps) >= _MANY_RISES and (steps > 0).mean() > 0.5


def _parts(values: Floats, senders: Objects) -> Sequence[Floats]:
    """Return the values of each sender that are there, in their order."""
    there = ~np.isnan(values)
    return [values[there & (senders == sender)] for sender in dict.fromkeys(senders.tolist())]


def _share(part: float) -> str:
    return f"{100 * part:.0f} %" if part >= 0.01 else "few"
