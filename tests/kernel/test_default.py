"""The default detector: its two forms, its hold, its robust start, and what it never learns."""

from __future__ import annotations

import numpy as np
import pytest
from numba.core.runtime import _nrt_python, rtsys

from detector import row
from detector.jit import borrow, jit
from detector.kernel import plan
from tests.models import One


def rows(n: int, d: int = 5, seed: int = 0) -> np.ndarray:
    """Independent records with a covariance."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ np.random.default_rng(99).normal(size=(d, d))


def series(n: int, d: int = 5, seed: int = 0, memory: float = 0.9) -> np.ndarray:
    """Records that hang together: autoregressive, with a covariance."""
    X = rows(n, d, seed)
    for i in range(1, n):
        X[i] = memory * X[i - 1] + np.sqrt(1 - memory**2) * X[i]
    return X


@pytest.mark.parametrize("seed", range(5))
def test_finds_out_the_form_of_the_stream(seed: int) -> None:
    for X, form in ((rows(400, seed=seed), plan.INDEPENDENT), (series(400, seed=seed), plan.AUTO)):
        one = One(5, mode="auto")
        one.run(X)
        assert one.row[row.FORM] == form


@pytest.mark.parametrize(("made", "mode"), [(rows, "iid"), (series, "series")])
def test_once_settled_auto_is_the_form_itself(made: object, mode: str) -> None:
    X = made(1000)  # type: ignore[operator]
    auto, own = One(5, mode="auto"), One(5, mode=mode, parts={"robust_start": 48})
    np.testing.assert_array_equal(auto.run(X).score[250:], own.run(X).score[250:])


def test_a_fault_that_lasts_is_not_learned_and_stays_an_anomaly() -> None:
    X = series(3000)
    X[1500:1900] += 8.0
    scores = One(5, mode="series").run(X)
    assert scores.anomaly[1510:1900].all()
    assert scores.anomaly[2000:].mean() < 0.02
    without = One(5, mode="series", learn_from="all").run(X)
    assert without.score[1800:1900].mean() < 0.8 * scores.score[1800:1900].mean()


@pytest.mark.parametrize("quarantine", [0, 5, 32, 37])
def test_a_record_waits_before_it_is_learned(quarantine: int) -> None:
    """Of two series that differ from record 701 on, what is learned does so when the first has waited.

    It is the turn of every fourth record.
    """
    X = series(800)
    Y = X.copy()
    Y[701:] += 0.01
    one, other = (One(5, mode="series", parts={"quarantine": quarantine}) for _ in range(2))
    for i in range(len(X)):
        one.run(X[i : i + 1])
        other.run(Y[i : i + 1])
        if (one.mean != other.mean).any():
            break
    assert i == -4 * (-(701 + quarantine) // 4)


def test_a_gross_record_is_not_learned_after_it_has_waited() -> None:
    X = series(900)
    Y = X.copy()
    Y[704] += 1e4  # with 32 records to wait, it is its turn
    one, other = (One(5, mode="series", parts={"hold": False}) for _ in range(2))
    one.run(X)
    other.run(Y)
    np.testing.assert_allclose(other.mean, one.mean, atol=0.1)


def test_a_model_of_5_columns_takes_4_kb() -> None:
    assert One(5, mode="auto").rows.nbytes <= 4096


def test_a_shift_that_stays_is_accepted() -> None:
    X = series(6000)
    X[2000:] += 8.0
    scores = One(5, mode="series", accept_shift_after=300).run(X)
    assert scores.anomaly[2010:2250].all()
    assert scores.anomaly[-1000:].mean() < 0.05


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_faults_at_the_start_do_not_blind_it(share: float) -> None:
    """Gross outliers among the first records: later ones of 8 standard deviations are still caught.

    Later ones last five records: what lasts for one is averaged with its neighbours in a series. Negative
    control: without the robust start most of them pass.
    """
    found, blind = [], []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(900, 5))
        dirty = np.flatnonzero(rng.random(48) < share)
        X[dirty] += rng.choice([-1.0, 1.0], size=(len(dirty), 5)) * rng.uniform(20, 60, size=(len(dirty), 1))
        late = (np.arange(150, 900, 150)[:, None] + np.arange(5)).ravel()
        X[late] += 8.0 / np.sqrt(5.0)
        for parts, caught in (({}, found), ({"robust_start": 0}, blind)):
            scores = One(5, mode="series", parts=parts).run(X)
            caught.append(scores.anomaly[late].reshape(-1, 5).any(axis=1).mean())
    assert np.mean(found) >= 0.99
    assert np.mean(blind) < 0.95


def test_the_gate_does_not_lock_itself_out() -> None:
    """From cold at 100 features."""
    scores = One(100, mode="auto").run(rows(3000, 100))
    assert scores.anomaly[300:].mean() < 0.01


def test_an_outlier_alone_is_caught_by_both_forms() -> None:
    for X in (rows(3000), series(3000)):
        X[2500] += 40.0
        scores = One(5, mode="auto").run(X)
        assert scores.anomaly[2500]
        assert scores.anomaly[2600:].mean() < 0.02


@pytest.mark.parametrize("mode", ["auto", "series", "iid"])
def test_frozen_changes_nothing(mode: str) -> None:
    one = One(5, mode=mode)
    one.run(series(500))
    before = one.rows.tobytes()
    X = series(50, seed=1)
    together = one.run(X, frozen=True)
    assert one.rows.tobytes() == before
    alone = np.concatenate([one.run(X[i : i + 1], frozen=True).score for i in range(len(X))])
    assert (alone == together.score).all()


@pytest.mark.parametrize("mode", ["auto", "series", "iid"])
def test_columns_that_say_nothing_or_the_same_do_no_harm(mode: str) -> None:
    X = series(1500, 6)
    X[:, 1] = 3.0
    X[:, 2] = X[:, 0]
    X[:, 3] = np.arange(1500) % 97 == 0
    X[700:720, 4] = np.nan
    scores = One(6, mode=mode).run(X)
    assert np.isfinite(scores.score).all()
    assert (scores.score >= 0).all()
    assert scores.anomaly[400:].mean() < 0.05


@pytest.mark.parametrize("mode", ["auto", "series", "iid"])
def test_units_do_not_matter(mode: str) -> None:
    X = series(1000)
    scale = np.array([1e-6, 1.0, 1e3, 1e6, 1e9])
    np.testing.assert_allclose(
        One(5, mode=mode).run(X * scale).score, One(5, mode=mode).run(X).score, rtol=1e-6, atol=1e-9
    )


def test_shares_sum_to_one_and_name_the_column() -> None:
    X = series(1000)
    X[900:905, 3] += 60.0
    scores = One(5, mode="series").run(X, explain=np.arange(1000) >= 500)
    np.testing.assert_allclose(scores.shares[500:].sum(axis=1), 1.0, rtol=1e-6)
    assert (np.argmax(scores.shares[901:905], axis=1) == 3).all()
    assert (abs(scores.values[904] - X[904]) < 30).all()


@pytest.mark.parametrize("mode", ["iid", "series"])
def test_a_value_beyond_all_squares_is_far_out(mode: str) -> None:
    """Its leverage is worked out without the square, which is infinite: it must not count as usual."""
    X = rows(600) if mode == "iid" else series(600)
    X[500] = 1e200
    scores = One(5, mode=mode).run(X)
    assert np.isfinite(scores.score).all()
    assert scores.anomaly[500]


def test_the_loop_frees_what_it_allocates() -> None:
    """Functions that count no references must not be handed an array: it would stay for ever."""

    def in_use() -> int:
        stats = rtsys.get_allocation_stats()
        return int(stats.mi_alloc - stats.mi_free)

    X = series(700)
    X[20:30] += 40.0  # a robust start
    X[np.random.default_rng(0).random(X.shape) < 0.1] = np.nan
    X[500:520] += 9.0  # reasons
    returns = jit()(lambda: np.empty(3))
    loses = borrow()(lambda: returns().size)
    _nrt_python.memsys_enable_stats()
    try:
        before = in_use()
        for mode in ("auto", "iid"):
            one = One(5, mode=mode)
            one.run(X)
            one.run(X[:50], frozen=True)
        assert in_use() == before
        assert loses() == 3
        assert in_use() == before + 1  # negative control
    finally:
        _nrt_python.memsys_disable_stats()
