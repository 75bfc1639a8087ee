"""A child that fails in any way is an outcome, and neither it nor the caller's end leaves anything behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from detector.training.process import Failure, Limits, Process, Progress, Result

ROOT = Path(__file__).parents[2]
QUICK = Limits(seconds=20.0, memory=1 << 30)
X = np.arange(6.0).reshape(3, 2)


def begin(task: str, limits: Limits = QUICK, **meta: float | str) -> Process:
    return Process(f"tests.training.tasks:{task}", {"X": X}, {"name": "a", **meta}, limits)


def run(task: str, limits: Limits = QUICK, **meta: float | str) -> Result | Failure | None:
    return begin(task, limits, **meta).wait(30.0)


def runs(pid: int) -> bool:
    """Whether the process is there and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: object, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize("task", ["double", "chatter"])
def test_the_result_comes_back_and_what_is_printed_does_not(task: str) -> None:
    process = begin(task)
    result = process.wait(30.0)
    assert isinstance(result, Result), result
    np.testing.assert_array_equal(result.arrays["X"], 2 * X)
    assert result.meta == {"name": "a"}
    assert process.poll() is result
    assert process.progress == Progress(1, 2, "doubling")
    assert not runs(process.pid)


def test_more_than_a_pipe_holds_goes_both_ways() -> None:
    large = np.random.default_rng(0).random((1000, 1000))
    result = Process("tests.training.tasks:double", {"X": large}, {"name": "a"}, QUICK).wait(30.0)
    assert isinstance(result, Result)
    np.testing.assert_array_equal(result.arrays["X"], 2 * large)


def test_it_has_low_priority_and_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    result = run("about")
    assert isinstance(result, Result)
    assert result.meta["nice"] == min(os.nice(0) + 10, 19)
    assert result.meta["threads"] == 1
    assert result.meta["pid"] != os.getpid()


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("refuse", "features a and b are the same"),
        ("raise_something", "LinAlgError: Singular matrix"),
        ("leave", "ended with exit code 3; its last words: a reason"),
        ("be_killed", "was killed by SIGKILL while the second of three: out of memory?"),
        ("abort", "was killed by SIGABRT: out of memory?"),
        ("answer_nonsense", "its answer cannot be read: a message of "),
        ("return_nothing", "TypeError: "),
        ("not_there", "AttributeError: "),
    ],
)
def test_every_failure_is_an_outcome_with_its_reason(task: str, said: str) -> None:
    outcome = run(task)
    assert isinstance(outcome, Failure)
    assert outcome.reason.startswith(said)


@pytest.mark.parametrize("task", ["sleep", "spin", "hold_the_interpreter"])
def test_the_time_limit_ends_it(task: str) -> None:
    start = time.monotonic()
    process = begin(task, Limits(seconds=2.0))
    outcome = process.wait(10.0)
    assert isinstance(outcome, Failure)
    assert outcome.reason.startswith("took longer than 2 s while ")
    assert 2.0 <= time.monotonic() - start < 4.0
    assert not runs(process.pid)


def test_the_memory_limit_holds_and_less_is_granted() -> None:
    assert isinstance(run("eat", Limits(20.0, 1 << 30), bytes=1 << 27), Result)
    outcome = run("eat", Limits(20.0, 1 << 30), bytes=1 << 31)
    assert outcome == Failure("needed more memory than 1.07 GB")


def test_memory_that_does_not_even_hold_the_interpreter_is_a_failure() -> None:
    outcome = run("double", Limits(20.0, 1 << 20))
    assert isinstance(outcome, Failure)


def test_cancel_ends_it_at_once_and_twice_is_no_harm() -> None:
    process = begin("hold_the_interpreter")
    assert until(lambda: process.progress.total)
    assert process.poll() is None
    start = time.monotonic()
    process.cancel()
    process.cancel()
    assert time.monotonic() - start < 1.0
    assert process.poll() == Failure("cancelled")
    assert not runs(process.pid)


def test_cancel_after_the_end_leaves_the_result() -> None:
    process = begin("double")
    assert isinstance(process.wait(30.0), Result)
    process.cancel()
    assert isinstance(process.poll(), Result)


def test_it_outlives_the_thread_that_began_it() -> None:
    """As PR_SET_PDEATHSIG would not let it."""
    begun: list[Process] = []
    thread = threading.Thread(target=lambda: begun.append(begin("double")))
    thread.start()
    thread.join()
    assert isinstance(begun[0].wait(30.0), Result)


PARENT = """
import sys, time, numpy as np
from detector.training.process import Limits, Process
child = Process("tests.training.tasks:" + sys.argv[1], {"X": np.ones((1, 1))}, {"name": "a"}, Limits(6.0))
while not child.progress.total:
    time.sleep(0.02)
print(child.pid, flush=True)
time.sleep(1000)
"""


@pytest.mark.parametrize("task", ["sleep", "spin"])
def test_no_orphan_is_left_when_the_parent_is_killed(task: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, task], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.send_signal(signal.SIGKILL)
    assert until(lambda: not runs(child), 3.0)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_nothing_is_left_open() -> None:
    before = descriptors(), threading.active_count()
    for task in ("double", "refuse", "be_killed"):
        run(task)
    begin("sleep").cancel()
    assert (descriptors(), threading.active_count()) == before
