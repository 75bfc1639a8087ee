"""Operating modes without labels: found, stable, and the same however the stream is cut."""

from __future__ import annotations

import random
import subprocess
import sys

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import adjusted_rand_score

from detector.labels.modes import CONFIRM, InSpace, Modes
from detector.settings.modes import Modes as Settings

CENTRES = np.array([[0.0, 0.0], [8.0, 1.0], [3.0, 9.0]])
"""Of idle, run and wash, in standard deviations."""


class Machine:
    """The modes of some models, with rows of their own."""

    def __init__(self, keys: int = 1, k: int = 2, **settings: object) -> None:
        self.settings = Settings.model_validate(settings)
        self.k = k
        self.modes = Modes(self.settings, k, 3)
        self.rows = np.full((keys, 3 + self.modes.extra + 2), np.nan)

    def take(self, Z: np.ndarray, slots: np.ndarray | None = None) -> np.ndarray:
        slots = np.zeros(len(Z), np.int64) if slots is None else slots
        return self.modes.follow(self.rows, slots, np.ascontiguousarray(Z, float))

    def restart(self) -> None:
        """Lose all but the rows, as a daemon does."""
        self.modes, self.rows = Modes(self.settings, self.k, 3), self.rows.copy()


def day(n: int = 6000, seed: int = 0, centres: np.ndarray = CENTRES) -> tuple[np.ndarray, np.ndarray]:
    """A machine that stays in a mode for a while; it begins with a long time of the first one."""
    rng = np.random.default_rng(seed)
    truth = [0] * 500
    while len(truth) < n:
        truth += [int(rng.integers(0, len(centres)))] * int(rng.integers(50, 300))
    mode = np.array(truth[:n])
    return centres[mode] + rng.normal(size=(n, centres.shape[1])), mode


@pytest.mark.parametrize("seed", range(5))
def test_idle_run_and_wash_are_found(seed: int) -> None:
    Z, mode = day(seed=seed)
    ids = Machine(clusters=3).take(Z)
    assert adjusted_rand_score(mode[500:], ids[500:]) > 0.9
    # The negative control: one cloud has no modes that could be found again.
    assert adjusted_rand_score(mode[500:], Machine(clusters=3).take(Z - CENTRES[mode])[500:]) < 0.05


@pytest.mark.parametrize("seed", range(5))
def test_modes_are_found_where_every_record_is_of_another(seed: int) -> None:
    Z, mode = day(seed=seed)
    shuffled = np.random.default_rng(seed).permutation(len(Z))
    assert adjusted_rand_score(mode[shuffled], Machine(clusters=3).take(Z[shuffled])) > 0.9


def alone(Z: np.ndarray, seed: int, *, first: bool) -> list[int]:
    """What river says by itself, with centres by chance or at the first records."""
    from river import cluster  # noqa: PLC0415

    made = cluster.KMeans(3, 0.05, seed=seed)
    if first:
        made.centers = {c: dict(enumerate(Z[c].tolist())) for c in range(3)}
    return [made.learn_predict_one(dict(enumerate(z))) for z in Z.tolist()]


def test_what_is_decided_beside_river_is_needed() -> None:
    """Centres by chance may never be met, those at the first records are all of one mode."""
    rand, first, ours = [], [], []
    for seed in range(8):
        Z, mode = day(3000, seed=seed)
        mode = np.random.default_rng(seed).permutation(mode) if seed % 2 else mode
        Z = CENTRES[mode] + np.random.default_rng(seed).normal(size=Z.shape) + 20.0
        rand.append(adjusted_rand_score(mode[500:], alone(Z, seed, first=False)[500:]))
        first.append(adjusted_rand_score(mode[500:], alone(Z, seed, first=True)[500:]))
        ours.append(adjusted_rand_score(mode[500:], Machine().take(Z)[500:]))
    assert max(rand) < 0.1
    assert min(first) < 0.7
    assert min(ours) > 0.85


def test_the_scale_of_the_space_does_not_matter() -> None:
    Z, _ = day()
    assert (Machine().take(Z) == Machine().take(1024.0 * Z)).all()


@pytest.mark.parametrize("seed", range(5))
def test_columns_may_have_any_units(seed: int) -> None:
    """Those of the first records, which stay; in units that run with the stream the modes would be lost."""
    Z, mode = day(seed=seed)
    X = Z * [0.003, 5000.0] + [10.0, 900.0]
    inside = InSpace(Settings(clusters=3), 2, 100, 0)
    ids = inside.follow(np.full((1, inside.extra), np.nan), np.zeros(len(X), np.int64), X)
    assert (ids[:100] == -1).all()
    assert adjusted_rand_score(mode[1000:], ids[1000:]) > 0.9
    n = np.arange(1.0, len(X) + 1)[:, None]
    mean = np.cumsum(X, axis=0) / n
    running = (X - mean) / np.sqrt(np.maximum(np.cumsum(X * X, axis=0) / n - mean**2, 1e-12))
    assert adjusted_rand_score(mode[1000:], Machine().take(running)[1000:]) < 0.8


def test_ids_stay_and_a_new_mode_has_a_new_one() -> None:
    Z, mode = day()
    made = Machine(clusters=3)
    ids = made.take(Z)
    known = [int(np.bincount(ids[(mode == m) & (np.arange(6000) > 3000)]).argmax()) for m in range(3)]
    assert len(set(known)) == 3
    for m in range(3):  # the same id for each mode, early and late
        assert np.mean(ids[(mode == m) & (np.arange(6000) > 3000)] == known[m]) > 0.95
    # Much farther than the modes from each other: it takes the place of the two nearest ones.
    fresh = made.take(np.array([60.0, -60.0]) + np.random.default_rng(1).normal(size=(100, 2)))
    assert (fresh[: CONFIRM - 1] <= ids.max()).all()
    assert (fresh[CONFIRM:] == ids.max() + 1).all()


def test_an_outlier_is_no_mode() -> None:
    Z, mode = day()
    clean = Machine().take(Z)
    dirty = Z.copy()
    dirty[1000::97] = 1e6 * np.random.default_rng(0).normal(size=dirty[1000::97].shape)
    ids = Machine().take(dirty)
    there = np.ones(len(Z), bool)
    there[1000::97] = False
    assert adjusted_rand_score(mode[500:][there[500:]], ids[500:][there[500:]]) > 0.9
    assert ids.max() <= clean.max() + 1


def test_what_is_no_number_is_of_no_mode_and_changes_nothing() -> None:
    Z, _ = day(1000)
    gaps = np.repeat(Z, 2, axis=0)
    gaps[1::6, 0], gaps[3::6, 1], gaps[5::6] = np.nan, np.inf, -1e200
    first, second = Machine(), Machine()
    ids = first.take(gaps)
    assert (ids[1::2] == -1).all()
    assert (ids[::2] == second.take(Z)).all()
    assert first.rows.tobytes() == second.rows.tobytes()


def test_equal_records_are_one_mode() -> None:
    assert set(Machine(clusters=4).take(np.ones((500, 2))).tolist()) == {0}
    assert set(Machine(clusters=4).take(np.tile([[1.0, 1.0], [2.0, 2.0]], (200, 1))).tolist()) == {0, 1}


@pytest.mark.parametrize("settings", [{"clusters": 3}, {"clusters": 7, "halflife": 0.2}])
def test_neither_batches_nor_restarts_matter(settings: dict[str, object]) -> None:
    """To the bit, also with several keys in one batch; nor does anything outside change the result."""
    rng = np.random.default_rng(4)
    Z = np.vstack([day(1500, seed=seed)[0] for seed in range(3)])
    slots = np.repeat([0, 1, 2], 1500)
    order = np.argsort(rng.random(4500) + np.tile(np.arange(1500), 3) / 5.0, kind="stable")
    Z, slots = Z[order], slots[order]
    Z[::50] = np.nan
    whole = Machine(3, **settings)
    expected = whole.take(Z, slots)
    assert expected.max() >= 3
    for size, restarts in ((1, True), (7, False), (7, True), (4500, True)):
        random.seed(size)
        made, ids = Machine(3, **settings), []
        for start in range(0, len(Z), size):
            ids += made.take(Z[start : start + size], slots[start : start + size]).tolist()
            if restarts:
                made.restart()
        assert ids == expected.tolist()
        assert made.rows.tobytes() == whole.rows.tobytes()


def test_a_lost_row_would_be_seen() -> None:
    """The negative control of the check above."""
    Z, _ = day(3000)
    made = Machine()
    first = made.take(Z[:1500])
    made.rows[:] = np.nan
    assert [*first, *made.take(Z[1500:])] != Machine().take(Z).tolist()


def test_it_stays_in_its_places() -> None:
    made = Machine(2)
    made.take(day(1000)[0])
    assert np.isnan(made.rows[0, :3]).all()
    assert np.isnan(made.rows[0, -2:]).all()
    assert np.isnan(made.rows[1]).all()
    assert np.isfinite(made.rows[0, 3:-2]).any()


def test_many_modes_in_many_columns() -> None:
    rng = np.random.default_rng(0)
    mode = np.repeat(rng.permutation(np.tile(np.arange(32), 4)), 60)
    ids = Machine(k=12, clusters=32).take(
        20.0 * rng.normal(size=(32, 12))[mode] + rng.normal(size=(7680, 12))
    )
    assert adjusted_rand_score(mode[-3000:], ids[-3000:]) > 0.9


def test_what_may_be_written() -> None:
    assert Settings.model_validate("kmeans") == Settings()
    assert Settings.model_validate(5).clusters == 5
    for wrong in ("dbstream", 1, 33, True, {"halflife": 0.0}, {"halflife": 1.5}, {"seed": 1}):
        with pytest.raises(ValidationError):
            Settings.model_validate(wrong)


def test_river_is_imported_only_where_it_is_asked_for() -> None:
    code = (
        "import sys\nfrom detector.labels.modes import Modes, Settings\nassert 'river' not in sys.modules\n"
        "Modes(Settings(), 2, 0)\nassert 'river' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
