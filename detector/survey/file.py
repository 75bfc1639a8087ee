"""Looks at the first records of a file: which column is the time, which the key, which are features."""

from __future__ import annotations

import glob
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from connectors import sources
from connectors.decode.sniff import Sniffed
from connectors.sniffing import sniff_file
from detector.contracts import Batch, Layout
from detector.errors import EndOfInput, KyoriError
from detector.survey.columns import ANSWERS, Column, features_of, names_a_sender
from detector.survey.draft import Draft, Moment, check_features
from detector.survey.quoting import quoted
from detector.survey.times import find_time
from detector.survey.units import words_of

_ROWS = 5000
_ROWS_PER_KEY = 20
"""A column with fewer records per value is no key: each model would stay too young to judge."""


def survey(file: Path, kind: str, name: str = "") -> Draft:
    """Look at the first records of `file`; `kind` is ``csv``, ``jsonl`` or ``auto``."""
    found = sniff_file(file)
    if found.format == "wav":
        raise KyoriError(f"{file}: a recording; write its configuration after examples/voice/voice.yaml")
    if found.written.question:
        raise KyoriError(f"{file}: {found.written.question} in a configuration of your own")
    how = {"format": kind, **found.written.options}
    texts = [one for one in found.columns if one not in (*found.numbers, *found.labels, found.time)]
    time = Moment(found.time) if found.time else _time(file, how, texts)
    key, models = _key(file, how, [one for one in texts if one != time.field], found.numbers)
    features, left_out = _features(file, how, found, key)
    check_features(str(file), features, left_out)
    whose = f"one model for each; {models} among the records looked at"
    return Draft(
        name=name or name_of(file),
        source=_source_lines(file, how),
        features=features,
        left_out=left_out,
        key=f"{{{key}}}" if key else "",
        key_note=whose if key else "no column names the sender of a record: one model for all",
        time=time,
    )


def name_of(file: Path) -> str:
    """Return a name for the detector.

    >>> name_of(Path("/data/pumps, north.csv.gz"))
    'pumps-north'
    """
    return re.sub(r"[^A-Za-z0-9_-]+", "-", file.name.split(".")[0]).strip("-") or "kyori"


def _features(
    file: Path, how: Mapping[str, str], found: Sniffed, key: str
) -> tuple[list[Column], dict[str, str]]:
    left_out = dict.fromkeys(found.labels, "tells what is an anomaly: an answer, not a measurement")
    batch = _read(file, how, Layout(found.numbers, key=f"{{{key}}}" if key else ""))
    if batch is None:
        return [], left_out
    features, others = features_of(batch.columns, batch.key, aside=[key])
    return features, left_out | others


def _key(file: Path, how: Mapping[str, str], texts: Sequence[str], numbers: Sequence[str]) -> tuple[str, int]:
    """Return the column that tells who sent a record, and how many senders there are.

    A column named like a sender comes first; any other must be text.
    """
    named = [name for name in (*texts, *numbers) if names_a_sender(name)]
    others = [name for name in texts if name not in named and not set(words_of(name)) & ANSWERS]
    for name in named + others:
        keys = _texts(file, how, name)
        senders = set(keys)
        whole = name in texts or all(sender.isdigit() for sender in senders)
        if whole and 2 <= len(senders) <= len(keys) / _ROWS_PER_KEY:
            return name, len(senders)
    return "", 0


def _time(file: Path, how: Mapping[str, str], texts: Sequence[str]) -> Moment:
    found = find_time({name: _texts(file, how, name) for name in texts})
    return found or Moment(note="no column holds a time")


def _texts(file: Path, how: Mapping[str, str], column: str) -> list[str]:
    """Return the column's value in each of the first records."""
    if re.search(r"[{}!:\[\]]", column):
        return []  # no key template could name it
    batch = _read(file, how, Layout(numbers=(), key=f"{{{column}}}"))
    return [] if batch is None else list(batch.key)


def _read(file: Path, how: Mapping[str, str], layout: Layout) -> Batch | None:
    """Return the first records, as the daemon will read them; None where there is none."""
    source = sources.load("file")
    options = source.Options(type="file", paths=[glob.escape(str(file.absolute()))], **how)
    reader = source("init", options, layout)
    try:
        reader.open(b"")
        batch: Batch = reader.read(_ROWS, 0.0)
        return batch
    except EndOfInput:
        return None
    finally:
        reader.close()


def _source_lines(file: Path, how: Mapping[str, str]) -> list[str]:
    lines = ["type: file    # read once, from beginning to end; tail follows a file that grows"]
    lines += [f"{name}: {quoted(value)}" for name, value in how.items() if value != "auto"]
    # A wildcard's character in the name stands for itself.
    return [*lines, f"paths: [{quoted(glob.escape(str(file.absolute())))}]"]
