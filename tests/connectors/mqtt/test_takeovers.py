"""P13: a fight over a client id ends the source where the broker tells of it, and is only said where not."""

from __future__ import annotations

import pytest
import structlog

from connectors.mqtt.takeovers import Takeovers


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr("connectors.mqtt.takeovers.time.monotonic", lambda: now[0])
    return now


def takeovers() -> Takeovers:
    return Takeovers("me", structlog.get_logger())


def test_the_third_that_is_told_within_a_minute_is_a_fight(clock: list[float]) -> None:
    fight = takeovers()
    outcomes = []
    for clock[0] in (0.0, 50.0, 100.0, 105.0):
        outcomes.append(fight.note(told=True, suspected=False))
    assert outcomes[:3] == [None] * 3
    assert "client_id 'me'" in str(outcomes[3])


def test_a_link_that_flaps_is_spoken_of_and_goes_on(clock: list[float]) -> None:
    flapping = takeovers()
    with structlog.testing.capture_logs() as logs:
        for clock[0] in range(12):
            assert flapping.note(told=False, suspected=True) is None
        for clock[0] in range(100, 1000, 20):
            assert flapping.note(told=False, suspected=True) is None
    assert [entry["event"] for entry in logs] == ["mqtt_taken_over"] * 2
