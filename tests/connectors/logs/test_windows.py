"""Windows by hand, late lines, clocks that jump, lines without a time, and lines that belong together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.logs import digest as digest_module
from connectors.logs.joining import MOST_LINES
from connectors.logs.options import ACCESS_WINDOW_FIELDS
from connectors.sources.tail import TailOptions, TailSource
from detector.contracts import Layout
from tests.connectors.logs.help import Row, rows_of, stream, stream_all

NOON = 1795953600.0


def at(minute: int, second: int = 0, text: str = "INFO ok") -> str:
    return f"2026-11-29 12:{minute:02}:{second:02} {text}"


def test_a_window_by_hand() -> None:
    lines = [
        at(0, 1, "INFO served in 10 ms"),
        at(0, 2, "INFO served in 30 ms"),
        at(0, 3, "ERROR down"),
        at(1),
    ]
    first, second = stream(
        lines,
        "lines rate bytes templates new_templates errors warnings info debug rarity_mean rarity_max number",
    )
    rarities = [math.log(2), math.log(3 / 2), math.log(5)]
    assert first == pytest.approx(
        {
            "time": NOON + 60,
            "key": "",
            "lines": 3,
            "rate": 3 / 60,
            "bytes": sum(map(len, lines[:3])),
            "templates": 2,
            "new_templates": 2,
            "errors": 1,
            "warnings": 0,
            "info": 2,
            "debug": 0,
            "rarity_mean": sum(rarities) / 3,
            "rarity_max": math.log(5),
            "number": 20,
        }
    )
    assert (second["time"], second["lines"]) == (NOON + 120, 1)


def test_a_window_of_requests_by_hand() -> None:
    lines = [
        f'10.0.0.{i % 2} - - [29/Nov/2026:12:00:0{i} +0000] "GET /p/{i % 3}" {status} 100 "-" "x" 0.{i}00'
        for i, status in enumerate((200, 204, 301, 404, 500, 503))
    ]
    (row,) = stream(lines, " ".join([*ACCESS_WINDOW_FIELDS, "errors"]), "nginx")
    assert row.pop("key") == ""
    assert row == pytest.approx(
        {
            "time": NOON + 60,
            "status_2xx": 2,
            "status_3xx": 1,
            "status_4xx": 1,
            "status_5xx": 2,
            "bytes_sent": 600,
            "request_time": 0.25,
            "request_time_max": 0.5,
            "paths": 3,
            "clients": 2,
            "errors": 2,
        },
        rel=1e-3,
    )


def test_each_key_has_its_windows_and_all_end_together() -> None:
    lines = [f"<14>Nov 29 12:0{minute}:0{i} web p{i % 2}: x" for minute in range(3) for i in range(3)]
    rows = stream(lines, "lines", "syslog", key="{program}", year=2026)
    assert [(row["time"] - NOON, row["key"], row["lines"]) for row in rows] == [
        (60 * minute, key, count) for minute in (1, 2, 3) for key, count in (("p0", 2), ("p1", 1))
    ]


def test_windows_of_lines() -> None:
    rows = stream([at(0, 2 * i) for i in range(25)], "lines rate", lines=10)
    assert [row["lines"] for row in rows] == [10, 10, 5]
    assert [row["time"] - NOON for row in rows] == [18, 38, 48]
    assert rows[0]["rate"] == pytest.approx(10 / 18)


def test_a_late_line_is_counted_in_the_window_that_is_open() -> None:
    rows = stream([at(0), at(2), at(1, 30), at(0, 10), at(2, 5), at(3)], "lines")
    assert [(row["time"] - NOON, row["lines"]) for row in rows] == [(60, 1), (180, 4), (240, 1)]


def test_a_clock_that_was_wrong_for_a_line_is_not_believed_for_ever() -> None:
    lines = ["2099-01-01 00:00:00 INFO ok", *(at(i // 10, i % 10) for i in range(300))]
    rows = stream(lines, "lines")
    assert sum(float(row["lines"]) for row in rows) == 301
    assert [row["time"] - NOON for row in rows][1:] == [60 * i for i in range(10, 31)]


def test_lines_without_a_time_have_that_of_the_line_before() -> None:
    rows = stream([at(0), "no time", at(1), "no time", "none"], "lines", multiline="off")
    assert [row["lines"] for row in rows] == [2, 3]
    rows, reasons = stream_all(["no time", at(0)], "lines", multiline="off")
    assert ([row["lines"] for row in rows], reasons) == ([1], ["no_time"])
    assert [row["lines"] for row in stream(["no", "time"], "lines", lines=2)] == [2]


TRACE = """\
2026-11-29 12:00:00 ERROR order is not saved
Traceback (most recent call last):
  File "a.py", line 7, in f
ValueError: 2026

Caused by: x
2026-11-29 12:00:01 INFO goes on
"""
JAVA = "ERROR failed\n\tat a.b.C(C.java:7)\nCaused by: x\n\t... 3 more\nINFO goes on\n"


@pytest.mark.parametrize("text", [TRACE, JAVA], ids=["python", "java"])
def test_a_stack_trace_is_one_event(text: str) -> None:
    lines = text.splitlines()
    rows = stream(lines, "lines length level", per="line")
    assert [row["lines"] for row in rows] == [len(lines) - 1, 1]
    assert rows[0]["length"] == sum(map(len, lines[:-1]))
    assert [row["level"] for row in rows] == [3, 1]
    assert len(stream(lines, "lines", per="line", multiline="off")) == len([line for line in lines if line])


def test_an_exception_that_nobody_logged_is_an_error_of_a_new_kind() -> None:
    trace = ["Traceback (most recent call last):", '  File "a.py", line 7, in f', "shop.db.PoolError: 7"]
    lines = [at(0), at(1), *trace, at(2), at(3, 0, "WARN ok"), *trace, at(4), "Caused by: PoolError"]
    rows = stream(lines, "level new", per="line")
    assert [(row["level"], row["new"]) for row in rows] == [(1, 1), (3, 1), (1, 0), (2, 0), (3, 0)]


def test_an_event_begins_where_the_pattern_says_and_is_bounded() -> None:
    lines = ["# 1", "a", "b", "# 2", "c"]
    rows = stream(lines, "lines", per="line", multiline={"starts_with": "^# "})
    assert [row["lines"] for row in rows] == [3, 2]
    endless = ["# 1", *["  x"] * (2 * MOST_LINES)]
    rows = stream(endless, "lines", per="line", multiline={"starts_with": "^# "})
    assert [row["lines"] for row in rows] == [MOST_LINES, MOST_LINES, 1]
    wide = ["# 1", *["x" * 60_000] * 4]
    assert [row["lines"] for row in stream(wide, "lines", per="line", multiline={"starts_with": "#"})] == [
        3,
        2,
    ]


class Tailed:
    """A log of which each step is looked at, with clocks that the test moves on."""

    def __init__(self, log: Path, monkeypatch: pytest.MonkeyPatch, **options: object) -> None:
        self.log, self.now, self.ticks = log, NOON, 0.0
        log.touch()
        monkeypatch.setattr("connectors.logs.digest.time.monotonic", lambda: self.ticks)
        made = TailOptions.model_validate(
            {"paths": [str(log)], "start_at": "beginning", "poll": "0ms", "format": "log", "log": options}
        )
        self.source = TailSource("s", made, Layout(("lines", "errors"), "time"), lambda: self.now)
        self.source.open(b"")

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.ticks += seconds

    def read(self, *lines: str) -> list[Row]:
        with self.log.open("a") as file:
            file.writelines(line + "\n" for line in lines)
        rows: list[Row] = []
        while (batch := self.source.read(100, 0.0)) is not None:
            rows += rows_of(batch)
        return rows


@pytest.fixture
def tailed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tailed]:
    one = Tailed(tmp_path / "a.log", monkeypatch, multiline="off")
    yield one
    one.source.close()


def test_a_window_of_a_log_that_has_gone_silent_ends_by_the_clock(tailed: Tailed) -> None:
    assert tailed.read(at(0, 1, "ERROR the last words")) == []
    tailed.pass_time(60)
    assert tailed.read() == []
    tailed.pass_time(10)
    assert tailed.read() == [{"lines": 1.0, "errors": 1.0, "time": NOON + 60, "key": ""}]
    # A line that comes later still is not lost, nor does its window come again.
    assert tailed.read(at(0, 59)) == []
    assert tailed.read(at(2)) == [{"lines": 1.0, "errors": 0.0, "time": NOON + 120, "key": ""}]


def test_the_position_of_a_long_window_is_given_though_it_makes_no_record(tailed: Tailed) -> None:
    tailed.log.write_text(at(0, 1) + "\n")
    batch = tailed.source.read(10, 0.0)
    assert batch is not None
    assert len(batch) == 0
    offset = json.loads(batch.position)["files"][0]["offset"]
    assert offset == tailed.log.stat().st_size
    assert tailed.source.read(10, 0.0) is None


def test_old_lines_that_are_read_in_one_go_do_not_end_by_the_clock(tailed: Tailed) -> None:
    tailed.now = NOON + 1e6
    assert tailed.read(at(0, 1), at(0, 30)) == []
    tailed.ticks += 1.0
    assert tailed.read(at(0, 59)) == []
    assert [row["lines"] for row in tailed.read(at(1))] == [3]


def test_lines_without_any_time_have_that_of_their_arrival(tailed: Tailed) -> None:
    assert tailed.read("a", "b") == []
    tailed.pass_time(61)
    assert [(row["time"], row["lines"]) for row in tailed.read("c")] == [(NOON + 60, 2)]


def test_the_last_event_of_a_log_waits_a_moment_for_its_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Tailed(tmp_path / "a.log", monkeypatch, per="line")
    clock = 0.0
    monkeypatch.setattr("connectors.logs.lines.time.monotonic", lambda: clock)
    assert one.read("ERROR failed") == []
    assert [row["lines"] for row in one.read("  at x", "INFO next")] == [2]
    clock = 2.0
    assert [row["lines"] for row in one.read()] == [1]
    one.source.close()


def test_new_templates_are_told_but_not_all_of_a_flood(capsys: pytest.CaptureFixture[str]) -> None:
    stream([f"INFO {'a ' * i}kind" for i in range(50)], "lines", lines=10, multiline="off")
    said = capsys.readouterr().out
    assert said.count("log_template_new") == digest_module._NEWS
    assert "a a kind" in said
