"""The file of labels: durable, whole lines whoever writes at once, each read once, whatever is put there."""

from __future__ import annotations

import errno
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st
from structlog.testing import capture_logs

from detector.errors import StateError
from detector.given import LABELS, LONGEST
from detector.labelbook import Follower, Given, append, parse

ROOT = Path(__file__).parents[1]
texts = st.text(st.characters(categories=["L", "N", "P"]), max_size=40)
numbers = st.floats(-1e150, 1e150)


def label(number: int, verdict: str = "false") -> Given:
    return Given(f"{number:016x}", verdict, "leak", "pumps", 1.75e9, "cli")


def numbers_of(labels: list[Given]) -> list[int]:
    return [int(one.alert, 16) for one in labels]


def everything(path: Path, position: bytes = b"") -> tuple[list[Given], list[str], bytes]:
    """Follow until nothing more comes."""
    follower, labels, problems = Follower(path), list[Given](), list[str]()
    while True:
        some, wrong, new = follower.read(position)
        labels += some
        problems += wrong
        if new == position:
            return labels, problems, position
        position = new


verdicts, times = st.sampled_from(LABELS), st.floats(0, 1e12)
of_alerts = st.builds(
    Given, texts.filter(bool), verdicts, texts, texts, times, texts.map(lambda text: text[:32])
)
values = st.dictionaries(st.text(min_size=1, max_size=20), numbers, min_size=1, max_size=5)
of_records = st.builds(
    Given, st.just(""), verdicts, texts, texts.filter(bool), times, key=st.text(max_size=50), values=values
)


@for_all(of_alerts | of_records)
def test_a_label_is_read_as_it_was_written(given: Given) -> None:
    line = given.to_json()
    assert "\n" not in line and line.isascii()
    assert parse(line) == given
    assert parse(line.encode()) == given


def test_the_line_is_as_promised() -> None:
    assert label(10).to_json() == (
        '{"alert": "000000000000000a", "label": "false", "class": "leak", "pipeline": "pumps", '
        '"given": 1750000000.0, "by": "cli"}'
    )
    by_hand = '{"pipeline":"pumps","key":"n/7","label":"real","class":"leak","values":{"flow":1,"temp":2.5}}'
    assert parse(by_hand) == Given(
        "", "real", "leak", "pumps", 0.0, "file", "n/7", {"flow": 1.0, "temp": 2.5}
    )


GOOD: dict[str, Any] = {"alert": "2f8a", "label": "real"}
RECORD: dict[str, Any] = {"pipeline": "p", "label": "real", "values": {"flow": 1.0}}
WRONG = [
    (GOOD | {"label": "maybe"}, "label must be one of real, false, normal"),
    (GOOD | {"label": None}, "label must be one of"),
    (GOOD | {"label": ["real"]}, "label must be one of .* not a list"),
    ({"alert": "2f8a"}, "label must be one of"),
    ({"label": "real"}, "give either the id"),
    (GOOD | RECORD, "give either the id"),
    (RECORD | {"pipeline": ""}, "need its pipeline"),
    (RECORD | {"values": {}}, "give either the id"),
    (RECORD | {"values": [1]}, "values must be a map"),
    (RECORD | {"values": {"flow": "1"}}, "value of 'flow' must be a finite number"),
    (RECORD | {"values": {"flow": True}}, "value of 'flow' must be a finite number"),
    (RECORD | {"values": {"flow": None}}, "value of 'flow' must be a finite number"),
    (RECORD | {"values": {"flow": 1e151}}, "value of 'flow' must be a finite number"),
    (RECORD | {"values": {"flow": {"x": 1}}}, "value of 'flow' must be .* not a map"),
    (GOOD | {"alert": "a" * 65}, "alert must be printable text of at most 64"),
    (GOOD | {"alert": "a\n"}, "alert must be printable"),
    (GOOD | {"class": "x" * 65}, "class must be printable text of at most 64"),
    (GOOD | {"class": "\x1b[2J"}, "class must be printable"),
    (GOOD | {"class": "\u202e"}, "class must be printable"),
    (GOOD | {"class": 7}, "class must be printable"),
    (GOOD | {"given": -1}, "given must be a time"),
    (GOOD | {"given": "now"}, "given must be a time"),
    (GOOD | {"clas": "leak"}, "there is no 'clas' in a label; it has alert, by, class"),
    (GOOD | {"key": 1}, "key must be text"),
]


@pytest.mark.parametrize(("data", "reason"), WRONG)
def test_what_is_no_label_is_refused_with_a_reason(data: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as error:
        parse(json.dumps(data))
    assert str(error.value).isprintable()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "no JSON"),
        (b"nonsense", "no JSON: expecting value at character 1"),
        (b"\xff\xfe", "no JSON|not UTF-8"),
        (b'{"alert": "a", "alert": "b", "label": "real"}', "stands there twice"),
        (b"[" * 60_000, "nested too deep|no JSON"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "nested too deep|no 'a'"),
        (b'{"alert": "a", "label": "real", "given": NaN}', "given must be"),
        (b'{"alert": "a", "label": "real", "given": 1e999}', "given must be"),
        (b'{"alert": "a", "label": "real", "given": 1' + b"0" * 6000 + b"}", "given must be"),
        (b"[]", "not a map"),
        (b'"real"', "not a map"),
        (b" " * LONGEST + b"{}", "longer than 64 KiB"),
    ],
)
def test_hostile_text(text: bytes, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse(text)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
fields = st.sampled_from(["alert", "label", "class", "pipeline", "given", "by", "key", "values", "other"])


@for_all(
    st.binary(max_size=200) | st.dictionaries(fields, json_values | st.sampled_from(LABELS)).map(json.dumps)
)
def test_anything_is_a_label_or_refused(text: str | bytes) -> None:
    try:
        found = parse(text)
    except ValueError as error:
        assert str(error).isprintable()
    else:
        assert parse(found.to_json()) == found


def test_a_key_beside_an_alert_is_kept() -> None:
    found = parse('{"alert": "2f8a", "key": "north", "label": "real"}')
    assert parse(found.to_json()) == found
    assert found.key == "north"


# --- the file


def test_appended_and_followed(tmp_path: Path) -> None:
    path, position = tmp_path / "labels.jsonl", b""
    follower = Follower(path)
    assert follower.read(b"") == ([], [], b"")
    for number in range(3):
        append(path, label(number))
        found, problems, position = follower.read(position)
        assert (numbers_of(found), problems) == ([number], [])
        assert follower.read(position) == ([], [], position)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    # Another one that is given the position, as after a restart, goes on from there.
    append(path, label(3))
    assert numbers_of(everything(path, position)[0]) == [3]
    assert numbers_of(everything(path)[0]) == [0, 1, 2, 3]


def test_nothing_is_opened_where_nothing_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.jsonl"
    append(path, label(1))
    follower = Follower(path)
    *_, position = follower.read(b"")
    follower.read(position)
    opened: list[object] = []
    really = os.open
    monkeypatch.setattr(os, "open", lambda *args: (opened.append(args[0]), really(*args))[1])
    for _ in range(100):
        assert follower.read(position) == ([], [], position)
    assert opened == []
    append(path, label(2))
    assert numbers_of(follower.read(position)[0]) == [2]


@pytest.mark.parametrize("cut", range(1, 20))
def test_a_torn_line_swallows_nothing(tmp_path: Path, cut: int) -> None:
    """What a crash left of a line is refused, and the line after it is whole."""
    path = tmp_path / "labels.jsonl"
    append(path, label(1))
    whole = path.read_bytes()
    path.write_bytes(whole + label(2).to_json().encode()[:-cut])
    found, problems, position = everything(path)
    assert (numbers_of(found), problems) == ([1], [])  # it might still be written on
    append(path, label(3))
    found, problems, _ = everything(path, position)
    assert numbers_of(found) == [3]
    assert len(problems) == 1 and problems[0].startswith("labels.jsonl:2: no JSON")


def test_a_last_line_without_its_line_feed_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    text = label(1).to_json() + "\n\n" + label(2).to_json()
    path.write_text(text)
    found, _, position = everything(path)
    assert numbers_of(found) == [1]
    path.write_text(text + "\r\n")
    assert numbers_of(everything(path, position)[0]) == [2]


def test_wrong_lines_are_told_once_with_their_number(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    lines = [label(1).to_json(), "", "{", label(2).to_json(), "x" * (LONGEST + 1), label(3).to_json()]
    path.write_text("".join(line + "\n" for line in lines))
    found, problems, position = everything(path)
    assert numbers_of(found) == [1, 2, 3]
    assert [problem.split(": ")[0] for problem in problems] == ["labels.jsonl:3", "labels.jsonl:5"]
    append(path, label(4))
    found, problems, _ = everything(path, position)
    assert (numbers_of(found), problems) == ([4], [])


def test_a_call_reads_a_bounded_part(tmp_path: Path) -> None:
    """Whatever is in the file: also a line of many megabytes, whose end comes much later."""
    path = tmp_path / "labels.jsonl"
    many = 20_000
    path.write_text("".join(label(i).to_json() + "\n" for i in range(many)))
    some, _, position = Follower(path).read(b"")
    assert 0 < len(some) < many / 5
    assert numbers_of(some + everything(path, position)[0]) == list(range(many))
    with path.open("ab") as file:
        file.write(b"\0" * (3 << 20) + b"\n" + label(7).to_json().encode() + b"\n")
    found, problems, _ = everything(path)
    assert numbers_of(found) == [*range(many), 7]
    assert problems == [f"labels.jsonl:{many + 1}: longer than 64 KiB"]


def changed(path: Path, how: str) -> None:
    if how == "cut":
        path.write_bytes(path.read_bytes()[: len(label(1).to_json()) + 1])
    elif how == "replaced":
        path.with_name("new").write_bytes(path.read_bytes())
        path.with_name("new").rename(path)
    elif how == "edited":
        path.write_text(path.read_text().replace('"false"', '"real"'))
    else:
        path.unlink()
        append(path, label(1))


@pytest.mark.parametrize("how", ["cut", "replaced", "edited", "begun anew"])
def test_another_file_is_read_from_its_beginning(tmp_path: Path, how: str) -> None:
    path = tmp_path / "labels.jsonl"
    for number in (1, 2):
        append(path, label(number))
    follower = Follower(path)
    *_, position = follower.read(b"")
    changed(path, how)
    with capture_logs() as log:
        again, _, position = follower.read(position)
    assert numbers_of(again) == ([1, 2] if how in ("replaced", "edited") else [1])
    assert [line["event"] for line in log] == ["labels_read_again"]
    append(path, label(3))
    assert numbers_of(follower.read(position)[0]) == [3]


@pytest.mark.parametrize("position", [b"{}", b"\xff", b"[]", b'["a"]', b"[1, 2, 3, 4, 5, 6]", b"null", b"7"])
def test_a_position_of_something_else_begins_anew(tmp_path: Path, position: bytes) -> None:
    append(tmp_path / "labels.jsonl", label(1))
    assert numbers_of(everything(tmp_path / "labels.jsonl", position)[0]) == [1]


# --- who writes at once, and what may lie there


WRITER = """
import os
import sys
from pathlib import Path
from detector.labelbook import append
from detector.given import Given
path, first = Path(sys.argv[1]), int(sys.argv[2])
if sys.argv[4] == "carelessly":
    print("ready", flush=True)
    sys.stdin.readline()
    def append(path, given):
        with path.open("ab", buffering=0) as file:
            line = given.to_json().encode() + b"\\n"
            file.write(line[:20])
            os.sched_yield()
            file.write(line[20:])
for number in range(first, first + int(sys.argv[3])):
    append(path, Given(f"{number:016x}", "false", "x" * (number % 60), "pumps", 1.75e9, "cli"))
    print(number, flush=True)
"""


def writer(path: Path, first: int, count: int, how: str = "properly") -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), str(first), str(count), how]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def test_several_processes_at_once_lose_and_tear_nothing(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    writers = [writer(path, 1000 * i, 150) for i in range(4)]
    follower, position, seen = Follower(path), b"", list[int]()
    while any(one.poll() is None for one in writers) or follower.read(position)[2] != position:
        some, problems, position = follower.read(position)
        assert problems == []
        seen += numbers_of(some)
    assert [one.wait() for one in writers] == [0] * 4
    for one in writers:
        one.communicate()
    assert sorted(seen) == [1000 * i + n for i in range(4) for n in range(150)]
    for i in range(4):  # and each one's in its order
        of_one = [number for number in seen if number // 1000 == i]
        assert of_one == sorted(of_one)


def test_without_lock_and_whole_writes_lines_are_torn(tmp_path: Path) -> None:
    """Negative control of the test above."""
    path = tmp_path / "labels.jsonl"
    writers = [writer(path, 10_000 * i, 2000, "carelessly") for i in range(4)]
    for one in writers:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in writers:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    for one in writers:
        one.communicate()
    assert everything(path)[1] != []


def test_what_a_killed_writer_was_told_is_there(tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    told: list[int] = []
    for first in (0, 100_000, 200_000):
        one = writer(path, first, 100_000)
        assert one.stdout is not None
        told += [int(one.stdout.readline()) for _ in range(20)]
        one.send_signal(signal.SIGKILL)
        told += [int(line) for line in one.stdout.read().splitlines()]
        one.wait()
        one.stdout.close()
    found, problems, _ = everything(path)
    assert set(told) <= set(numbers_of(found))
    assert problems == []


def test_a_write_in_part_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "labels.jsonl"
    append(path, label(1))
    before = path.read_bytes()
    really, room = os.write, iter([10])

    def write(file: int, data: bytes) -> int:
        if (left := next(room, 0)) == 0:
            raise OSError(errno.ENOSPC, "no space left on device")
        return really(file, data[:left])

    monkeypatch.setattr(os, "write", write)
    with pytest.raises(StateError, match="no space left"):
        append(path, label(2))
    assert path.read_bytes() == before
    monkeypatch.undo()
    append(path, label(2))
    assert numbers_of(everything(path)[0]) == [1, 2]


def test_only_a_plain_file_is_written_or_read(tmp_path: Path) -> None:
    """A link may lead elsewhere, a pipe may block for ever, a directory is none."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text(label(1).to_json() + "\n")
    for name in ("link", "dangling", "pipe", "folder"):
        path = tmp_path / name
        if name == "pipe":
            os.mkfifo(path)
        elif name == "folder":
            path.mkdir()
        else:
            path.symlink_to(elsewhere if name == "link" else tmp_path / "none")
        with pytest.raises(StateError, match="the label cannot be written"):
            append(path, label(2))
        follower = Follower(path)
        found, problems, position = follower.read(b"")
        assert (found, position) == ([], b"")
        assert len(problems) == 1 and "cannot be read" in problems[0]
        assert follower.read(b"") == ([], [], b"")  # told once
    assert numbers_of(everything(elsewhere)[0]) == [1]
    assert not (tmp_path / "none").exists()


def test_no_directory(tmp_path: Path) -> None:
    with pytest.raises(StateError, match=r"labels\.jsonl: the label cannot be written: No such file"):
        append(tmp_path / "none" / "labels.jsonl", label(1))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make files of others")
def test_made_by_root_it_belongs_to_the_owner_of_the_directory(tmp_path: Path) -> None:
    """Else the daemon, which is another user, could not read what root has labelled."""
    os.chown(tmp_path, 12345, 23456)
    append(tmp_path / "labels.jsonl", label(1))
    made = (tmp_path / "labels.jsonl").stat()
    assert (made.st_uid, made.st_gid) == (12345, 23456)
