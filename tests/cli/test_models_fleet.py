"""`kyori models merge`, and `export` and `import` of what models have learned."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from detector import codec
from detector.cli import app
from detector.errors import FleetError, KyoriError
from detector.fleet.giving import shape_of
from detector.fleet.reference import Reference
from detector.pipeline import Pipeline
from detector.registry import load_config
from detector.store import Store
from tests.brokers import Broker, broker, needs_mosquitto
from tests.fleet.help import PLAIN, assert_same, known, learn, of_chart, pipeline, records

__all__ = ["broker"]

X = records(700)


def kyori(*words: object) -> Result:
    return CliRunner().invoke(app, ["models", *map(str, words)])


def state(folder: Path, part: np.ndarray) -> Path:
    """Write a configuration, and the state that its daemon would have left."""
    folder.mkdir()
    config = folder / "config.yaml"
    one = {
        "sources": ["in"], "outputs": ["out"], "key": "{key}",
        "record": {"features": ["a", "b", "c"]}, "detector": PLAIN,
    }  # fmt: skip
    whole = {
        "version": 1, "pipelines": {"p": one}, "sources": {"in": {"type": "stdin"}},
        "outputs": {"out": {"type": "stdout"}},
    }  # fmt: skip
    config.write_text(json.dumps(whole))
    made = Pipeline("p", load_config(config).pipelines["p"])
    learn(made, part)
    (folder / "state").mkdir()
    store = Store.open(folder / "state" / "p.db", schema=made.schema)
    schema = bytes.fromhex(made.schema)
    rows = {key: codec.encode_row(row, schema) for key, row in made.state().rows.items()}
    meta = {"counts": json.dumps({"scored": len(part)}).encode()}
    store.commit(positions={}, rows=rows, alerts=[], meta=meta)
    store.close()
    return config


@pytest.fixture
def units(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    monkeypatch.chdir(tmp_path)
    return state(tmp_path / "a", X[:300]), state(tmp_path / "b", X[300:])


def test_states_and_files_merge_to_what_one_would_have_learned(units: tuple[Path, Path]) -> None:
    a, _ = units
    assert kyori("export", "--reference", "a.reference", "--unit", "a", "--config", a).exit_code == 0
    done = kyori("merge", "a.reference", "b/state", "--output", "all.reference", "--config", a)
    assert done.stdout == "all.reference: 700 records of 2 units, 1 key\n"
    found = Reference.from_bytes(Path("all.reference").read_bytes())
    whole = pipeline()
    learn(whole, X)
    assert_same(of_chart(found), known(whole))
    named = kyori("merge", "a.reference", "--as", "any", "--output", "any.reference")  # no configuration
    assert named.exit_code == 0
    assert list(Reference.from_bytes(Path("any.reference").read_bytes()).charts) == ["any"]


def test_one_state_counts_once(units: tuple[Path, Path]) -> None:
    a, _ = units
    kyori("export", "--reference", "a.reference", "--config", a)
    again = kyori("merge", "a.reference", "a/state", "a/state/p.db", "--output", "c.reference", "--config", a)
    assert "c.reference: 300 records of 1 unit, 1 key" in again.output
    assert "left out: " in again.output
    kyori("merge", "a.reference", "b/state", "--output", "all.reference", "--config", a)
    twice = kyori("merge", "all.reference", "a.reference", "--output", "d.reference")
    assert isinstance(twice.exception, FleetError)
    assert not Path("d.reference").exists()


def test_what_is_imported_begins_new_models_and_is_checked(units: tuple[Path, Path]) -> None:
    a, b = units
    kyori("export", "--reference", "a.reference", "--config", a)
    assert kyori("import", "a.reference", "--config", b).stdout.startswith("imported: 300 records of 1 unit")
    kept = Path("b/state/models/p.reference")
    assert Reference.from_bytes(kept.read_bytes()).records == 300
    Path("b/config.yaml").write_text(Path("b/config.yaml").read_text().replace('"c"]', '"d"]'))
    refused = kyori("import", "a.reference", "--config", b)
    assert isinstance(refused.exception, FleetError)
    assert "other features: a, b, c, not a, b, d" in str(refused.exception)
    for words in (("export",), ("import",), ("export", "0f3a", "x", "--reference", "y")):
        assert isinstance(kyori(*words).exception, KyoriError)
    nothing = kyori("export", "--reference", "k.reference", "--key", "k", "--config", a)
    assert "there is no model of k" in str(nothing.exception)


@needs_mosquitto
def test_over_a_broker(units: tuple[Path, Path], broker: Broker) -> None:
    place = f"{broker.url}/kyori/fleet/p"
    for name, config in zip("ab", units, strict=True):
        assert kyori("export", "--to", place, "--unit", name, "--config", config).exit_code == 0
    done = kyori("import", "--from", place, "--config", units[0])
    assert done.stdout.splitlines()[-1].startswith("imported: 700 records of 2 units, 1 key")
    whole = pipeline()
    learn(whole, X)
    found = Reference.from_bytes(Path("a/state/models/p.reference").read_bytes())
    assert found.shape == shape_of(whole)
    assert_same(of_chart(found), known(whole))
    assert isinstance(kyori("export", "--to", broker.url, "--config", units[0]).exception, KyoriError)
