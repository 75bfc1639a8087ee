"""Labels that come as commands: whatever they hold, they are answered, and only what is right is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from structlog.testing import capture_logs

from detector.errors import StateError
from detector.given import Given
from detector.labelbook import Follower
from detector.labelling import Labelling, read

PUMP, FAN = "2f8a61c09b7d4e13", "b7d4e1360c09b2f8"


def labelling(path: Path) -> Labelling:
    return Labelling(path, {"pumps": PUMP.__eq__, "fans": FAN.__eq__}, "mqtt", lambda: 1.75e9)


def written(path: Path) -> list[Given]:
    return Follower(path).read(b"")[0]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (f"{FAN} false", Given(FAN, "false", "", "fans", 1.75e9, "mqtt")),
        (f"  {PUMP}\treal  bearing wear \n", Given(PUMP, "real", "bearing wear", "pumps", 1.75e9, "mqtt")),
        (json.dumps({"alert": PUMP, "label": "normal"}), Given(PUMP, "normal", "", "pumps", 1.75e9, "mqtt")),
        # When and which way is ours to say.
        (
            json.dumps({"alert": PUMP, "label": "real", "by": "cli", "given": 7}),
            Given(PUMP, "real", "", "pumps", 1.75e9, "mqtt"),
        ),
        (
            json.dumps({"pipeline": "fans", "key": "k", "label": "real", "values": {"speed": 3}}),
            Given("", "real", "", "fans", 1.75e9, "mqtt", "k", {"speed": 3.0}),
        ),
    ],
)  # fmt: skip
def test_what_is_right_is_written_and_answered(tmp_path: Path, command: str, expected: Given) -> None:
    path = tmp_path / "labels.jsonl"
    answer = json.loads(labelling(path)(command.encode()))
    assert written(path) == [expected]
    assert answer == {"ok": True, **json.loads(expected.to_json())}


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (b"", "write {"),
        (b"2f8a61c09b7d4e13", "write {"),
        (b"\xff\xff real", "write {"),
        (f"{PUMP} maybe".encode(), "label must be one of"),
        (f"{PUMP} real {'x' * 65}".encode(), "class must be printable text of at most 64"),
        (f"{PUMP} real \x1b[2J".encode(), "class must be printable"),
        (f"{PUMP[:8]} real".encode(), "no alert 2f8a61c0 is known"),
        (b'{"label": "real"}', "give either"),
        (b'["a"]', "not a map"),
        (b'{"alert":', "no JSON"),
        (
            json.dumps({"alert": PUMP, "label": "real", "pipeline": "fans"}).encode(),
            f"no alert {PUMP} is known",
        ),
        (
            json.dumps({"alert": PUMP, "label": "real", "pipeline": "valves"}).encode(),
            "there is no pipeline valves",
        ),
    ],
)
def test_what_is_wrong_is_answered_only(tmp_path: Path, command: bytes, error: str) -> None:
    path = tmp_path / "labels.jsonl"
    answer = json.loads(labelling(path)(command))
    assert not answer["ok"]
    assert answer["error"].startswith(error)
    assert not path.exists()


@for_all(st.binary(max_size=100) | st.text(max_size=100).map(str.encode) | st.just(b"{" * 9000))
def test_anything_is_answered(command: bytes) -> None:
    answer = json.loads(Labelling(Path("/nonexistent/labels"), {}, "mqtt")(command))
    assert not answer["ok"]
    assert answer["error"].isprintable()


def test_a_full_disk_is_raised_so_that_it_is_not_acknowledged(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="cannot be written"):
        labelling(tmp_path / "none" / "labels.jsonl")(f"{PUMP} real".encode())


def test_refusals_do_not_flood_the_log(tmp_path: Path) -> None:
    answering = labelling(tmp_path / "labels.jsonl")
    with capture_logs() as log:
        for _ in range(100):
            answering(b"garbage")
    assert [line["event"] for line in log] == ["label_refused"]


def test_text_and_json_say_the_same() -> None:
    assert read(b"2f8a61 real bearing wear") == read(
        b'{"alert": "2f8a61", "label": "real", "class": "bearing wear"}'
    )
