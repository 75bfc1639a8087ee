"""What is learned: all, all but anomalies, nothing more; and when an anomaly has become the new normal."""

from __future__ import annotations

import numpy as np
import pytest

from detector import row
from tests.models import One

every = pytest.mark.parametrize("distance", ["mahalanobis", "euclidean", "standardized"])


def shifted(n: int, at: int, by: float, until: int | None = None) -> np.ndarray:
    X = np.random.default_rng(0).normal(size=(n, 3))
    X[at:until] += by
    return X


@every
def test_a_long_fault_is_not_learned(distance: str) -> None:
    one = One(3, distance=distance, accept_shift_after=10_000)
    one.run(shifted(1000, 1000, 0.0))
    before = one.mean
    weight = one.weight
    scores = one.run(shifted(2000, 0, 9.0))
    assert scores.anomaly.all()
    assert (one.mean == before).all()
    assert one.weight == weight
    assert not one.run(shifted(500, 500, 0.0)).anomaly[:100].any()


@every
@pytest.mark.parametrize("memory", ["forever", 500])
def test_a_shift_that_stays_is_accepted(distance: str, memory: object) -> None:
    one = One(3, distance=distance, accept_shift_after=100, memory=memory)
    scores = one.run(shifted(6000, 1000, 9.0))
    assert scores.anomaly[1000:1101].all()
    assert scores.anomaly[5500:].mean() < 0.02
    assert one.row[row.HEAD + row.LEARNED] > 1500


@every
def test_a_calm_record_starts_the_count_anew(distance: str) -> None:
    X = shifted(1500, 1000, 9.0)
    X[1000::50] = 0.0  # never more than 49 in a row
    one = One(3, distance=distance, accept_shift_after=60)
    one.run(X)
    assert (abs(one.mean) < 0.2).all()


@every
def test_never_learns_nothing_after_the_warmup(distance: str) -> None:
    one = One(3, distance=distance, learn_from="never", warmup=200)
    X = shifted(1000, 0, 0.0)
    one.run(X[:200])
    before = (one.mean.tolist(), one.weight, one.row[row.HEAD + row.LEARNED])
    one.run(X[200:])
    assert (one.mean.tolist(), one.weight, one.row[row.HEAD + row.LEARNED]) == before


@every
def test_all_learns_anomalies_too(distance: str) -> None:
    one = One(3, distance=distance, learn_from="all")
    one.run(shifted(1000, 500, 9.0))
    np.testing.assert_allclose(one.mean, shifted(1000, 500, 9.0).mean(axis=0))


@every
@pytest.mark.parametrize("warmup", [1, 30, "auto"])
def test_silent_during_the_warmup(distance: str, warmup: object) -> None:
    one = One(3, distance=distance, warmup=warmup)
    scores = one.run(shifted(200, 200, 0.0))
    until = 100 if warmup == "auto" else int(str(warmup))
    assert np.isnan(scores.level[:until]).all()
    assert not scores.anomaly[:until].any()
    assert np.isfinite(scores.level[max(until, 3) :]).all()


@pytest.mark.parametrize("distance", ["mahalanobis", "euclidean"])
def test_what_is_not_learned_does_not_fade(distance: str) -> None:
    """With a half-life in seconds and nothing learned any more, the threshold stays in force.

    Once the scores faded anew with each record by all the time since the last learned one: blind for ever.
    """
    one = One(3, distance=distance, learn_from="never", memory="10m")
    scores = one.run(shifted(5000, 4000, 9.0))
    assert np.isfinite(scores.threshold[200:]).all()
    assert (scores.threshold[200:] < 20).all()
    assert scores.anomaly[4000:].all()


@every
def test_a_pause_of_many_half_lives_neither_alarms_nor_blinds(distance: str) -> None:
    """Once nothing was left of the reference, and the next records were all strangers."""
    X = shifted(1500, 1300, 30.0)
    clock = np.arange(1500.0)
    clock[600:] += 1e6
    anomaly = One(3, distance=distance, memory="10m").run(X, clock).anomaly
    assert not anomaly[600:700].any()
    assert anomaly[1300:].all()


@every
@pytest.mark.parametrize("memory", [1, 2, 5])
def test_the_shortest_memory_keeps_as_many_records_as_it_needs(distance: str, memory: int) -> None:
    """Once a column was never known to a distance with a half-life of one record: every score 0."""
    one = One(3, distance=distance, memory=memory, learn_from="all", threshold={"kind": "radius"})
    scores = one.run(shifted(2000, 1999, 1e4))
    assert scores.anomaly[:1999].mean() < 0.02
    assert scores.anomaly[-1]
