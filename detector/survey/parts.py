"""Numbers that come each to a topic of its own: which level says what they measure, what goes together."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from detector.survey.records import Record
from detector.survey.units import unit_of, words_of

_MEASURED = {
    *("acceleration", "co2", "conductivity", "current", "density", "distance", "energy", "flow", "force"),
    *("frequency", "humidity", "illuminance", "level", "light", "load", "moisture", "noise", "ph", "power"),
    *("position", "pressure", "rain", "rpm", "speed", "temp", "temperature", "torque", "vibration", "voc"),
    *("voltage", "volume", "weight", "wind"),
}
_PERIODS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)
_OF_PERIOD = 0.6
"""Parts are waited for well within the time until the next values."""
_UNKNOWN_S = 30.0


def measured_by(names: Sequence[str], records: Sequence[Record]) -> str:
    """Return the label that says what a number measures; "" where each topic is a sender of its own.

    It is the last one, if most of what it stands for is called as a measurement, or comes below several.
    """
    if not names or not all("value" in record.fields for record in records):
        return ""
    last = names[-1]
    devices: dict[str, set[tuple[str, ...]]] = {}
    for record in records:
        others = tuple(record.labels[name] for name in names[:-1])
        devices.setdefault(record.labels[last], set()).add(others)
    if len(devices) < 2:
        return ""
    called = sum(bool(set(words_of(one)) & _MEASURED or unit_of(one)) for one in devices)
    again = sum(len(those) > 1 for those in devices.values())
    return last if 2 * max(called, again) >= len(devices) else ""


def joined(records: Sequence[Record], label: str) -> list[Record]:
    """Return records of all that a sender tells: one is complete when something comes again."""
    waiting: dict[tuple[str, ...], Record] = {}
    made = []
    for record in records:
        labels = {name: text for name, text in record.labels.items() if name != label}
        name = record.labels[label]
        rest = {field: value for field, value in record.fields.items() if field != "value"}
        sender = tuple(labels.values())
        if sender in waiting and name in waiting[sender].fields:
            made.append(waiting.pop(sender))
        whole = waiting.setdefault(sender, Record(record.topic, labels, record.at, {}))
        whole.fields.update(rest | {name: record.fields["value"]})
    return [*made, *waiting.values()]


def within(records: Sequence[Record]) -> str:
    """Return how long to wait for the parts of a record: less than the time between two values of a topic."""
    last: dict[str, float] = {}
    gaps = []
    for record in records:
        if record.topic in last:
            gaps.append(record.at - last[record.topic])
        last[record.topic] = record.at
    longest = _OF_PERIOD * statistics.median(gaps) if gaps else _UNKNOWN_S
    seconds = max((one for one in _PERIODS if one <= longest), default=_PERIODS[0])
    return f"{1000 * seconds:.0f}ms" if seconds < 1 else f"{seconds:.0f}s"
