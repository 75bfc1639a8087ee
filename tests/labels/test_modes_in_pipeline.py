"""Operating modes in every result: of a machine that idles, runs and washes, however its records come."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from detector.pipeline import Pipeline
from tests.checks import invariance
from tests.models import metric_of
from tests.streams import FEATURES, batch, cut, messy, pipeline


def machine(n: int = 3000) -> tuple[np.ndarray, np.ndarray]:
    """Records in three modes of some dozen records each, in units that differ by a thousand."""
    rng = np.random.default_rng(0)
    modes = np.repeat(rng.integers(0, 3, n // 30), 30)
    centres = np.array([[1.0, 200.0, 0.0, 20.0], [8.0, 900.0, 0.5, 60.0], [4.0, 100.0, 9.0, 30.0]])
    return centres[modes] + rng.normal(size=(n, 4)) * [0.3, 20.0, 0.2, 2.0], modes


@pytest.mark.parametrize("through", [False, True], ids=["own units", "metric"])
def test_three_modes_of_a_machine(through: bool) -> None:
    X, modes = machine()
    one = pipeline(modes=3, **({"metric": "a file"} if through else {}))
    if through:
        one.use(metric_of(FEATURES))
    found = one.process(batch(X)).modes
    assert found is not None
    assert adjusted_rand_score(modes[600:], found[600:]) > 0.9


def test_nobody_asked_for_modes() -> None:
    assert pipeline().process(batch(machine(60)[0])).modes is None


def make(**more: Any) -> Pipeline:
    one = pipeline(time="time", modes={"clusters": 2}, warmup=40, alert={"open_after": 1}, **more)
    if more:
        one.use(metric_of(FEATURES))
    return one


@pytest.mark.parametrize("more", [{}, {"metric": "a file"}], ids=["own units", "metric"])
def test_restarts_and_batches_make_no_difference(more: dict[str, Any]) -> None:
    invariance.check_restart_does_not_matter(lambda: make(**more), messy(2, 300), [1, 50, 237])
    invariance.check_batches_do_not_matter(lambda: make(**more), messy(2, 300))
    whole = [one.process(messy(2)).modes for one in (make(**more),)]
    one = make(**more)
    parts = np.concatenate([one.process(piece).modes for piece in cut(messy(2), 7)])
    np.testing.assert_array_equal(parts, whole[0])


def test_another_metric_finds_the_modes_anew() -> None:
    X, modes = machine()
    one = pipeline(modes=3, metric="a file")
    one.use(metric_of(FEATURES))
    one.process(batch(X[:1500]))
    one.use(metric_of(FEATURES, 1))
    found = one.process(batch(X[1500:])).modes
    assert found is not None
    assert found[0] == 0
    assert adjusted_rand_score(modes[2000:], found[500:]) > 0.9
