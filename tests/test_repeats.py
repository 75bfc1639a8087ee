"""A log in which one thing goes wrong again and again stays readable, and loses no first occurrence."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from detector import repeats
from detector.logs import configure
from detector.repeats import Repeats
from tests.daemon.running import Process, write_config


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Iterator[Clock]:
    yield Clock()
    structlog.reset_defaults()


@pytest.fixture
def limited(clock: Clock) -> Repeats:
    made = Repeats(clock)
    configure("info", "json", repeats=made)
    return made


def said(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_few_at_once_and_then_how_many_more(
    limited: Repeats, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    log = structlog.get_logger()
    for count in range(100):
        log.warning("sink_unavailable", sink="a", error="refused", waiting=count)
        limited.tell()
        clock.now += 0.1
    lines = said(capsys)
    assert [line["waiting"] for line in lines] == [0, 1, 2, 3, 4]
    clock.now = 60.0
    limited.tell()
    (line,) = said(capsys)
    assert (line["event"], line["of"], line["count"]) == ("lines_left_out", "sink_unavailable", 95)
    assert (line["level"], line["sink"], line["error"]) == ("warning", "a", "refused")
    limited.tell()
    assert said(capsys) == []
    log.warning("sink_unavailable", sink="a", error="refused")
    assert [line["event"] for line in said(capsys)] == ["sink_unavailable"]  # it begins anew


def test_another_place_reason_or_level_is_another_line(
    limited: Repeats, capsys: pytest.CaptureFixture[str]
) -> None:
    log = structlog.get_logger()
    for _ in range(20):
        log.warning("e", pipeline="p", reason="a")
    for number in range(20):
        log.error("e", pipeline="p", reason="a")
        log.error("e", pipeline="q", reason="a")
        log.error("e", pipeline="p", reason=f"other {number}")
    lines = said(capsys)
    assert sum(line["level"] == "warning" for line in lines) == 5
    assert sum(line["level"] == "error" for line in lines) == 5 + 5 + 20


def test_the_course_of_a_run_is_written_whole(limited: Repeats, capsys: pytest.CaptureFixture[str]) -> None:
    """Info is not about trouble, and who changes a file again is answered again."""
    log = structlog.get_logger()
    for _ in range(20):
        log.info("labelled", pipeline="p")
        log.error("reload_refused", problems=["x"])
    limited.tell(everything=True)
    assert len(said(capsys)) == 40


def test_texts_of_any_number_take_no_memory_and_lose_nothing(
    limited: Repeats, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeats, "_MOST", 10)
    log = structlog.get_logger()
    for _ in range(8):
        log.warning("first")
    for number in range(100):
        log.warning("e", reason=str(number))
    limited.tell()
    assert len(limited._runs) == 10
    lines = said(capsys)
    assert {line.get("reason") for line in lines if line["event"] == "e"} == {str(n) for n in range(100)}
    assert [line["count"] for line in lines if line["event"] == "lines_left_out"] == [3]


def test_the_daemon_tells_at_its_end_too(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    write_config(tmp_path, {"in": {"type": "tail", "paths": ["in.jsonl"]}})
    with Process(tmp_path, module="tests.daemon.noisy") as daemon:
        daemon.wait_for("ready")
        daemon.stop()
    assert len(daemon.events("noise")) == 5
    (line,) = daemon.events("lines_left_out")
    assert (line["of"], line["count"]) == ("noise", 45)
