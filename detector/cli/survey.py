"""Looks at the first records of a file: which column is the time, which the key, which are features."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from connectors import sources
from connectors.sniffing import sniff_file
from detector.contracts import Layout
from detector.errors import EndOfInput, KyoriError

_ROWS = 5000
_ROWS_PER_KEY = 20
"""A column with fewer records per value is no key: each model would stay too young to judge."""

_SENDERS = {
    *("asset", "device", "equipment", "host", "hostname", "id", "line", "machine", "node", "plant", "pump"),
    *("sensor", "server", "site", "station", "tag", "turbine", "unit", "vehicle", "well"),
}
_ANSWERS = {"anomaly", "changepoint", "class", "fault", "label", "outlier", "state", "status", "target"}
_NUMBERED = {"code", "name", "no", "nr", "num", "number"}
_COUNTERS = {"index", "no", "nr", "num", "row", "seq", "unnamed"}


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found in a file.

    Attributes
    ----------
    path : str
        Absolute, and such that a wildcard's character stands for itself.
    name : str
        A name for the detector.
    format : str
        ``csv`` or ``jsonl`` where it was given, else ``auto``.
    features : list of str
        Numeric columns.
    left_out : dict of str to str
        Numeric columns that are no features, and why.
    time, key : str or None
        Columns.
    written : dict of str to str
        What the source must be told of how the file is written.
    models : int
        Different values of the key among the records looked at.
    """

    path: str
    name: str
    format: str
    features: list[str]
    left_out: dict[str, str] = field(default_factory=dict)
    time: str | None = None
    key: str | None = None
    models: int = 0
    written: dict[str, str] = field(default_factory=dict)


def survey(file: Path, kind: str) -> Survey:
    """Look at the first records of `file`; `kind` is ``csv``, ``jsonl`` or ``auto``."""
    found = sniff_file(file)
    if found.format == "wav":
        raise KyoriError(f"{file}: a recording; write its configuration after examples/voice/voice.yaml")
    if found.written.question:
        raise KyoriError(f"{file}: {found.written.question} in a configuration of your own")
    texts = [name for name in found.columns if name not in (*found.numbers, *found.labels, found.time)]
    key, models = _key(file, {"format": kind, **found.written.options}, texts, found.numbers)
    left_out = dict.fromkeys(found.labels, "tells what is an anomaly: an answer, not a measurement")
    features = []
    for name in found.numbers:
        words = _words(name)
        if words & _ANSWERS:
            left_out[name] = "looks like an answer, not like a measurement"
        elif words & _COUNTERS or "id" in words:
            left_out[name] = "looks like a number of the record, not like a measurement"
        elif name != key:
            features.append(name)
    if not features:
        raise KyoriError(f"{file}: no numeric column was found in its first records")
    return Survey(
        path=glob.escape(str(file.absolute())),
        name=re.sub(r"[^A-Za-z0-9_-]+", "-", file.name.split(".")[0]).strip("-") or "kyori",
        format=kind,
        features=features,
        left_out=left_out,
        time=found.time,
        key=key,
        models=models,
        written=found.written.options,
    )


def _key(
    file: Path, how: Mapping[str, str], texts: Sequence[str], numbers: Sequence[str]
) -> tuple[str | None, int]:
    """Return the column that tells who sent a record, and how many senders there are.

    A column named like a sender comes first; any other must be text.
    """
    named = [name for name in (*texts, *numbers) if _names_a_sender(name)]
    others = [name for name in texts if name not in named and not _words(name) & _ANSWERS]
    for name in named + others:
        keys = _keys(file, how, name)
        senders = set(keys)
        whole = name in texts or all(sender.isdigit() for sender in senders)
        if whole and 2 <= len(senders) <= len(keys) / _ROWS_PER_KEY:
            return name, len(senders)
    return None, 0


def _keys(file: Path, how: Mapping[str, str], column: str) -> list[str]:
    """Return the column's value in each of the first records."""
    if re.search(r"[{}!:\[\]]", column):
        return []  # no key template could name it
    source = sources.load("file")
    options = source.Options(type="file", paths=[glob.escape(str(file.absolute()))], **how)
    reader = source("init", options, Layout(numbers=(), key=f"{{{column}}}"))
    try:
        reader.open(b"")
        return list(reader.read(_ROWS, 0.0).key)
    except EndOfInput:
        return []
    finally:
        reader.close()


def _names_a_sender(column: str) -> bool:
    """Tell whether a name is that of a sender and of nothing that it measures.

    >>> _names_a_sender("Pump_ID"), _names_a_sender("pump_pressure"), _names_a_sender("sensor_1")
    (True, False, False)
    """
    words = _words(column)
    return bool(words & _SENDERS) and words <= _SENDERS | _NUMBERED


def _words(name: str) -> set[str]:
    """Return the words that a column's name is made of.

    >>> sorted(_words("Pump_ID")), sorted(_words("machineId"))
    (['id', 'pump'], ['id', 'machine'])
    """
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return {word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word}
