"""What `kyori features` says of columns whose nature is known, and that it is silent about good ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detector.study.columns import centred, describe, robust_sd, runs, step
from detector.study.redundancy import redundancy
from tests.study.help import faulty, run, run_json, write_csv

N = 4000
ONE = np.zeros(N, np.int64)


@pytest.fixture(name="rng")
def made() -> np.random.Generator:
    return np.random.default_rng(11)


def test_noise_and_memory_tell_white_from_slow(rng: np.random.Generator) -> None:
    white = rng.normal(size=N)
    slow = np.zeros(N)
    for i in range(1, N):
        slow[i] = 0.9 * slow[i - 1] + rng.normal()
    one, other = describe("w", white, ONE, None), describe("s", slow, ONE, None)
    assert one.noise == pytest.approx(1.0, abs=0.1)
    assert one.memory == pytest.approx(0.0, abs=0.05)
    assert other.noise == pytest.approx(np.sqrt(1 - 0.9), abs=0.05)  # sd of the changes / √2 = √(1 − φ) sd
    assert other.memory == pytest.approx(0.9, abs=0.03)
    assert robust_sd(white) == pytest.approx(1.0, abs=0.05)


def test_wild_values_change_neither_noise_nor_memory_nor_correlation(rng: np.random.Generator) -> None:
    X = rng.normal(size=(N, 2)) @ np.array([[1.0, 0.8], [0.0, 0.6]])
    dirty = X.copy()
    dirty[rng.choice(N, 20, replace=False), 0] = 1e6
    before, after = (describe("x", np.ascontiguousarray(Y[:, 0]), ONE, None) for Y in (X, dirty))
    assert after.noise == pytest.approx(before.noise, abs=0.02)
    assert after.memory == pytest.approx(before.memory, abs=0.05)
    assert after.outliers == pytest.approx(20 / N)
    assert redundancy(dirty, ONE).correlation[0, 1] == pytest.approx(0.8, abs=0.05)
    assert abs(np.corrcoef(dirty.T)[0, 1]) < 0.2  # what a plain correlation would have made of it


@pytest.mark.parametrize(
    ("values", "expected"),
    [([0.0, 5.0, 15.0], 5.0), ([20.1, 20.3, 20.4], 0.1), ([1.0, 1.0], np.nan), ([], np.nan),
     ([0.0, 0.3277, 0.9831], 0.3277), ([1e9, 1e9 + 0.5], np.nan), ([0.0, 1.0, np.sqrt(2)], np.nan)],
)  # fmt: skip
def test_step(values: list[float], expected: float) -> None:
    assert step(np.array(values)) == pytest.approx(expected, nan_ok=True)


def test_runs_end_where_the_key_does() -> None:
    starts, lengths = runs(np.array([1.0, 1.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    assert (starts.tolist(), lengths.tolist()) == ([0, 2, 3], [2, 1, 1])


def test_a_stuck_stretch_is_found_where_it_is(rng: np.random.Generator) -> None:
    values = np.round(rng.normal(size=N), 2)
    assert describe("x", values, ONE, None).stuck == 0
    values[700:760] = 1.25
    found = describe("x", values, ONE, None)
    assert (found.stuck, found.longest_run, found.longest_at) == (1, 60, 700)
    rarely = np.repeat(rng.normal(size=N // 40), 40)  # a column that always stands for 40 records is no fault
    assert describe("x", rarely, ONE, None).stuck == 0


def test_keys_are_looked_at_by_themselves(rng: np.random.Generator) -> None:
    """Two machines on different levels: pooled, their columns would seem to move together."""
    key = np.arange(N) % 2
    X = rng.normal(size=(N, 2)) + 100.0 * key[:, None]
    assert abs(redundancy(X, key).correlation[0, 1]) < 0.1
    assert redundancy(X, ONE).correlation[0, 1] > 0.9
    assert describe("x", np.ascontiguousarray(X[:, 0]), key, None).sd == pytest.approx(1.0, abs=0.1)
    assert centred(np.array([1.0, 10.0, np.nan, 30.0]), np.array([0, 1, 1, 1]))[[0, 1, 3]].tolist() == [
        0, -10, 10,
    ]  # fmt: skip


def test_inflation_rank_and_condition_are_those_of_the_textbook(rng: np.random.Generator) -> None:
    X = rng.normal(size=(N, 4))
    free = redundancy(X, ONE)
    assert free.inflation == pytest.approx(np.ones(4), abs=0.02)
    assert free.rank == pytest.approx(4.0, abs=0.02)
    assert free.condition < 1.5
    X[:, 3] = X[:, 0] + X[:, 1] + 0.2 * X[:, 3]
    tied = redundancy(X, ONE)
    R = np.corrcoef(X[:, :3].T)
    r = tied.correlation[3, :3]
    assert tied.inflation[3] == pytest.approx(1 / (1 - r @ np.linalg.solve(R, r)), rel=0.2)
    assert np.argmax(tied.inflation) == 3
    X[:, 3] = 2 * X[:, 0] - 7
    copied = redundancy(X, ONE)
    assert copied.rank < 3.5
    assert np.isinf(copied.inflation[[0, 3]]).all()
    assert copied.inflation[[1, 2]] == pytest.approx([1, 1], abs=0.02)
    assert np.isinf(copied.condition)


def test_auc_says_on_which_side_the_anomalies_lie(rng: np.random.Generator) -> None:
    truth = np.arange(N) % 20 == 0
    for side, moved in (("above", 3.0), ("below", -3.0), ("both", 3.0 * np.where(np.arange(N) % 40, 1, -1))):
        values = rng.normal(size=N) + truth * moved
        found = describe("x", values, ONE, truth)
        assert found.side == side
        assert found.auc > 0.9
    assert describe("x", rng.normal(size=N), ONE, truth).auc < 0.6


def history(path: Path, rng: np.random.Generator) -> Path:
    flow = rng.normal(size=N)
    columns = {
        "flow": flow,
        "flow_2": flow + 0.01 * rng.normal(size=N),
        "fixed": np.full(N, 7.0),
        "total": np.cumsum(rng.random(N)),
        "loud": 1e5 * rng.normal(size=N),
        "gaps": np.where(rng.random(N) < 0.4, np.nan, rng.normal(size=N)),
        "good": np.tile(rng.normal(size=N), 1),
    }
    rows = [",".join(f"{values[i]:.4f}" for values in columns.values()) for i in range(N)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return path


def test_advice_names_what_is_wrong_and_leaves_the_good_alone(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    said = run_json("features", history(tmp_path / "h.csv", rng))["advice"]
    for expected in (
        "flow and flow_2 say the same (r = 1.000): keep one",
        "fixed never changes: leave it out",
        "total only ever rises, as a counter does: write {name: total, difference: true}",
        "gaps is missing in 40 % of the records",
    ):
        assert any(expected in line for line in said), expected
    assert any(line.startswith("loud has 100 % of the variance") for line in said)
    assert not any("good" in line for line in said)


def test_clean_columns_get_no_advice(tmp_path: Path, rng: np.random.Generator) -> None:
    said = run_json("features", write_csv(tmp_path / "a.csv", rng.normal(size=(500, 3))))["advice"]
    assert said == ["nothing stands out: every column varies, and none repeats another"]


def test_the_table_and_the_json_say_the_same(tmp_path: Path) -> None:
    X, truth = faulty()
    file = write_csv(tmp_path / "a.csv", X, truth)
    shown = run("features", file, "--labels", "fault")
    found = run_json("features", file, "--labels", "fault")
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line.startswith("x")}
    assert list(lines) == [column["name"] for column in found["columns"]] == ["x0", "x1", "x2", "x3"]
    for column in found["columns"]:
        assert lines[column["name"]][-2:] == [f"{column['auc']:.3f}".removeprefix("0"), column["side"]]
    assert "\x1b" not in shown
    assert found["columns"][0]["auc"] > 0.8
    assert [pair["columns"] for pair in found["pairs"]] == [["x1", "x2"]]  # x0 leaves them now and then
    json.dumps(found, allow_nan=False)


def test_only_one_record_and_no_number_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    assert run_json("features", tmp_path / "a.csv")["columns"][0]["distinct"] == 1
    (tmp_path / "b.csv").write_text("a,b\nu,x\nv,y\n")
    (column,) = run_json("features", tmp_path / "b.csv", "--features", "a")["columns"]
    assert (column["missing"], column["distinct"]) == (1.0, 0)
