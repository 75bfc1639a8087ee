"""The threshold for a stream of scores: it keeps to its budget, and faults do not teach it silence."""

from __future__ import annotations

import itertools

import numba
import numpy as np
import pytest
from scipy import signal

from detector.row import EXCESS_SIZE
from detector.settings import OpenAfter, Threshold
from detector.verdict import excess
from detector.verdict.rule import Rule, distance_rule, single_rule, student_rule, widening

OPENING = OpenAfter(k=3, n=5)
START = 100


@numba.njit
def judge(state, rule, widen, score, clock, patience, limit):  # type: ignore[no-untyped-def]
    for i in range(score.size):
        limit[i] = excess.limit(state) if i >= START else np.nan
        excess.observe(state, rule, widen, score[i], clock[i], i < START, i + 1.0, patience)


def thresholds(
    score: np.ndarray,
    value: object = "0.1 %",
    *,
    kind: str = "false_alarm_rate",
    rule: Rule | None = None,
    patience: float = 500.0,
    state: np.ndarray | None = None,
    step: float = 1.0,
) -> np.ndarray:
    """The threshold in force at each score; the scores are non-negative, as a distance without theory."""
    threshold = Threshold.model_validate({"kind": kind, "value": value})
    rule = rule or distance_rule(threshold, OPENING, 3, whitened=False)
    limit = np.empty(len(score))
    state = np.zeros(excess.SIZE) if state is None else state
    clock = step * np.arange(len(score))
    judge(state, rule, widening(threshold, 3, root=True), score, clock, patience, limit)
    return limit


def smooth(seed: int, n: int) -> np.ndarray:
    """Scores that move slowly: about 20 records hang together."""
    rng = np.random.default_rng(seed)
    square = signal.lfilter([1.0], [1.0, -0.9], rng.normal(size=(n + 500, 6)), axis=0)[500:] ** 2
    return np.log1p(square).sum(axis=1)


def test_its_state_has_its_place_in_the_row() -> None:
    assert excess.SIZE == EXCESS_SIZE


@pytest.mark.parametrize("share", [0.001, 0.01, 0.05])
@pytest.mark.parametrize("kind", ["smooth", "gamma", "heavy"])
def test_share_of_records(kind: str, share: float) -> None:
    rng = np.random.default_rng(1)
    n = 100_000
    score = {"smooth": smooth(1, n), "gamma": rng.gamma(3.0, size=n), "heavy": rng.pareto(6.0, n)}[kind]
    flagged = (score >= thresholds(score, share))[START:].mean()
    assert share / 2 < flagged < 2 * share


def test_the_independent_rows_are_judged_by_their_root() -> None:
    """A product of two heavy-tailed distances; without the root four times too many are flagged."""
    rng = np.random.default_rng(2)
    score = rng.exponential(size=200_000) * rng.exponential(size=200_000) * rng.exponential(size=200_000)
    threshold = Threshold(value=0.001)
    rule = single_rule(threshold, OPENING, 3)
    flagged = (score >= thresholds(score, rule=rule))[START:].mean()
    unrooted = (score >= thresholds(score, rule=rule._replace(root=0.0)))[START:].mean()
    assert 0.0005 < flagged < 0.002
    assert unrooted > 1.2 * flagged


def runs_opened(score: np.ndarray, limit: np.ndarray) -> int:
    """Alerts that 3 of 5 open and 10 records below 0.8 of the threshold close."""
    alerts, calm, is_open, recent = 0, 0, False, [False] * 5
    for i in range(START, len(score)):
        far = bool(score[i] >= limit[i])
        if is_open:
            calm = calm + 1 if score[i] < 0.8 * limit[i] else 0
            is_open = calm < 10
            continue
        recent = [*recent[1:], far]
        if far and sum(recent) >= 3:
            alerts, calm, is_open, recent = alerts + 1, 0, True, [False] * 5
    return alerts


@pytest.mark.parametrize("step", [1.0, 10.0])
def test_alerts_per_day(step: float) -> None:
    """The same budget a day allows ten times as many alerts a record where records are ten times as rare."""
    n = 200_000
    found = sum(
        runs_opened(score, thresholds(score, "40 per day", step=step))
        for score in (smooth(seed, n) for seed in (3, 4))
    )
    expected = 40 * 2 * n * step / 86400
    assert expected / 2 < found < 2 * expected


def test_of_two_budgets_the_one_that_allows_more_counts() -> None:
    score = smooth(5, 50_000)
    rows, alerts = thresholds(score, "0.1 %"), thresholds(score, "1 per day", step=300.0)
    both = thresholds(score, "0.1 % or 1 per day", step=300.0)
    assert alerts[-1] < rows[-1]
    assert both[-1] == pytest.approx(alerts[-1], rel=0.05)
    at_one_hertz = thresholds(score, "0.1 % or 1 per day")
    assert at_one_hertz[-1] == pytest.approx(rows[-1], rel=0.05)


@pytest.mark.parametrize("size", [6.0, 30.0])
def test_a_fault_cannot_raise_the_threshold_while_it_lasts(size: float) -> None:
    score = smooth(6, 20_000)
    clean = thresholds(score)
    score[10_000:10_450] += size * score.std()
    limit = thresholds(score)
    assert limit[10_449] == pytest.approx(clean[9_999], rel=0.1)
    assert limit[12_000] < 1.35 * clean[12_000]


def test_single_outliers_of_any_size() -> None:
    score = smooth(7, 50_000)
    clean = thresholds(score)
    score[1000::1000] = 10.0 ** np.random.default_rng(7).integers(2, 140, 49)
    limit = thresholds(score)
    assert (score >= limit)[1000::1000].all()
    assert limit[-1] < 1.5 * clean[-1]


def test_an_accepted_level_starts_the_tail_anew() -> None:
    """A level that stays twice as high for good is learned, and the old one leaves no trace."""
    score = np.concatenate([smooth(8, 20_000), 40.0 + smooth(9, 30_000)])
    flagged = score >= thresholds(score, patience=1000.0)
    assert flagged[20_100:20_900].mean() > 0.9
    assert flagged[25_000:].mean() < 0.003
    never = score >= thresholds(score, patience=np.inf)
    assert never[25_000:].mean() > 0.5


def test_young_scores_too_high_are_forgotten() -> None:
    """The first 2,000 scores are up to four times too high: soon after, the threshold is that of the rest."""
    score = smooth(10, 20_000)
    clean = thresholds(score)
    high = score * (1.0 + 3.0 * np.exp(-np.arange(20_000) / 400.0))
    limit = thresholds(high)
    assert (high >= limit)[START:2000].mean() < 0.02
    assert limit[8000] < 1.25 * clean[8000]


def test_a_piece_at_a_time_is_the_same() -> None:
    score = smooth(11, 5000)
    threshold = Threshold.model_validate({"value": "0.1 % or 5 per day"})
    rule = student_rule(threshold, OPENING, 6)
    whole, parts = np.zeros(excess.SIZE), np.zeros(excess.SIZE)
    limits = []
    for saved, cuts in ((whole, [0, 5000]), (parts, [0, 1, 77, 1234, 4999, 5000])):
        state, out = saved, np.empty(0)
        for a, b in itertools.pairwise(cuts):
            piece = np.empty(b - a)
            step(state, rule, np.ones(1), score[a:b].copy(), np.arange(float(a), float(b)), piece)
            state = state.copy()
            out = np.append(out, piece)
        limits.append(out)
    assert np.array_equal(*limits)


@numba.njit
def step(state, rule, widen, score, clock, limit):  # type: ignore[no-untyped-def]
    for i in range(score.size):
        limit[i] = excess.limit(state)
        excess.observe(state, rule, widen, score[i], clock[i], False, 1000.0, 500.0)


def test_p_falls_with_the_score_and_meets_the_budget() -> None:
    score = smooth(12, 50_000)
    state, threshold = np.zeros(excess.SIZE), Threshold(value=0.001)
    limit = thresholds(score, state=state)[-1]
    rule = distance_rule(threshold, OPENING, 3, whitened=False)
    grid = np.linspace(0.0, 5.0 * limit, 200)
    p = np.array([excess.tail_p(state, rule, x) for x in grid])
    assert (np.diff(p) <= 0).all()
    assert p[0] > 0.5
    assert excess.tail_p(state, rule, state[excess.LIMIT]) == pytest.approx(0.001, rel=1e-6)


def test_farthest_and_quantile_and_fixed() -> None:
    score = smooth(13, 50_000)
    assert thresholds(score, 1.0, kind="farthest")[5000] >= score[:START].max()
    assert thresholds(score, 1.5, kind="farthest")[-1] == 1.5 * thresholds(score, 1.0, kind="farthest")[-1]
    flagged = score >= thresholds(score, "5 %", kind="quantile")
    assert 0.04 < flagged[5000:].mean() < 0.06
    assert (thresholds(score, 3.5, kind="fixed")[START:] == 3.5).all()


def test_constant_scores() -> None:
    """Nothing ever moves: nothing is far. What moves then is."""
    score = np.zeros(1000)
    limit = thresholds(score)
    assert not (score >= limit)[START:].any()
    score = np.full(1000, 2.0)
    score[900] = 4.0
    assert np.flatnonzero(score >= thresholds(score)).tolist() == [900]


@pytest.mark.parametrize(("k", "n"), [(1, 1), (3, 5), (8, 8), (25, 50)])
def test_kth_largest(k: int, n: int) -> None:
    state, score = np.zeros(excess.SIZE), np.random.default_rng(14).permutation(30).astype(float)
    rule = distance_rule(Threshold(), OpenAfter(k=k, n=n), 3, whitened=False)
    for i, x in enumerate(score):
        state[excess.RECENT + i % 8] = x
        state[excess.COUNTED] = i + 1.0
        last = sorted(score[max(i + 1 - rule.n, 0) : i + 1])[::-1]
        expected = last[rule.k - 1] if len(last) == rule.n or len(last) >= rule.k else -np.inf
        assert excess.kth_largest(state, rule) == expected


def test_theory_needs_no_scores() -> None:
    """The radius of a model that has scored nothing yet goes by its weight; a budget has none so early."""
    state = np.zeros(excess.SIZE)
    threshold = Threshold(kind="radius", value=0.01)
    rule, widen = distance_rule(threshold, OPENING, 3, whitened=True), widening(threshold, 3, root=True)
    assert excess.in_force(state, rule, widen, 8.0) > 1.5 * excess.in_force(state, rule, widen, 1e6)
    fixed = distance_rule(Threshold(kind="fixed", value=4.0), OPENING, 3, whitened=True)
    assert excess.in_force(state, fixed, np.ones(1), 8.0) == 4.0
    budget = distance_rule(Threshold(), OPENING, 3, whitened=True)
    assert excess.in_force(state, budget, np.ones(1), 8.0) == np.inf
