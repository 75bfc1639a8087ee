"""Incidents, and what of them was found, on traces made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from detector.study.replay import Episode, Trace, incidents, outcome
from tests.streams import batch, pipeline

NAN = float("nan")


def trace(truth: str, episodes: list[Episode], key: str | None = None, warmup: int = 0) -> Trace:
    """One record a second; `truth` as text of 0 and 1, `key` as text of one letter a record."""
    names = sorted(set(key or "a"))
    of = np.array([names.index(one) for one in key or "a" * len(truth)])
    n = len(truth)
    level = np.where(np.arange(n) < warmup, NAN, 0.5)
    return Trace(
        used=np.arange(n), key=of, clock=np.arange(float(n)), score=np.ones(n), threshold=2 * level,
        level=level, anomaly=level >= 1, truth=np.array([one == "1" for one in truth]), keys=names,
        episodes=episodes, timed=True,
    )  # fmt: skip


def spans(made: Trace) -> list[tuple[str, float, float]]:
    return [(one.key, one.start, one.end) for one in incidents(made)]


def test_a_run_of_labelled_records_is_one_incident() -> None:
    assert spans(trace("0011010111", [])) == [("a", 2, 3), ("a", 5, 5), ("a", 7, 9)]
    assert spans(trace("000", [])) == []


def test_each_key_has_its_own() -> None:
    """Records of two keys in turn: neither interrupts the other's incident, nor goes on with it."""
    assert spans(trace("010101", [], key="ababab")) == [("b", 1, 5)]
    assert spans(trace("001100", [], key="aaabbb")) == [("a", 2, 2), ("b", 3, 3)]


def test_what_lies_within_the_warm_up_cannot_be_missed() -> None:
    assert spans(trace("0110011", [], warmup=3)) == [("a", 5, 6)]
    assert spans(trace("0111", [], warmup=3)) == [("a", 1, 3)]  # judged in part


def test_outcome() -> None:
    alerts = [
        Episode("a", 1.0, 3.0),
        Episode("a", 6.0, 6.5),
        Episode("a", 13.0, 14.0),
        Episode("b", 2.0, 2.0),
    ]
    got = outcome(trace("00110001110000110001", alerts))
    assert (got.alerts, got.incidents, got.found) == (4, 4, 2)
    assert got.false == 2  # the second and that of another key
    assert got.delays == [-1.0, -1.0]
    assert got.delay == -1.0
    assert got.in_alarm == pytest.approx((2 + 0.5 + 1) / 19)


def test_a_drift_of_the_model_neither_finds_nor_cries_wolf() -> None:
    """It may stay open for months, over every incident to come."""
    X = np.random.default_rng(0).normal(size=(3000, 2)) * np.linspace(1, 4, 3000)[:, None]
    made = pipeline(["a", "b"], mode="plain", memory=300, watch=500)
    alert = next(one for one in made.process(batch(X, names=["a", "b"])).alerts if one.kind == "drift")
    got = outcome(trace("00110", [Episode("a", 0.0, 4.0, alert)]))
    assert (got.alerts, got.found, got.false, got.in_alarm) == (0, 0, 0, 0.0)


def test_outcome_is_that_of_the_plain_way() -> None:
    """Alerts that overlap, touch and nest, of three keys, against every pair looked at."""
    rng = np.random.default_rng(4)
    for _ in range(50):
        truth = "".join(rng.choice(["0", "1"], 60, p=[0.7, 0.3]))
        key = "".join(rng.choice(list("abc"), 60))
        starts, sizes = rng.integers(0, 60, 8), rng.integers(0, 9, 8)
        alerts = [
            Episode(str(rng.choice(list("abc"))), float(start), float(start + size))
            for start, size in zip(starts, sizes, strict=True)
        ]
        made = trace(truth, alerts, key)
        known = incidents(made)

        def meet(one: Episode, other: Episode) -> bool:
            return one.key == other.key and one.start <= other.end and one.end >= other.start

        delays = [
            min(one.start for one in alerts if meet(one, incident)) - incident.start
            for incident in known
            if any(meet(one, incident) for one in alerts)
        ]
        got = outcome(made)
        assert sorted(got.delays) == sorted(delays)
        assert got.false == sum(not any(meet(one, incident) for incident in known) for one in alerts)
        assert (got.found, got.incidents) == (len(delays), len(known))


def test_without_alerts_nothing_is_found() -> None:
    got = outcome(trace("0110", []))
    assert (got.alerts, got.found, got.incidents, got.false, got.in_alarm) == (0, 0, 1, 0, 0.0)
    assert np.isnan(got.delay)


def test_rates_are_per_day_or_per_thousand_records() -> None:
    timed = trace("0" * 864, [])
    assert timed.rate(1) == pytest.approx(86400 / 863)
    untimed = Trace(**{name: getattr(timed, name) for name in Trace.__slots__} | {"timed": False})
    assert untimed.rate(1) == pytest.approx(1000 / 864)
