"""Against scikit-learn and scipy, ties included."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score, roc_auc_score

from detector.study.metrics import average_precision, by_key, overlap, rank_correlation, roc_auc


@pytest.mark.parametrize("levels", [3, 20, 10_000])
@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn_and_scipy(levels: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.random(300) < 0.1 + 0.1 * seed
    score = rng.integers(0, levels, 300) + truth * rng.integers(0, levels, 300) * 0.7
    other = score + rng.integers(0, levels, 300)
    assert roc_auc(truth, score) == pytest.approx(roc_auc_score(truth, score), abs=1e-12)
    assert average_precision(truth, score) == pytest.approx(average_precision_score(truth, score), abs=1e-12)
    assert rank_correlation(score, other) == pytest.approx(spearmanr(score, other).statistic, abs=1e-12)


def test_where_there_is_nothing_to_tell_apart() -> None:
    score = np.arange(4.0)
    for truth in (np.zeros(4, bool), np.ones(4, bool)):
        assert np.isnan(roc_auc(truth, score))
        assert np.isnan(average_precision(truth, score))
    assert np.isnan(rank_correlation(score, np.ones(4)))
    assert np.isnan(overlap(np.zeros(4, bool), np.zeros(4, bool)))


def test_keys_are_judged_by_themselves() -> None:
    """Scores of two models may have other scales: pooled, the second key's normal records would lead."""
    truth = np.array([False, True, False, True])
    score = np.array([1.0, 2.0, 100.0, 200.0])
    key = np.array([0, 0, 1, 1])
    assert roc_auc(truth, score) == 0.75
    assert by_key(roc_auc, key, truth, score, weight=truth.astype(float)) == 1.0


def test_a_key_weighs_as_its_records_and_one_without_a_figure_not_at_all() -> None:
    truth = np.array([True, False, True, True, False, False, False])
    score = np.array([2.0, 1.0, 1.0, 1.0, 2.0, 5.0, 6.0])
    key = np.array([0, 0, 1, 1, 1, 2, 2])
    weight = truth.astype(float)
    assert by_key(roc_auc, key, truth, score, weight=weight) == pytest.approx((1 * 1.0 + 2 * 0.0) / 3)
