"""The default detector for a single column: what it sees, what it learns, and what cannot blind it."""

from __future__ import annotations

import numpy as np
import pytest

from detector.kernel import univariate
from detector.reference import season
from detector.settings import Pipeline as Settings
from tests.models import One

STEP = 300.0  # seconds


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def walk(n: int, seed: int = 0) -> np.ndarray:
    return np.cumsum(noise(n, seed))


def days(n: int, seed: int = 0) -> np.ndarray:
    """A load with a daily course, much larger than its noise."""
    angle = 2 * np.pi * STEP * np.arange(n) / 86400.0
    return 50 + 10 * np.sin(angle) + 4 * np.cos(2 * angle) + noise(n, seed)


def clock(n: int) -> np.ndarray:
    return 1.7e9 + STEP * np.arange(n)


def level(x: np.ndarray, **settings: object) -> np.ndarray:
    return One(1, mode="auto", **settings).run(x[:, None], clock(len(x))).level


@pytest.mark.parametrize("made", [noise, walk, days])
def test_a_spike_is_seen(made: object) -> None:
    x = made(6000)  # type: ignore[operator]
    x[5000] += 12 * np.std(np.diff(x))
    assert level(x)[5000] >= 1.0


@pytest.mark.parametrize("made", [noise, days])
def test_a_slow_departure_is_seen(made: object) -> None:
    x = made(6000)  # type: ignore[operator]
    clean = np.nanmax(level(x)[5000:5200])
    x[5000:5200] += np.linspace(0, 12, 200)
    assert np.nanmax(level(x)[5000:5200]) > max(1.0, clean)


def test_the_season_is_learned_and_switched_off() -> None:
    x = days(12 * 288)
    dip = slice(11 * 288 + 40, 11 * 288 + 190)
    x[dip] -= 9.0 * np.sin(np.linspace(0, np.pi, 150))  # slow, and no value that is rare by itself
    assert np.nanmax(level(x)[dip]) >= 1.0
    assert np.nanmax(level(x, parts={"season": False})[dip]) < 0.5


def test_the_scale_of_the_values_does_not_matter() -> None:
    x = days(3000)
    for scaled in (x * 1e-12, x * 1e12, x + 2**30):
        np.testing.assert_allclose(level(scaled)[200:], level(x)[200:], rtol=1e-4)


@pytest.mark.parametrize(
    ("glitch", "at", "start"),
    [
        *((glitch, at, 48) for glitch in (1e9, -1e9, 1e200, -1e308) for at in (0, 3, 30, 2000)),
        (1e200, 0, 0),
        (-1e308, 0, 0),
    ],
)
def test_a_glitch_does_not_blind_it(glitch: float, at: int, start: int) -> None:
    x = noise(4000) + 20
    x[at] = glitch
    x[3900] += 10.0
    one = One(1, mode="auto", parts={"robust_start": start})
    scores = one.run(x[:, None], clock(len(x)))
    assert np.isfinite(scores.score).all()
    charts = one.row[univariate.ORIGIN : univariate.START]
    assert np.isfinite(charts).all()
    assert (
        charts[univariate.CHARTS - univariate.ORIGIN + univariate.BLOCKS :: univariate.CHART][:3] > 0
    ).all()
    assert scores.anomaly[3900]
    assert scores.anomaly[3000:3900].mean() < 0.01


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_faults_in_the_start_do_not_hide_later_ones(share: float) -> None:
    found, found_without, later = 0, 0, slice(350, 1100, 150)
    for seed in range(40):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=1100)
        x[:48][rng.random(48) < share] += 50.0
        x[later] += 8.0 * rng.choice([-1.0, 1.0], 5)
        found += np.count_nonzero(level(x)[later] >= 1.0)
        found_without += np.count_nonzero(level(x, parts={"robust_start": 0})[later] >= 1.0)
    assert found >= 0.8 * 200  # each one makes the next a little more usual
    assert found_without < 0.5 * found


def test_a_new_level_is_accepted() -> None:
    x = noise(6000)
    x[2000:] += 1000.0
    assert level(x)[2000] >= 1.0
    assert (level(x)[4000:] >= 1.0).mean() < 0.01


def test_a_constant_column_that_moves_is_an_anomaly() -> None:
    x = np.full(1000, 7.0)
    x[800] = 7.001
    scores = One(1, mode="auto").run(x[:, None])
    assert scores.anomaly[800]
    assert not scores.anomaly[:800].any()


def test_nothing_is_learned_after_the_warmup_if_so_said() -> None:
    one = One(1, mode="auto", learn_from="never", warmup=500)
    one.run(noise(500)[:, None])
    before = one.row.copy()
    one.run(noise(500, 1)[:, None] + 3.0)
    learned = np.ones(len(before), bool)
    learned[: univariate.CHARTS] = False
    learned[univariate.CHARTS + univariate.HIGHEST : univariate.SEASON : univariate.CHART] = False
    np.testing.assert_array_equal(one.row[learned], before[learned])


@pytest.mark.parametrize("chart", range(3))
def test_the_reason_is_that_of_the_chart_that_is_farthest_out(chart: int) -> None:
    x = noise(3000) * 0.2 + (walk(3000) * 0.01 if chart == 2 else 0.0)
    if chart == 0:
        x[2500] += 4.0
    elif chart == 1:
        x[2450:2501] += 0.45
    else:
        x[:] = 3.0 * np.sin(np.arange(3000) / 40.0) + noise(3000) * 0.02
        x[2500:] += 0.5
    scores = One(1, mode="auto", parts={"season": False}).run(x[:, None])
    value, expected, sd = scores.values[2500, 0], scores.expected[2500, 0], scores.sd[2500, 0]
    assert scores.anomaly[2500]
    assert scores.shares[2500, 0] == 1.0
    if chart == 0:
        assert value == x[2500]
        assert (expected, sd) == (pytest.approx(0.0, abs=0.05), pytest.approx(0.2, rel=0.1))
    elif chart == 1:
        assert value == pytest.approx(x[2471:2501].mean(), abs=0.15)
        assert sd < 0.1
    else:
        assert expected == pytest.approx(x[2499], abs=0.1)


def test_rushes_of_a_walk_cost_no_more_than_those_of_noise() -> None:
    """One level suits both: the blocks' highest are what scores are measured by."""
    openings = {
        made: np.count_nonzero(np.diff((level(made(20_000, 3)) >= 1.0).astype(int)) == 1)
        for made in (noise, walk)
    }
    assert max(openings.values()) < 60


def test_the_season_keeps_its_covariance_over_years() -> None:
    """A million records: the lower half that is kept stays that of a covariance."""
    one = One(1, mode="auto")
    one.run(days(1_000_000)[:, None], clock(1_000_000))
    state = one.row[univariate.SEASON : univariate.START]
    lower = np.zeros((season.TERMS, season.TERMS))
    lower[np.tril_indices(season.TERMS)] = state[season.TERMS : season.SIZE]
    whole = lower + np.tril(lower, -1).T
    assert np.linalg.eigvalsh(whole).min() > 0.0


def test_a_single_column_opens_its_alert_at_once_unless_told_otherwise() -> None:
    def opening(features: list[str], **rest: object) -> tuple[int, int]:
        made = Settings.model_validate({"record": {"features": features}, **rest})
        return made.opening.k, made.opening.n

    assert opening(["a"]) == (1, 1)
    assert opening(["a", "b"]) == (3, 5)
    assert opening(["a", "b"], detector={"mode": "iid"}) == (1, 1)
    assert opening(["a"], detector={"mode": "plain"}) == (3, 5)
    assert opening(["a"], alert={"open_after": "2 of 4"}) == (2, 4)
