"""Files that come: each is read once, when it is complete, and put away when it is stored."""

from __future__ import annotations

import gzip
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from connectors.sources import finished
from connectors.sources.directory import DirectoryOptions, DirectorySource
from detector.contracts import Batch, Layout
from detector.errors import SourceError

LAYOUT = Layout(("x",), key="{k}")


def source(pattern: Path | str, resume: bytes = b"", **options: Any) -> DirectorySource:
    how = {"settle": "0s", "poll": "1ms"} | options
    made = DirectorySource("s", DirectoryOptions(paths=(str(pattern),), file_label="k", **how), LAYOUT)
    made.open(resume)
    return made


def read(one: DirectorySource, max_rows: int = 100, *, ack: bool = True) -> list[Batch]:
    """Read until nothing more comes."""
    batches = []
    while (batch := one.read(max_rows, 0.01)) is not None:
        batches.append(batch)
        assert len(batches) < 1000
        if ack:
            one.ack(batch.token)
    return batches


def xs(batches: list[Batch]) -> list[float]:
    return [x for batch in batches for x in batch.columns["x"].tolist()]


def put(path: Path, *values: float) -> Path:
    """Write a file beside it, and rename it into its place, as senders should."""
    path.parent.mkdir(exist_ok=True)
    data = "\n".join(["x", *map(str, values)]).encode()
    new = path.with_name(f".{path.name}")
    new.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    new.rename(path)
    return path


def test_files_are_read_as_they_come(tmp_path: Path) -> None:
    put(tmp_path / "b.csv", 1, 2)
    one = source(tmp_path / "**" / "*.csv*")
    assert xs(read(one, 1)) == [1.0, 2.0]
    put(tmp_path / "deep" / "c.csv.gz", 4)
    put(tmp_path / "a.csv", 3)
    put(tmp_path / "a.txt", 9)
    batches = read(one)
    assert xs(batches) == [3.0, 4.0]
    assert [key for batch in batches for key in batch.key] == ["a", "c"]
    assert one.read(10, 0.01) is None
    one.close()


def test_in_the_order_of_their_times(tmp_path: Path) -> None:
    for i, name in enumerate("cab"):
        os.utime(put(tmp_path / f"{name}.csv", i), ns=(i, i))
    assert xs(read(source(tmp_path / "*.csv", order="mtime"))) == [0.0, 1.0, 2.0]
    assert xs(read(source(tmp_path / "*.csv"))) == [1.0, 2.0, 0.0]


def test_not_before_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("")
    one = source(path, settle="150ms", poll="5ms")
    assert one.read(10, 0.3) is None  # an empty file is none yet
    with path.open("a") as file:
        file.write("x\n")
        for i in range(8):
            file.write(f"{i}\n")
            file.flush()
            assert one.read(10, 0.05) is None
    end = time.monotonic() + 5
    while (batch := one.read(100, 0.05)) is None:
        assert time.monotonic() < end
    assert xs([batch]) == list(map(float, range(8)))


def test_it_is_put_away_when_it_is_committed(tmp_path: Path) -> None:
    done = tmp_path / "done"
    done.mkdir()
    for how in ({"after": "delete"}, {"after": "move", "move_to": done}):
        path = put(tmp_path / "a.csv", 1, 2, 3)
        one = source(tmp_path / "**" / "*.csv", **how)
        batches = read(one, 2, ack=False)
        assert xs(batches) == [1.0, 2.0, 3.0]
        one.ack(object())
        one.ack(batches[0].token)
        assert path.exists()
        one.ack(batches[-1].token)
        one.ack(batches[-1].token)
        assert not path.exists()
        assert xs(read(one)) == []
    assert [path.name for path in done.iterdir()] == ["a.csv"]
    put(tmp_path / "a.csv", 4)
    assert xs(read(one)) == [4.0]
    assert sorted(path.name for path in done.iterdir()) == ["a.1.csv", "a.csv"]
    assert (done / "a.csv").read_text().split() == ["x", "1", "2", "3"]


def test_it_is_put_away_after_a_crash_between_commit_and_acknowledgement(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", 1)
    (batch,) = read(source(path, after="delete"), ack=False)
    again = source(path, batch.position, after="delete")
    assert xs(read(again)) == [] and not path.exists()


def test_killed_anywhere_every_record_comes_once(tmp_path: Path) -> None:
    for seed in range(40):
        chance, folder = random.Random(seed), tmp_path / str(seed)
        folder.mkdir()
        after, committed, position, written = chance.choice(["keep", "delete"]), list[float](), b"", 0
        while written < 30 or len(committed) < written:
            for _ in range(chance.randrange(3) if written < 30 else 0):
                values = range(written, written + chance.randrange(1, 9))
                put(folder / f"{written:03}.csv{chance.choice(['', '.gz'])}", *values)
                written = values.stop
            one = source(folder / "*", position, after=after)
            for _ in range(chance.randrange(6)):
                batch = one.read(chance.randrange(1, 5), 0.002)
                if batch is None or chance.random() < 0.2:
                    break  # killed before the commit
                committed, position = committed + xs([batch]), batch.position
                if chance.random() < 0.2:
                    break  # killed before the acknowledgement
                one.ack(batch.token)
            one.close()
        assert xs(read(source(folder / "*", position, after=after))) == []
        assert committed == list(map(float, range(written))), seed
        assert bool(list(folder.iterdir())) == (after == "keep")


def test_what_changes_after_it_was_read(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", 1)
    one = source(path, after="keep")
    first = read(one)
    assert xs(first) == [1.0]
    with path.open("a") as file:
        file.write("\n2\n")
    for again in (one, source(path, first[-1].position)):
        with capture_logs() as logs:
            assert xs(read(again)) == xs(read(again)) == []
        assert [log["event"] for log in logs] == ["file_changed_not_read_again"]
    os.utime(put(path, 3), ns=(1, 1))  # another one by the same name
    assert xs(read(one)) == [3.0]


def test_what_changed_before_it_could_be_deleted_stays(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", 1)
    one = source(path, after="delete")
    (batch,) = read(one, ack=False)
    with path.open("a") as file:
        file.write("\n2\n")
    one.ack(batch.token)
    assert path.read_text().split() == ["x", "1", "2"]


def test_a_file_that_is_replaced_or_gone_while_it_is_read(tmp_path: Path) -> None:
    path = put(tmp_path / "a.csv", 1, 2, 3)
    one = source(path)
    batch = one.read(2, 0.1)
    assert batch is not None
    put(path, 7, 8, 9)
    assert xs(read(source(path, batch.position))) == [7.0, 8.0, 9.0]
    path.write_text("x\n1\n")  # cut: begins as what was read
    os.truncate(path, 2)
    assert xs(read(source(path, batch.position))) == []
    path.unlink()
    again = source(tmp_path / "*.csv", batch.position)
    put(tmp_path / "b.csv", 5)
    assert xs(read(again)) == [5.0]


def test_a_broken_file_stays(tmp_path: Path) -> None:
    packed = gzip.compress("\n".join(["x", *map(str, range(1000))]).encode())
    path = tmp_path / "a.csv.gz"
    path.write_bytes(packed[:-9])
    bad = tmp_path / "b.csv"
    bad.write_text("x,x\n1,2\n")
    one = source(tmp_path / "*", after="delete")
    with capture_logs() as logs:
        batches = read(one)
        reasons = [rejected.reason for batch in batches for rejected in batch.rejected]
    assert reasons == ["truncated_gzip", "bad_header"]
    assert path.exists() and bad.exists()
    assert [log["event"] for log in logs] == ["file_kept", "file_kept"]
    assert xs(read(source(tmp_path / "*", batches[-1].position, after="delete"))) == [] and path.exists()


def test_what_is_remembered_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished, "_MOST", 5)
    one = source(tmp_path / "*.csv", order="mtime")
    sizes, batches = [], list[Batch]()
    for i in range(30):
        os.utime(put(tmp_path / f"{i % 7}{i}.csv", i), ns=(i * 10**9,) * 2)
        batches += read(one)
        sizes.append(len(batches[-1].position))
    assert xs(batches) == list(map(float, range(30)))
    assert max(sizes) <= sizes[6] + 20
    again = source(tmp_path / "*.csv", batches[-1].position)
    with capture_logs() as logs:
        assert xs(read(again)) == []
    assert {log["event"] for log in logs} == {"file_older_than_known_not_read"}
    put(tmp_path / "new.csv", 99)
    assert xs(read(again)) == [99.0]


def test_positions_that_cannot_be_read(tmp_path: Path) -> None:
    for resume in (
        b"{",
        b"[]",
        b'{"files": "x"}',
        b'{"files": "AAAA"}',
        b'{"floor": "a"}',
        b'{"current": 1}',
    ):
        with pytest.raises(SourceError, match="position"):
            source(tmp_path / "*", resume)


@pytest.mark.parametrize(
    "place", [lambda base: base / "no" / "*.csv", lambda base: base / "no" / "**" / "a.csv"]
)
def test_a_directory_that_is_not_there(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    with pytest.raises(SourceError, match=r"no directory .*/no; make it"):
        source(place(tmp_path))
    with pytest.raises(SourceError, match="no directory"):
        source(tmp_path / "*", after="move", move_to=tmp_path / "done")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"after": "move"}, "belong together"),
        ({"move_to": "x"}, "belong together"),
        ({"poll": "0s"}, "greater than 0"),
        ({"order": "size"}, "mtime"),
    ],
)
def test_options(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        DirectoryOptions.model_validate({"paths": ["a"], **options})
    made = DirectoryOptions.model_validate(
        {"paths": ["a"], "after": "move", "move_to": "../done"}, context={"base": Path("/etc/kyori")}
    )
    assert made.move_to == Path("/etc/done")
