"""The file sink: each alert once, whatever the file system and others do."""

from __future__ import annotations

import json
import os
import resource
import signal
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from connectors.sinks.file import FileSink
from detector.errors import SinkUnavailable
from tests.checks.sinks import alerts, ids, write


def sink(path: Path) -> FileSink:
    return FileSink("out", FileSink.Options(path=path))


def lines(path: Path) -> list[str]:
    return path.read_text().split("\n")[:-1]


def numbers(path: Path) -> list[int]:
    return [int(one, 16) for one in ids(lines(path))]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


def test_mode_and_position(path: Path) -> None:
    before = os.umask(0)
    try:
        (position,) = write(sink(path), alerts(1))
    finally:
        os.umask(before)
    status = path.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    noted = json.loads(position)
    assert (noted["dev"], noted["inode"], noted["offset"]) == (status.st_dev, status.st_ino, status.st_size)


@pytest.mark.parametrize("kept", ["nothing", "half a line", "one and a half"])
def test_torn_first_write_is_completed(path: Path, kept: str) -> None:
    """The crash may come at any byte of a write that was never noted."""
    data = "".join(one.to_json() + "\n" for one in alerts(1, 2, 3))
    size = {"nothing": 0, "half a line": 50, "one and a half": len(data) // 2}[kept]
    path.write_text('{"foreign": 1}\n' + data[:size])
    write(sink(path), alerts(1, 2, 3))
    assert path.read_text() == '{"foreign": 1}\n' + data


def test_every_cut_of_an_un_noted_write_is_mended(path: Path) -> None:
    first, _ = write(sink(path), alerts(1), alerts(2, 3))
    whole = path.read_bytes()
    for size in range(json.loads(first)["offset"], len(whole), 7):
        path.write_bytes(whole[:size])
        write(sink(path), alerts(2, 3), resume=first)
        assert path.read_bytes() == whole


def test_foreign_last_line_without_an_end_stays_whole(path: Path) -> None:
    path.write_text("someone's notes")
    write(sink(path), alerts(1))
    assert lines(path)[0] == "someone's notes"
    assert ids(lines(path)[1:]) == ids([alerts(1)[0].to_json()])


def test_position_of_another_file_cuts_nothing(path: Path) -> None:
    """Also when the same inode was given to a new, longer file."""
    (position,) = write(sink(path), alerts(1))
    foreign = "x" * 5000 + "\n"
    path.write_text(foreign)
    write(sink(path), alerts(2), resume=position)
    assert path.read_text().startswith(foreign)

    path.unlink()
    path.write_text(foreign)
    write(sink(path), alerts(2), resume=position)
    assert path.read_text() == foreign + alerts(2)[0].to_json() + "\n"


def test_file_shorter_than_the_position(path: Path) -> None:
    (position,) = write(sink(path), alerts(1, 2))
    path.write_text("")
    write(sink(path), alerts(3), resume=position)
    assert numbers(path) == [3]


def test_rotation_while_running(path: Path) -> None:
    out = sink(path)
    out.open(b"")
    out.write(alerts(1))
    path.rename(path.with_suffix(".1"))
    position = out.write(alerts(2))
    path.unlink()
    out.write(alerts(3))
    out.close()
    assert numbers(path.with_suffix(".1")) == [1]
    assert numbers(path) == [3]
    assert json.loads(position)["offset"] == len(alerts(2)[0].to_json()) + 1


@pytest.mark.parametrize("kind", ["link", "dangling", "fifo", "folder", "device"])
def test_only_a_regular_file_is_written(path: Path, kind: str) -> None:
    target = path.parent / "elsewhere"
    if kind == "link":
        target.write_text("precious\n")
    if kind in {"link", "dangling"}:
        path.symlink_to(target)
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path = Path("/dev/null")
    out = sink(path)
    with pytest.raises(SinkUnavailable, match=str(path)):
        out.open(b"")
    assert out.probe(1) is not None
    assert not target.exists() or target.read_text() == "precious\n"


def test_second_writer_is_kept_out(path: Path) -> None:
    one, two = sink(path), sink(path)
    one.open(b"")
    with pytest.raises(SinkUnavailable, match="another process or sink"):
        two.open(b"")
    one.close()
    two.open(b"")
    two.close()


CHILD = """
import resource, sys
from pathlib import Path
from tests.checks.sinks import alerts
from tests.connectors.sinks.test_file import sink
from detector.errors import SinkUnavailable

out = sink(Path(sys.argv[1]))
out.open(b"")
out.write(alerts(1))
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
size = Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 100, hard))
try:
    out.write(alerts(2, 3))
except SinkUnavailable as error:
    print(error)
assert Path(sys.argv[1]).stat().st_size == size, "half an alert stayed"
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
out.write(alerts(2, 3))
"""


def test_full_disk_leaves_no_half_alert_and_heals(path: Path) -> None:
    """A limit on the file's size stands in for a full disk: a write that is cut short, then an error."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert "File too large; rotate the file" in done.stdout
    assert numbers(path) == [1, 2, 3]


def test_what_could_not_be_undone_is_undone_later(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = sink(path)
    out.open(b"")
    out.write(alerts(1))
    real = os.write

    def torn(fd: int, data: Any) -> int:
        real(fd, bytes(data)[:30])
        raise OSError(5, "Input/output error")

    def refuse(_fd: int, _size: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", torn)
        patched.setattr(os, "ftruncate", refuse)
        with pytest.raises(SinkUnavailable, match="Input/output error"):
            out.write(alerts(2))
    assert not path.read_bytes().endswith(b"\n")
    out.write(alerts(2))
    out.close()
    assert numbers(path) == [1, 2]


def test_probe(path: Path) -> None:
    assert sink(path).probe(1) is None
    assert not path.exists()
    write(sink(path), alerts(1))
    assert sink(path).probe(1) is None
    assert sink(path / "below").probe(1) is not None


def test_signal_of_the_limit_is_ignored_by_python() -> None:
    """Else the test of the full disk would end its process instead of seeing an error."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN
    assert hasattr(resource, "RLIMIT_FSIZE")
