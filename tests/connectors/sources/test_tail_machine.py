"""P19: random things happen to a log, and a list of lines says what must have been read.

What may be lost is noted line by line, where it happens: nothing else is, nothing comes twice, in another
order or in part.
"""

from __future__ import annotations

import gzip
import os
import re
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from detector.contracts import Batch
from tests.connectors.sources.tailing import Follower, append

FULL = os.environ.get("KYORI_FULL")


@dataclass
class Rotated:
    """A file that had the log's name, or a copy of it, and the lines in it."""

    path: Path
    lines: list[int]
    found_again: bool = True


def in_order(batch: Batch) -> list[int]:
    """Return the numbers of a batch's lines; those of lines that were rejected are negative."""
    lines = [int(x) for x in batch.columns["x"]]
    for i, one in enumerate(batch.rejected):
        found = re.search(rb'"x": (\d+)', one.raw)
        assert found and one.reason == "bad_json", one
        lines.insert(one.row + i, -int(found[1]))
    return lines


@dataclass
class Model:
    """What was written, what was read, and what of it may be missing."""

    written: list[int] = field(default_factory=list)
    read: list[int] = field(default_factory=list)
    committed: int = 0
    may_be_lost: set[int] = field(default_factory=set)

    def lose(self, lines: list[int]) -> None:
        self.may_be_lost |= set(lines) - set(self.read[: self.committed])

    def expected(self) -> list[int]:
        seen = set(self.read)
        return [line for line in self.written if line in seen or line not in self.may_be_lost]


class Log(RuleBasedStateMachine):
    """A log, its writer, whatever rotates it, and a reader that is stopped and killed."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "a.jsonl"
        self.model = Model()
        self.rotated: list[Rotated] = []
        self.here: list[int] = []
        self.partial = 0
        self.count = 0
        self.targets = 0
        self.up = True
        self.found_again = self.in_position = True
        self.may_be_late = False

    @initialize(linger=st.sampled_from(["0ms", "1h"]), shifted=st.booleans(), linked=st.booleans())
    def begin(self, linger: str, shifted: bool, linked: bool) -> None:
        # What is rotated away before anything of the log was seen cannot be known of: it is there at first.
        self.lingers, self.shifted, self.linked = linger == "1h", shifted, linked
        if linked:
            self._link()
        self.follower = Follower(self.path, linger=linger)
        self.position = self.follower.position
        self.write(1, bad=False)
        self.read_all(1)

    @property
    def log(self) -> Path:
        """The file itself, where the name is a link."""
        return self.path.readlink() if self.linked else self.path

    def _link(self) -> None:
        folder = self.directory / "there"
        folder.mkdir(exist_ok=True)
        self.targets += 1
        (self.directory / "new").symlink_to(folder / f"{self.targets}.jsonl")
        (self.directory / "new").rename(self.path)

    def _line(self, bad: bool) -> bytes:
        self.count += 1
        return b'{"x": %d, "pad": "%s"}' % (self.count, b"\xff" if bad else b"p" * (self.count * 37 % 200))

    def _written(self, lines: list[int], where: list[int]) -> None:
        self.model.written += lines
        where += lines

    @rule(count=st.integers(1, 30), bad=st.booleans())
    def write(self, count: int, bad: bool) -> None:
        text, lines = b"", []
        if self.partial:
            text, lines, self.partial = b"\n", [self.partial], 0
        for i in range(count):
            text += self._line(bad and i == 0) + b"\n"
            lines.append(-self.count if bad and i == 0 else self.count)
        append(self.log, text)
        self._written(lines, self.here)
        self.may_be_late = False

    @precondition(lambda self: not self.partial)
    @rule()
    def write_partial(self) -> None:
        append(self.log, self._line(bad=False))
        self.partial = self.count
        self.may_be_late = False

    @precondition(lambda self: self.may_be_late and self.lingers)
    @rule()
    def write_to_the_renamed_file(self) -> None:
        append(self.rotated[-1].path, self._line(bad=False) + b"\n")
        time.sleep(0.005)  # of two files written within one tick nothing tells which was first
        self._written([self.count], self.rotated[-1].lines)
        if not self.rotated[-1].found_again:
            self.model.lose([self.count])

    def _free_name(self) -> Path:
        """Return the next number, or make room for number one, as logrotate does."""
        time.sleep(0.005)  # so that the clock of the file system ticks
        if self.shifted:
            for one in self.rotated:
                stem, number, *packed = one.path.name.rsplit(".", 2 if one.path.suffix == ".gz" else 1)
                one.path = one.path.rename(
                    one.path.with_name(".".join([stem, str(int(number) + 1), *packed]))
                )
        return self.log.with_name(f"{self.log.name}.{1 if self.shifted else len(self.rotated) + 1}")

    @rule(recreate=st.booleans())
    def rename(self, recreate: bool) -> None:
        if self.log.exists():
            new = self.log.rename(self._free_name())
            self.rotated.append(Rotated(new, self.here, self.found_again))
            self.may_be_late = not self.partial
            if not self.found_again:
                self.model.lose(self.here)
            self.here, self.partial = [], 0
        if recreate:
            self.log.touch()

    @rule(copy=st.booleans())
    def cut(self, copy: bool) -> None:
        if not self.log.exists():
            return
        begun = not set(self.here).isdisjoint(self.model.read[: self.model.committed])
        if self.up or not copy or not begun:
            self.model.lose(self.here)
        if copy:
            name = self._free_name()
            shutil.copyfile(self.log, name)
            self.rotated.append(Rotated(name, self.here))
        os.truncate(self.log, 0)
        self.here, self.partial = [], 0
        self.may_be_late = False

    @rule()
    def delete(self) -> None:
        self.model.lose(self.here)
        self.log.unlink(missing_ok=True)
        self.here, self.partial = [], 0
        self.may_be_late = False

    @precondition(lambda self: self.rotated)
    @rule(which=st.integers(0, 100))
    def pack(self, which: int) -> None:
        one = self.rotated[which % len(self.rotated)]
        if one.path.suffix == ".gz":
            return
        packed = one.path.with_name(one.path.name + ".gz")
        packed.write_bytes(gzip.compress(one.path.read_bytes()))
        shutil.copystat(one.path, packed)
        one.path.unlink()
        one.path = packed
        self.model.lose(one.lines)
        self.may_be_late = False

    @precondition(lambda self: self.linked)
    @rule()
    def swap_the_link(self) -> None:
        if not self.found_again:
            self.model.lose(self.here)
        self._link()
        self.here, self.partial = [], 0
        self.found_again = self.in_position = self.may_be_late = False

    @precondition(lambda self: self.up)
    @rule()
    def stop(self) -> None:
        self._commit()
        self.follower.source.close()
        self.up = False

    @precondition(lambda self: self.up)
    @rule()
    def kill(self) -> None:
        self.follower.source.close()
        del self.model.read[self.model.committed :]
        self.position = self.follower.position
        self.in_position = self.found_again
        self.up = False

    @precondition(lambda self: not self.up)
    @rule()
    def start(self) -> None:
        self.follower.start()
        self.up = True

    def _commit(self) -> None:
        self.follower.position = self.position
        self.model.committed = len(self.model.read)
        self.found_again = self.in_position

    def _read(self, max_rows: int) -> bool:
        batch = self.follower.source.read(max_rows, 0.0)
        if batch is None:
            return False
        self.model.read += in_order(batch)
        self.position = batch.position
        self.in_position = self.in_position or self.path.exists()
        return True

    @precondition(lambda self: self.up)
    @rule(max_rows=st.sampled_from([1, 3, 1000]))
    def read_all(self, max_rows: int) -> None:
        while self._read(max_rows):
            pass
        self._commit()
        if self.path.exists():  # else some may still be found when there is a file of that name again
            assert self.model.read == self.model.expected()

    @precondition(lambda self: self.up)
    @rule(commit=st.booleans())
    def read_some(self, commit: bool) -> None:
        self._read(2)
        if commit:
            self._commit()

    @invariant()
    def nothing_is_made_up(self) -> None:
        assert self.model.read == self.model.expected()[: len(self.model.read)]

    def teardown(self) -> None:
        if not self.up:
            self.start()
        self.log.touch()
        self.read_all(1000)
        self.follower.source.close()
        shutil.rmtree(self.directory)


TestLog = pytest.mark.crash(Log.TestCase)
TestLog.settings = settings(
    max_examples=2000 if FULL else 40,
    stateful_step_count=30,
    deadline=None,
    phases=[
        Phase.explicit,
        Phase.reuse,
        Phase.generate,
    ],  # to shrink what fails takes minutes: add Phase.shrink
)
