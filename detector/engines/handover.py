"""From the daemon's state file to Spark and back: what was learned, its open alerts and its labels.

The rows are copied byte for byte. The budget of notices is the daemon's for all keys together and Spark's
for each key, so it begins anew on either side.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from detector import dbfile
from detector.durable import make_folder, sync_folder
from detector.engines.keyed import Kept, Keyed, owner, place
from detector.errors import StateError
from detector.labels.book import MOST_ALERTS
from detector.ledger import Ledger
from detector.statedir import StateDir
from detector.store import MODEL_KINDS, Store

_AT_ONCE = 1_000


class Whole(NamedTuple):
    """What belongs to no key: the metric in force, and whether records are learned."""

    metric: bytes
    learning: bool


def write_seed(state_dir: Path, name: str, schema: str, path: Path) -> Whole:
    """Write a Parquet file of each key of a pipeline and what Spark keeps of it.

    Parameters
    ----------
    state_dir : Path
        Of a daemon that is stopped.
    name, schema : str
        Of the pipeline.
    path : Path
        The new file.

    Raises
    ------
    StateError
        There is no such state, it is in use or damaged, or of other features.
    """
    file = state_dir / f"{name}.db"
    if not file.exists():
        known = ", ".join(sorted(one.stem for one in state_dir.glob("*.db"))) or "none"
        raise StateError(f"{state_dir} has no state of the pipeline {name}; it has: {known}")
    with StateDir.open(state_dir):
        ledger = Ledger.open(file)
        try:
            ledger.check()
            if ledger.get("store", b"schema") != schema.encode():
                raise StateError(f"{file} is of other features or another distance than the settings")
            _write(_kept(ledger), path)
            metric, learning = ledger.get("meta", b"metric"), ledger.get("meta", b"learning")
        finally:
            ledger.close()
    return Whole(metric or b"", learning != b"off")


def _kept(ledger: Ledger) -> Iterator[tuple[str, Kept]]:
    """Yield all keys that have a model."""
    open_alerts: dict[str, list[Any]] = {}
    for alert in json.loads(ledger.get("meta", b"open_alerts") or b"[]"):
        open_alerts.setdefault(json.loads(alert)["key"], []).append(alert)
    entries: dict[str, dict[tuple[str, str], bytes]] = {}
    for kind in MODEL_KINDS[1:]:
        for about, data in ledger.scan(kind):
            entries.setdefault(owner(kind, about.decode(), data), {})[kind, about.decode()] = data
    first = b""
    while portion := ledger.scan("row", first, _AT_ONCE):
        for name, row in portion:
            key = name.decode()
            told = json.dumps(open_alerts.get(key, [])).encode()
            yield key, Kept(row, told, b"", entries.get(key, {}))
        first = portion[-1][0] + b"\0"


def _write(keys: Iterator[tuple[str, Kept]], path: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415 - of the extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    schema = pa.schema([("key", pa.string()), ("state", pa.binary())])
    with pq.ParquetWriter(path, schema) as writer:
        while portion := [one for one, _ in zip(keys, range(_AT_ONCE), strict=False)]:
            names, states = zip(*((key, kept.to_bytes()) for key, kept in portion), strict=True)
            writer.write_table(pa.table([names, states], schema=schema))


def write_state(keys: Iterable[tuple[str, bytes]], keyed: Keyed, state_dir: Path) -> tuple[Path, str]:
    """Write what Spark keeps as a state file that the daemon takes up.

    Where the pipeline has a state already, it becomes a snapshot of it, to be put in its place by
    ``kyori snapshot restore``: there the sources go on where they stood.

    Parameters
    ----------
    keys : iterable of (str, bytes)
        Each key, and `Kept.to_bytes`.
    keyed : Keyed
        Of the job.
    state_dir : Path
        The daemon's; made if it is not there.

    Returns
    -------
    path, snapshot
        The file, and the name of the snapshot; "" = it is the state itself.
    """
    pipeline, snapshot = keyed.pipeline("", Kept()), ""
    with StateDir.open(state_dir):
        file = state_dir / f"{pipeline.name}.db"
        if file.exists():
            names = (f"spark-{number}" for number in count(1))
            snapshot = next(name for name in names if not (state_dir / "snapshots" / name).exists())
            file = state_dir / "snapshots" / snapshot / file.name
        draft = file.with_name(file.name + ".new")
        with dbfile.explained(file, "write"):
            make_folder(file.parent, 0o750)
            draft.unlink(missing_ok=True)
            try:
                _fill(Store.open(draft, schema=pipeline.schema), keys, keyed)
                draft.rename(file)
            finally:
                draft.unlink(missing_ok=True)
            sync_folder(file.parent)
    return file, snapshot


def _fill(store: Store, keys: Iterable[tuple[str, bytes]], keyed: Keyed) -> None:
    rows: dict[str, bytes] = {}
    entries: dict[tuple[str, str], bytes | None] = {}
    vectors: list[tuple[int, tuple[str, str], bytes]] = []
    told: list[Any] = []
    try:
        for key, data in keys:
            kept = Kept.from_bytes(data)
            told += json.loads(kept.open_alerts or b"[]")
            if kept.row:
                rows[key] = kept.row
            for about, entry in kept.entries.items():
                if about[0] == "vector":
                    vectors.append((place(entry), about, entry))
                else:
                    entries[about] = entry
            if len(rows) >= _AT_ONCE:
                store.commit(positions={}, rows=rows, alerts=[], entries=entries)
                rows, entries = {}, {}
                vectors = heapq.nlargest(MOST_ALERTS, vectors)
        entries |= {about: entry for _, about, entry in heapq.nlargest(MOST_ALERTS, vectors)}
        meta = {"open_alerts": json.dumps(told).encode(), "learning": b"on" if keyed.learning else b"off"}
        meta |= {"metric": keyed.metric} if keyed.metric else {}
        store.commit(positions={}, rows=rows, alerts=[], meta=meta, entries=entries)
    finally:
        store.close()
