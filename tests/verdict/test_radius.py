"""The F radius: as many false alarms as asked for, however few records the model has."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from detector.verdict.radius import f_radius, f_tail, grid_place
from tests.models import One


def flagged_share(
    d: int, n: int, models: int, *, shrink: str = "off", per_model: int = 200
) -> tuple[float, float]:
    """Share of normal records beyond the 1 % radius of models that learned n, and its standard error."""
    rng = np.random.default_rng(n)
    shares = np.empty(models)
    one = One(
        d,
        mode="plain",
        learn_from="all",
        warmup=1,
        covariance={"shrink": shrink, "floor": 0.0},
        threshold={"kind": "radius", "value": "1 %"},
    )
    for i in range(models):
        one.rows[0] = one.model.fresh()
        one.run(rng.normal(size=(n, d)))
        shares[i] = one.run(rng.normal(size=(per_model, d)), frozen=True).anomaly.mean()
    return float(shares.mean()), float(shares.std(ddof=1) / np.sqrt(models))


@pytest.mark.parametrize("extra", [30, 100])
@pytest.mark.parametrize("d", [3, 6])
def test_false_alarms_of_small_models(d: int, extra: int) -> None:
    share, error = flagged_share(d, d + extra, 2000)
    assert abs(share - 0.01) < 4 * error, (share, error)


@pytest.mark.parametrize("n", [25, 100])
def test_the_prior_never_adds_false_alarms(n: int) -> None:
    share, error = flagged_share(5, n, 300, shrink="auto")
    print(f"shrink auto, d = 5, n = {n}: {share:.3%} ± {error:.3%} at nominal 1 %")  # noqa: T201
    assert share < 0.01 + 4 * error


@pytest.mark.parametrize("rate", [0.05, 0.001, 1e-6])
@pytest.mark.parametrize("d", [1, 3, 20])
def test_tail_inverts_radius(d: int, rate: float) -> None:
    table = f_radius(d, rate)
    for k in range(1, d + 1):
        n = np.arange(k + 1.0, 256.0)
        places = np.array([grid_place(one) for one in n])
        np.testing.assert_allclose(f_tail(table[k, places], np.full(len(n), k), n), rate, rtol=1e-6)


def test_goes_to_chi_square() -> None:
    assert f_radius(4, 0.01)[4, grid_place(1e9)] == pytest.approx(stats.chi2.isf(0.01, 4), rel=1e-6)


def test_between_the_places_of_the_grid_it_errs_outwards() -> None:
    table = f_radius(3, 0.01)[3]
    n = np.geomspace(5, 1e6, 500)
    exact = 3 * (n + 1) / (n - 3) * stats.f.isf(0.01, 3, n - 3)
    found = np.array([table[grid_place(one)] for one in n])
    assert (found >= exact * (1 - 1e-9)).all()
    assert (found[n > 100] <= exact[n > 100] * 1.01).all()


def test_without_enough_records_nothing_is_beyond_the_radius() -> None:
    assert np.isfinite(f_radius(5, 0.001)[1:]).all()


@pytest.mark.parametrize("memory", [20, 100])
def test_with_forgetting_the_weight_counts(memory: int) -> None:
    """The radius goes by W, which forgetting bounds: as many false alarms as asked for, or fewer."""
    rng = np.random.default_rng(3)
    one = One(4, mode="plain", learn_from="all", memory=memory, threshold={"kind": "radius", "value": "1 %"})
    assert one.run(rng.normal(size=(50_000, 4))).anomaly.mean() < 0.015
