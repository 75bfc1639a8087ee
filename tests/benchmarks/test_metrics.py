import numpy as np
import pytest

from benchmarks.accuracy.metrics import Counts, ranking, smooth


def test_ranking_by_hand():
    y = np.array([False, True, False, True])
    # Pairs in order: 3 of 4. Precision at the two anomalies: 1/1 and 2/3.
    auc, ap = ranking(np.array([1.0, 4.0, 3.0, 2.0]), y)
    assert auc == pytest.approx(0.75)
    assert ap == pytest.approx((1 + 2 / 3) / 2)
    assert ranking(np.zeros(4), y) == (0.5, 0.5)


def test_files_of_one_label_cannot_be_ranked():
    assert np.isnan(ranking(np.arange(3.0), np.zeros(3, bool))).all()
    assert np.isnan(ranking(np.arange(3.0), np.ones(3, bool))).all()


def test_smoothing_by_hand_and_of_the_past_only():
    score = np.random.default_rng(0).exponential(size=50)
    expected = [score[0]]
    for one in score[1:]:
        expected.append(expected[-1] + 2 / 11 * (one - expected[-1]))
    np.testing.assert_allclose(smooth(score, 10), expected)
    np.testing.assert_allclose(smooth(score, 1), score)
    np.testing.assert_array_equal(smooth(score[:20], 10), smooth(score, 10)[:20])


def test_verdicts_by_hand():
    counts = Counts.of(np.array([1, 1, 1, 0, 0], bool), np.array([1, 1, 0, 1, 0], bool))
    assert counts == Counts(tp=2, fp=1, fn=1, tn=1)
    assert (counts.f1, counts.far, counts.mar) == pytest.approx((4 / 6, 1 / 2, 1 / 3))
    assert counts + counts == Counts(4, 2, 2, 2)
