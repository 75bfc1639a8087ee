"""The arithmetic of the demo's figures; and what a detector that always cries looks like in them."""

from __future__ import annotations

import json

import pytest

from detector.demo.summary import Summary, read_episodes, read_incidents, summarise, timestamp

DAY = 86_400.0
INCIDENTS = [(1_000.0, 2_000.0), (40_000.0, 41_000.0), (80_000.0, 81_000.0)]


def summary(episodes: list[tuple[float, float]], end: float = 2 * DAY) -> Summary:
    return summarise(500, 0.0, end, INCIDENTS, episodes)


def test_silence_finds_nothing_and_costs_nothing():
    got = summary([])
    assert (got.records, got.days, got.incidents, got.found) == (500, 2.0, INCIDENTS, [])
    assert (got.false_alerts, got.false_alerts_per_day, got.in_alarm) == (0, 0.0, 0.0)
    assert got.median_delay is None


def test_an_alert_during_an_incident_finds_it_once():
    got = summary([(1_100.0, 1_200.0), (1_300.0, 1_400.0), (40_500.0, 50_000.0)])
    assert got.found == INCIDENTS[:2]
    assert got.delays == [100.0, 500.0]
    assert got.median_delay == 300.0
    assert got.false_alerts == 0
    assert got.in_alarm == pytest.approx(9_700 / (2 * DAY))


def test_an_alert_that_opened_before_the_incident_has_no_delay():
    assert summary([(900.0, 1_500.0)]).delays == [0.0]


def test_an_alert_during_no_incident_is_false():
    got = summary([(3_000.0, 4_000.0), (39_000.0, 39_999.0), (40_000.0, 40_001.0), (150_000.0, 150_001.0)])
    assert got.false_alerts == 3
    assert got.false_alerts_per_day == 1.5
    assert got.found == INCIDENTS[1:2]


def test_one_long_alert_finds_each_incident_that_it_meets():
    got = summary([(1_500.0, 40_500.0)])
    assert got.found == INCIDENTS[:2]
    assert got.false_alerts == 0


def test_an_incident_that_was_not_reached_is_not_missed():
    got = summary([], end=30_000.0)
    assert got.incidents == INCIDENTS[:1]


def test_a_detector_that_always_alarms_shows_in_the_time_in_alarm():
    """Negative control: by found incidents and false alerts alone it would be perfect."""
    got = summary([(0.0, 2 * DAY)])
    assert got.found == INCIDENTS
    assert got.false_alerts == 0
    assert got.in_alarm == 1.0


def test_a_detector_that_alarms_at_random_shows_in_the_false_alerts():
    got = summary([(t, t + 10.0) for t in range(0, 172_800, 600)])
    assert got.found == INCIDENTS
    assert got.false_alerts_per_day > 100


def test_no_time_gives_no_division_by_zero():
    got = summarise(1, 5.0, 5.0, INCIDENTS, [(5.0, 5.0)])
    assert (got.false_alerts_per_day, got.in_alarm) == (0.0, 0.0)


def test_episodes_and_incidents_are_read_from_their_files(tmp_path):
    file = tmp_path / "alerts.jsonl"
    assert read_episodes(file, 100.0) == []
    notices = [("a", "open", 10, 10), ("a", "update", 10, 15), ("b", "open", 20, 20), ("a", "closed", 10, 30)]
    names = ("id", "status", "opened", "time")
    file.write_text("".join(json.dumps(dict(zip(names, one, strict=True))) + "\n" for one in notices))
    assert read_episodes(file, 100.0) == [(10, 30), (20, 100.0)]
    labels = tmp_path / "incidents.csv"
    labels.write_text("start,end\n2020-01-01T00:00:00Z,2020-01-01T00:10:00Z\n")
    assert read_incidents(labels) == [(timestamp("2020-01-01T00:00:00Z"), timestamp("2020-01-01T00:10:00Z"))]
    assert read_incidents(labels)[0][1] - read_incidents(labels)[0][0] == 600
