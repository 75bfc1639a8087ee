"""No detector may see a row before it has scored it, and ours is what the product gives."""

import csv
from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import bundled, ours, peers, simple
from benchmarks.accuracy.data import Series, make
from detector import scoring
from detector.demo.run import examples


def stream(n: int = 300, warm: int = 60) -> Series:
    X = np.random.default_rng(1).normal(size=(n, 3)).cumsum(axis=0)
    return make("asd", "a", X, np.arange(n) > n // 2, warm)


def test_ours_is_what_kyori_score_writes(tmp_path: Path):
    (server,) = bundled.load("server")
    output = tmp_path / "scores.csv"
    scoring.score(
        scoring.prepare(str(examples() / "asd" / "omi-2.csv"), None, None, None, None, None), output
    )
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    result = ours.run(server)
    np.testing.assert_allclose(result.score, [float(row["score"]) for row in rows], rtol=1e-5)
    assert result.anomaly is not None
    assert result.anomaly.tolist() == [row["anomaly"] in ("1", "true", "True") for row in rows]
    assert result.anomaly.any()


def test_rows_in_alert_begin_where_alerts_open():
    (server,) = bundled.load("server")
    result = ours.run(server)
    assert result.in_alert is not None
    assert result.opened is not None
    begins = np.flatnonzero(np.diff(np.concatenate([[0], result.in_alert.astype(int)])) == 1)
    assert len(result.opened) > 0
    assert set(begins) <= set(result.opened.tolist())


WINDOWED = peers.ByWindow(
    "sklearn", "sklearn.ensemble", "IsolationForest", {"random_state": 0, "n_estimators": 5}
)
RUNS = {
    "maxz": simple.RUNS["maxz"],
    "maxz-hold": simple.RUNS["maxz-hold"],
    "ours": ours.run,
    "river": lambda series: peers.run(peers.PEERS["river OneClassSVM"], series, 0),
    "windowed": lambda series: peers.run(WINDOWED, series, 0),
}


@pytest.mark.parametrize("name", RUNS)
def test_scores_do_not_depend_on_what_comes_later(name: str):
    whole = stream()
    changed = make("asd", "a", whole.X.copy(), whole.y, whole.warm)
    changed.X[200:] += 50.0
    before, after = RUNS[name](whole).score, RUNS[name](changed).score
    np.testing.assert_array_equal(before[:200], after[:200])
    assert (before[200:] != after[200:]).any()


def test_a_peer_learns_late_but_in_order_and_the_first_rows_at_once():
    seen: list[str] = []

    def make_spy(start: np.ndarray) -> peers.Made:
        assert len(start) == 2
        return (
            lambda row: seen.append(f"score {row[0]:.0f}") or 0.0,
            lambda row: seen.append(f"learn {row[0]:.0f}"),
        )

    X = np.arange(5.0)[:, None]
    peers.ByRecord("none", make_spy, scaled=False).scores(make("asd", "a", X, X[:, 0] > 3, 2), delay=2)
    learn_at_once = ["learn 0", "score 1", "learn 1"]  # the first row has nothing to be scored by
    assert seen == [*learn_at_once, "score 2", "score 3", "score 4", "learn 2"]


def test_the_hold_does_not_learn_a_long_fault():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1_500, 2))
    X[800:1_200] += 6.0
    fault = make("asd", "a", X, np.arange(1_500) >= 800, 400)
    held, plain = simple.RUNS["maxz-hold"](fault).score, simple.RUNS["maxz"](fault).score
    late = slice(1_100, 1_200)
    assert np.median(held[late]) > 3 * np.quantile(held[500:800], 0.9)
    assert np.median(plain[late]) < 3 * np.quantile(plain[500:800], 0.9)
