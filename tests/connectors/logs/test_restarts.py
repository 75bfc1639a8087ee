"""Whatever is restarted or killed, and wherever: the records are those of an uninterrupted run."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from connectors.sources import followed, reading
from connectors.sources.stdin import StdinOptions, StreamSource
from detector.contracts import Layout
from detector.errors import SourceError
from tests.brokers import wait_until
from tests.connectors.logs.help import Row, read, rows_of, story

WINDOW = "lines bytes templates new_templates errors warnings rarity_mean rarity_max number number_z"
LINE = "rarity new level number number_z length lines"
HOW: dict[str, tuple[str, dict[str, Any]]] = {
    "window": (WINDOW, {}),
    "window-10s": (WINDOW, {"window": "10s", "templates": {"max": 10}}),
    "lines": (WINDOW + " rate", {"lines": 7}),
    "line": (LINE, {"per": "line", "templates": {"max": 10}}),
}


@pytest.mark.parametrize("kind", ["file", "tail"])
@pytest.mark.parametrize("how", HOW)
def test_after_a_restart_behind_any_batch_the_same_records_come(kind: str, how: str, tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_text(story(40))
    fields, options = HOW[how]
    start = {"start_at": "saved_or_beginning"} if kind == "tail" else {}
    straight = read(kind, log, fields, 1000, restart=False, format="log", log=options, **start)
    assert len(straight) >= 10
    for max_rows in (1, 3):
        again = read(kind, log, fields, max_rows, restart=True, format="log", log=options, **start)
        assert again == straight


def test_long_windows_do_not_keep_others_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some lines at a time are read, whether they make a record or not, and their position is given."""
    (tmp_path / "1.log").write_text(story(20))
    (tmp_path / "2.log").write_text(story(40)[len(story(20)) :])
    straight = read(
        "file", tmp_path / "*.log", WINDOW, 1000, restart=False, format="log", log={"window": "1h"}
    )
    monkeypatch.setattr(reading, "MOST_EVENTS", 5)
    assert (
        read("file", tmp_path / "*.log", WINDOW, 9, restart=True, format="log", log={"window": "1h"})
        == straight
    )
    assert len(straight) == 1
    assert straight[0]["lines"] > 80


def test_a_log_that_is_rotated_is_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "MOST_EVENTS", 7)
    lines = story(30).splitlines(keepends=True)
    whole = tmp_path / "whole" / "a.log"
    whole.parent.mkdir()
    whole.write_text("".join(lines))
    how: dict[str, Any] = {"format": "log", "log": {"multiline": "off"}, "start_at": "saved_or_beginning"}
    straight = read("tail", whole, WINDOW, 1000, restart=False, **how)
    log = tmp_path / "a.log"
    reader = Restarted(log, how)
    chance = random.Random(3)
    left = lines
    while left:
        count = chance.randrange(1, 9)
        with log.open("a") as file:
            file.writelines(left[:count])
        left = left[count:]
        if chance.random() < 0.5:
            reader.read()
        if chance.random() < 0.4 and reader.position:
            reader.read()
            log.rename(tmp_path / f"a.log.{time.monotonic_ns()}")
    reader.read()
    assert reader.rows == straight


class Restarted:
    """Reads what there is, as a daemon that is started anew each time."""

    def __init__(self, log: Path, how: dict[str, Any]) -> None:
        from connectors.sources.tail import TailOptions, TailSource  # noqa: PLC0415

        self._make = lambda: TailSource(
            "s",
            TailOptions.model_validate({"paths": [str(log)], **how}),
            Layout(tuple(WINDOW.split()), "time"),
        )
        self.rows: list[Row] = []
        self.position = b""

    def read(self) -> None:
        source = self._make()
        source.open(self.position)
        source._next_save = 0.0
        for _ in range(20):
            batch = source.read(3, 0.0)
            if batch is not None:
                self.rows += rows_of(batch)
                self.position = batch.position
        source.close()


@pytest.mark.crash
def test_killed_at_any_moment_it_gives_the_records_of_an_uninterrupted_run(tmp_path: Path) -> None:
    log, rows, state = tmp_path / "a.log", tmp_path / "rows", tmp_path / "state"
    log.write_text(story(59))
    expected = read("tail", log, WINDOW, 1000, restart=False, format="log", start_at="saved_or_beginning")
    command = [
        sys.executable,
        "-m",
        "tests.connectors.logs.killed_log",
        str(log),
        WINDOW,
        str(rows),
        str(state),
    ]
    chance = random.Random(5)

    def count() -> int:
        return rows.read_bytes().count(b"\n") if rows.exists() else 0

    for share in (0.4, 1.0):
        with subprocess.Popen(command) as process:
            wait_until(lambda share=share: count() >= share * len(expected), 60.0)
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
    assert [json.loads(line) for line in rows.read_bytes().splitlines()] == expected
    assert len(expected) > 50


def test_a_pipe_that_begins_anew_still_knows_its_templates() -> None:
    import io  # noqa: PLC0415

    options = StdinOptions.model_validate({"format": "log", "log": {"per": "line", "multiline": "off"}})
    position = b""
    new = []
    for _ in range(2):
        source = StreamSource("s", options, Layout(("new",)), io.BytesIO(b"INFO a b c\n"))
        source.open(position)
        batch = source.read(10, 0.0)
        assert batch is not None
        position = batch.position
        new += batch.columns["new"].tolist()
    assert new == [1.0, 0.0]


@pytest.mark.parametrize(
    "damage", [{"templates": {}}, {"templates": None}, {"windows": {"": {}}}, {"start": "x"}, {"late": []}]
)
def test_a_state_that_cannot_be_read_is_an_error_that_says_so(damage: dict[str, Any], tmp_path: Path) -> None:
    from connectors.sources.file import FileOptions, FileSource  # noqa: PLC0415

    log = tmp_path / "a.log"
    log.write_text(story(3))
    options = FileOptions.model_validate({"paths": [str(log)], "format": "log"})
    source = FileSource("s", options, Layout(("lines",)))
    source.open(b"")
    batch = source.read(1, 0.0)
    assert batch is not None
    source.close()
    position = json.loads(batch.position)
    position["log"] |= damage
    other = FileSource("s", options, Layout(("lines",)))
    with pytest.raises(SourceError, match="saved state of the log source s cannot be read"):
        other.open(json.dumps(position).encode())
