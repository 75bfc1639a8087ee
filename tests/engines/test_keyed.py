"""A key at a time, its state in bytes between two batches, is the pipeline over all keys, bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from detector import codec
from detector.contracts import Batch
from detector.engines import handover
from detector.engines.keyed import Kept, Keyed, place
from detector.errors import CorruptState, StateError
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.statedir import StateDir
from detector.store import Store
from tests.streams import FEATURES, messy, pipeline

SETTINGS = Settings.model_validate(
    {
        "key": "{k}",
        "record": {"features": FEATURES, "time": "ts"},
        "detector": {"mode": "plain", "warmup": 30},
        "alert": {"max_per_minute": None},
    }
)


def of_key(batch: Batch, key: str, first: int, last: int) -> Batch:
    """The records of a key among those from `first` on."""
    at = first + np.flatnonzero(batch.key[first:last] == key)
    columns = {name: column[at] for name, column in batch.columns.items()}
    return Batch(columns, batch.time[at], batch.key[at])


@pytest.mark.parametrize("size", [1, 37, 500])
def test_it_is_the_pipeline_over_all_keys(size: int) -> None:
    batch, whole, keyed = messy(), Pipeline("plant", SETTINGS), Keyed("plant", SETTINGS)
    result = whole.process(batch)
    told: list[str] = []
    for key in ("a", "b", "c"):
        scores, kept = [], Kept()
        for start in range(0, len(batch), size):
            part = of_key(batch, key, start, start + size)
            if len(part):
                _, said, kept = keyed.step(key, Kept.from_bytes(kept.to_bytes()), part)
                scores.append(said.scores.score)
                told += [alert.to_json() for alert in said.alerts]
        of = batch.key[result.used] == key
        assert np.concatenate(scores).tobytes() == result.scores.score[of].tobytes()
        assert kept.records == np.sum(batch.key == key)
        assert np.array_equal(keyed.pipeline(key, kept)._row(key), whole._row(key), equal_nan=True)
    assert sorted(told) == sorted(alert.to_json() for alert in result.alerts)
    assert len(told) > 6


def test_vectors_of_the_newest_alerts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("detector.engines.keyed.MOST_VECTORS", 2)
    keyed, kept = Keyed("plant", SETTINGS), Kept()
    for seed in range(8):
        batch = messy(seed, keys=("a",))
        _, _, kept = keyed.step("a", kept, replace(batch, time=batch.time + 4000.0 * seed))
    places = [place(data) for (kind, _), data in kept.entries.items() if kind == "vector"]
    assert sorted(places) == [kept.alerts // 2 - 1, kept.alerts // 2]
    assert kept.alerts > 6


def test_damage_is_told() -> None:
    data = bytearray(Keyed("plant", SETTINGS).step("a", Kept(), messy(keys=("a",)))[2].to_bytes())
    data[100] ^= 1
    with pytest.raises(CorruptState, match="checksum"):
        Kept.from_bytes(bytes(data))


def daemon_state(folder: Path, whole: Pipeline) -> dict[str, bytes]:
    """Store a pipeline as the daemon does; return its rows as stored."""
    state = whole.state()
    schema = bytes.fromhex(whole.schema)
    meta = {"open_alerts": state.open_alerts, "budget": state.budget, "learning": b"off"}
    rows = {key: codec.encode_row(row, schema) for key, row in state.rows.items()}
    with StateDir.open(folder):
        store = Store.open(folder / "plant.db", schema=whole.schema)
        store.commit(positions={"s": b"12"}, rows=rows, alerts=[], meta=meta, entries=state.entries)
        saved = store.load()
        store.close()
    return saved.rows


def seeded(folder: Path, state_dir: Path) -> tuple[list[tuple[str, bytes]], handover.Whole]:
    import pyarrow.parquet as pq  # noqa: PLC0415

    path = folder / "seed.parquet"
    whole = handover.write_seed(state_dir, "plant", Pipeline("plant", SETTINGS).schema, path)
    table = pq.read_table(path).to_pylist()
    return [(row["key"], row["state"]) for row in table], whole


def test_a_daemons_state_goes_there_and_comes_back(tmp_path: Path) -> None:
    """With labels, open alerts and vectors; what follows is scored the same."""
    batch, whole = messy(n=396), Pipeline("plant", SETTINGS)
    alerts = whole.process(batch).alerts
    for alert, label in zip(alerts[:4], ("real", "false", "normal", "real"), strict=True):
        assert whole.label(alert.id, label) is not None
    assert whole.open_alerts
    rows = daemon_state(tmp_path / "state", whole)
    keys, rest = seeded(tmp_path, tmp_path / "state")
    assert rest == (b"", False)
    path, snapshot = handover.write_state(keys, Keyed("plant", SETTINGS), tmp_path / "back")
    assert (path, snapshot) == (tmp_path / "back" / "plant.db", "")
    store = Store.open(path, schema=whole.schema)
    saved = store.load()
    store.close()
    assert saved.rows == rows
    home = Pipeline("plant", SETTINGS)
    home.restore(
        {key: whole._row(key) for key in saved.rows}, saved.meta["open_alerts"], entries=saved.entries
    )
    assert home.open_alerts == whole.open_alerts
    assert home.book.labels.keys() == whole.book.labels.keys()
    more = messy(seed=5, n=300)
    ours, theirs = whole.process(more), home.process(more)
    assert ours.scores.score.tobytes() == theirs.scores.score.tobytes()
    assert ours.scores.level.tobytes() == theirs.scores.level.tobytes()


def test_where_there_is_a_state_it_becomes_a_snapshot(tmp_path: Path) -> None:
    whole = Pipeline("plant", SETTINGS)
    whole.process(messy())
    daemon_state(tmp_path / "state", whole)
    before = (tmp_path / "state" / "plant.db").read_bytes()
    keys, _ = seeded(tmp_path, tmp_path / "state")
    path, snapshot = handover.write_state(keys, Keyed("plant", SETTINGS), tmp_path / "state")
    assert (path.parent.name, snapshot) == ("spark-1", "spark-1")
    assert (tmp_path / "state" / "plant.db").read_bytes() == before


def test_a_state_of_other_features_is_refused(tmp_path: Path) -> None:
    other = pipeline(["flow", "pressure"])
    with StateDir.open(tmp_path / "state"):
        Store.open(tmp_path / "state" / "plant.db", schema=other.schema).close()
    with pytest.raises(StateError, match="other features"):
        seeded(tmp_path, tmp_path / "state")
    with pytest.raises(StateError, match="no state of the pipeline tank; it has: plant"):
        handover.write_seed(tmp_path / "state", "tank", other.schema, tmp_path / "seed")
