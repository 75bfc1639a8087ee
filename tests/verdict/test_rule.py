"""The user's threshold in numbers: what theory says holds for records as theory wants them."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from detector.settings import OpenAfter, Threshold
from detector.verdict.rule import distance_rule, student_rule, widening

OPENING = OpenAfter(k=3, n=5)


@pytest.mark.parametrize("d", [1, 5, 30])
@pytest.mark.parametrize("share", [0.01, 0.001])
def test_a_whitened_distance_by_theory(d: int, share: float) -> None:
    distance = np.sqrt((np.random.default_rng(1).normal(size=(200_000, d)) ** 2).sum(axis=1))
    rule = distance_rule(Threshold(kind="chi2_p", value=share), OPENING, d, whitened=True)
    assert rule.level == pytest.approx(distance.mean(), rel=0.01)
    assert rule.spread == pytest.approx(distance.std(), rel=0.01)
    assert (distance >= rule.fixed).mean() == pytest.approx(share, rel=0.25)


@pytest.mark.parametrize("d", [2, 10])
def test_the_student_score_by_theory(d: int) -> None:
    """Its mean, and a radius between a record that stands alone and one among its like."""
    S = np.log1p(np.random.default_rng(2).normal(size=(100_000, d)) ** 2 / 20).sum(axis=1)
    rule = student_rule(Threshold(kind="chi2_p", value=0.01), OPENING, d)
    assert rule.level == pytest.approx(S.mean() + np.cbrt((S**3).mean()), rel=0.03)
    assert (S + np.cbrt((S**3).mean()) >= rule.fixed).mean() == pytest.approx(0.01, rel=0.3)


def test_the_radius_is_wider_while_young() -> None:
    widen = widening(Threshold(kind="radius", value=0.001), 5, root=True)
    assert widen[20] > 1.5
    assert 1.0 < widen[-1] < 1.001
    assert (np.diff(widen) <= 0).all()


@pytest.mark.parametrize(
    ("value", "share", "per_second"),
    [
        ("0.1 %", 0.001, 0.0),
        (0.02, 0.02, 0.0),
        ("1 per day", 0.0, 1 / 86400),
        ("20 per hour", 0.0, 20 / 3600),
        ("0.1 % or 1 per week", 0.001, 1 / 604800),
    ],
)
def test_budgets(value: object, share: float, per_second: float) -> None:
    threshold = Threshold.model_validate({"value": value})
    assert (threshold.share, threshold.per_second) == pytest.approx((share, per_second))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("false_alarm_rate", "rarely"),
        ("false_alarm_rate", "0 per day"),
        ("false_alarm_rate", "120 %"),
        ("false_alarm_rate", 2.0),
        ("radius", "1 per day"),
        ("fixed", "1 per day"),
        ("fixed", -1.0),
        ("fixed", True),
    ],
)
def test_refused(kind: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Threshold.model_validate({"kind": kind, "value": value})


def test_a_long_open_rule_is_scaled_to_what_is_remembered() -> None:
    rule = student_rule(Threshold(), OpenAfter(k=25, n=50), 3)
    assert (rule.k, rule.n) == (4, 8)
