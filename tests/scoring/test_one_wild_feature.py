"""One feature far off among many, while the model is young: as docs/limits.md says it."""

from __future__ import annotations

import numpy as np
import pytest

from tests.models import One

FAR = 60.0


def level(n: int, d: int, mode: str) -> float:
    """Median level of a record with one feature 60 standard deviations off, after n independent ones."""
    found = []
    for seed in range(5):
        X = np.random.default_rng(seed).normal(size=(n + 1, d))
        X[n, 0] += FAR
        found.append(One(d, mode=mode).run(X).level[-1])
    return float(np.median(found))


@pytest.mark.parametrize(("n", "d", "flagged"), [(150, 3, True), (200, 25, False), (600, 25, True)])
def test_of_independent_records_the_default_needs_some_hundred(n: int, d: int, flagged: bool) -> None:
    assert (level(n, d, "auto") >= 1.0) == flagged


@pytest.mark.parametrize("d", [3, 25])
def test_plain_needs_no_more_than_its_warmup(d: int) -> None:
    assert level(150, d, "plain") > 5.0
