"""States of every released version open, and what comes after them has the recorded scores (P44)."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from detector import codec
from detector.store import Store
from tests.daemon.conserved import assert_conserved
from tests.daemon.running import Inside, write_config
from tests.golden.make import FIRST, FORMS, HERE, new, read, score

STATES = sorted(f"{file.parent.name}/{file.stem}" for file in HERE.glob("*/*.db"))


def test_there_are_states_of_every_form() -> None:
    assert {state.split("/")[1] for state in STATES} == set(FORMS)
    assert all(file.stat().st_size < 200_000 for file in HERE.glob("*/*"))


@pytest.mark.parametrize("state", STATES)
def test_the_scores_are_those_recorded(tmp_path: Path, state: str) -> None:
    told = json.loads((HERE / f"{state}.json").read_text())
    pipeline = new(told["settings"])
    store = Store.open(shutil.copy(HERE / f"{state}.db", tmp_path / "p.db"), schema=pipeline.schema)
    assert store.quarantined is None
    saved = store.load()
    store.close()
    assert saved.schema == pipeline.schema
    schema = bytes.fromhex(saved.schema)
    rows = {key: codec.decode_row(data, schema, pipeline.width) for key, data in saved.rows.items()}
    pipeline.restore(rows, saved.meta["open_alerts"], entries=saved.entries)
    found = score(pipeline, read((HERE / state).parent / "records.csv", FIRST))
    assert len(found["score"]) == 200
    assert np.isfinite(told["score"]).all()
    for name, values in found.items():
        np.testing.assert_allclose(values, told[name], rtol=1e-12)


@pytest.mark.parametrize("state", STATES)
def test_the_daemon_goes_on_with_it(tmp_path: Path, state: str) -> None:
    told = json.loads((HERE / f"{state}.json").read_text())
    records = ((HERE / state).parent / "records.csv").read_text().splitlines(keepends=True)
    (tmp_path / "more.csv").write_text("".join([records[0], *records[FIRST + 1 :]]))
    (tmp_path / "state").mkdir()
    shutil.copy(HERE / f"{state}.db", tmp_path / "state" / "p.db")
    source = {"more": {"type": "file", "paths": ["more.csv"]}}
    with Inside(write_config(tmp_path, source, **told["settings"]), once=True) as daemon:
        daemon.stop()
        assert daemon.events("state_loaded")[0]["keys"] == 2
        assert not daemon.events("models_of_other_features")
    assert_conserved(tmp_path / "state", received=len(records) - 1)
