"""What units have learned, merged: as if one had learned it all, and nothing twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from detector.errors import FleetError
from detector.fleet.giving import begun
from detector.fleet.merging import as_one, merged, newest
from detector.fleet.reference import Learned, Reference
from tests.fleet.help import PLAIN, assert_same, gives, known, learn, of_chart, pipeline, records, trained

X = records(900)
PARTS = np.split(X, [200, 350, 800])
UNITS = [trained(part, f"u{i}") for i, part in enumerate(PARTS)]


@pytest.mark.parametrize("distance", ["mahalanobis", "standardized"])
def test_it_is_what_one_unit_learns_of_all_records(distance: str) -> None:
    detector = PLAIN | {"distance": distance}
    whole = pipeline(detector)
    learn(whole, X)
    units = [trained(part, f"u{i}", detector) for i, part in enumerate(PARTS)]
    for order in (units, units[::-1], [merged(units[:2]), merged(units[2:])]):
        assert_same(of_chart(merged(order)), known(whole))


@pytest.mark.parametrize("chart", [0, 1])
def test_both_charts_of_the_default_merge(chart: int) -> None:
    """Not to what one daemon had learned of both, whose records hang together otherwise, but to their sum."""
    units = [trained(part, f"u{i}", {}) for i, part in enumerate(PARTS[:2])]
    a, b = (of_chart(one, chart=chart) for one in units)
    w, v = (one.charts[""][chart, 0] + one.charts[""][chart, 1] for one in units)  # the prior counts, too
    found = of_chart(merged(units), chart=chart)
    assert found.records == a.records + b.records
    learned_a, learned_b = (one.charts[""][chart, 0] for one in units)
    total = learned_a + learned_b
    np.testing.assert_allclose(found.mean, (learned_a * a.mean + learned_b * b.mean) / total, rtol=1e-12)
    apart = a.mean - b.mean
    between = learned_a * learned_b / total * np.outer(apart, apart)
    expected = (w * a.covariance + v * b.covariance + between) / (w + v)
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-10, atol=1e-12)


def test_keys_of_one_name_merge_and_all_on_demand() -> None:
    a, b = trained(X[:300], "a", key="left"), trained(X[300:], "b", key="right")
    c = trained(X[:150], "c", key="left")
    both = merged([a, b, c])
    assert sorted(both.charts) == ["left", "right"]
    assert of_chart(both, "left").records == 450
    assert list(as_one(both, "any").charts) == ["any"]
    assert of_chart(as_one(both, "any"), "any").records == 1050


def test_a_model_that_begins_warm_is_silent_for_its_warm_up_and_gives_only_its_own() -> None:
    reference = merged(UNITS)
    new = pipeline(PLAIN | {"threshold": {"kind": "radius"}})
    base = reference.charts[""]
    new.pool.begin = lambda _key: begun(new, base)
    own = records(400, seed=5)
    own[150] += 30.0
    scores = learn(new, own).scores
    assert np.isnan(scores.threshold[:100]).all()
    assert scores.anomaly.nonzero()[0].tolist() == [150]
    alone = pipeline()
    learn(alone, own)
    assert_same(of_chart(gives(new, **{"": base})), known(alone))
    assert of_chart(gives(new)).records == len(X) + len(own)  # which would count the others twice


def test_what_fades_gives_nothing_until_its_start_has_faded() -> None:
    detector = PLAIN | {"memory": 50}
    base = trained(X, "a", detector).charts[""]
    new = pipeline(detector)
    new.pool.begin = lambda _key: begun(new, base)
    learn(new, records(300, seed=6))
    assert not gives(new, **{"": base}).charts
    learn(new, records(51, seed=7))
    assert list(gives(new, **{"": base}).charts) == [""]


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        (PLAIN | {"distance": "euclidean"}, "other settings: mode or distance"),
        (PLAIN | {"covariance": {"shrink": "off", "floor": 0.1}}, "other settings: covariance.floor"),
        ({}, "other settings"),
    ],
)
def test_other_settings_are_refused_and_named(detector: dict[str, Any], said: str) -> None:
    with pytest.raises(FleetError, match=f"b does not merge with u0: {said}"):
        merged([UNITS[0], trained(X, "b", detector)])


def test_other_features_are_refused_and_named() -> None:
    shape = UNITS[0].shape
    for features, said in (
        (("b", "a", "c"), "in another order: b, a, c, not a, b, c"),
        (("a", "b", "d"), "d, not"),
    ):
        other = Reference(shape._replace(features=features), UNITS[1].charts, UNITS[1].units)
        with pytest.raises(FleetError, match=said):
            merged([UNITS[0], other])


def test_nothing_counts_twice() -> None:
    both = merged(UNITS[:2])
    with pytest.raises(FleetError, match="u1 are in two of these"):
        merged([both, UNITS[1]])
    copy = Reference(UNITS[1].shape, UNITS[1].charts, {"copy": UNITS[1].units["u1"]})
    with pytest.raises(FleetError, match="copy and u1 have one life"):
        merged([both, copy])


def test_of_one_life_the_newer_counts() -> None:
    old, new = (trained(X[:n], "a", scored=n) for n in (100, 300))
    snapshot = Reference(old.shape, old.charts, {"snapshots/monday": old.units["a"]})
    for given in ([old, new], [new, old], [snapshot, new], [new, snapshot]):
        kept, dropped = newest([*given, UNITS[0]])
        assert [one.records for one in kept] == [300, 200]
        assert "at 100 records" in dropped[0]
    anew = Reference(new.shape, new.charts, {"a": Learned("another", 5)})
    with pytest.raises(FleetError, match="unit a is there twice, of two lives"):
        newest([new, anew])
