"""A task in a process of its own, which may take long, fail, or eat memory, and this process goes on.

The child is a fresh interpreter that runs ``detector.training.child``: nothing of this process is in it, and
nothing of it comes back but bytes of `detector.codec`. It has low priority, one thread for linear algebra,
a limit on memory, and no longer than it is given. It ends when this process does, however that ends.
"""

from __future__ import annotations

import os
import selectors
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector import codec
from detector.errors import CorruptState, StateError

LENGTH = struct.Struct("<Q")
"""What comes before every message, both ways."""
LARGEST_MESSAGE = 1 << 28

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_STDERR_KEPT = 4096
_PIECE = 1 << 16

Arrays = Mapping[str, NDArray[np.generic]]
Meta = Mapping[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Limits:
    """What learning may take.

    Attributes
    ----------
    seconds : float
        Of wall-clock time.
    memory : int
        Bytes of address space of the process; its libraries take about 300 MB of them.
    rows : int
        Records; of more, so many are drawn, the rare classes first.
    """

    seconds: float = 120.0
    memory: int = 2 << 30
    rows: int = 10_000


@dataclass(frozen=True, slots=True)
class Result:
    """What the task returned."""

    arrays: dict[str, NDArray[np.generic]]
    meta: dict[str, str | int | float]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there is no result."""

    reason: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the task is, as it says itself."""

    done: int = 0
    total: int = 0
    doing: str = "starting"


class Process:
    """A task that is running; nothing here raises because of what the task does.

    Parameters
    ----------
    task : str
        ``module:function``; takes arrays, meta, and a function that is told done, total and what comes;
        returns arrays and meta.
    arrays, meta
        What it is given, as `codec.encode` takes them.
    limits : Limits
        Its time and memory.

    Attributes
    ----------
    progress : Progress
        The latest.
    """

    def __init__(self, task: str, arrays: Arrays, meta: Meta, limits: Limits) -> None:
        self.progress = Progress()
        self._limits = limits
        self._outcome: Result | Failure | None = None
        self._cancelled = self._late = False
        message = codec.encode(arrays, meta)
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-P", "-m", "detector.training.child", task,
             str(limits.memory), str(int(limits.seconds) + 10)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=_environ(), start_new_session=True,
        )  # fmt: skip
        self._talk = _Talk(self._child, LENGTH.pack(len(message)) + message)
        self._thread = threading.Thread(target=self._run, name="training", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Of the child."""
        return self._child.pid

    def poll(self) -> Result | Failure | None:
        """Return the outcome, None while there is none; never waits."""
        return self._outcome

    def wait(self, seconds: float | None = None) -> Result | Failure | None:
        """Return the outcome as soon as there is one, or None after so many seconds."""
        self._thread.join(seconds)
        return self._outcome

    def cancel(self) -> None:
        """Kill it and wait for its end; safe to call twice, and when it has ended."""
        self._cancelled = True
        self._child.kill()
        self._thread.join()

    def _run(self) -> None:
        deadline = time.monotonic() + self._limits.seconds
        answer: Result | Failure | None = None
        with self._child:
            try:
                for message in self._talk.messages(deadline):
                    answer = self._understood(message) or answer
            except TimeoutError:
                self._late = True
            except (StateError, OSError) as error:
                answer = Failure(f"its answer cannot be read: {error}")
            self._child.kill()  # it has said all, or must not say more
        self._outcome = answer or Failure(self._explained())

    def _understood(self, message: bytes) -> Result | Failure | None:
        arrays, meta = codec.decode(message)
        match meta.pop("is", ""):
            case "progress":
                self.progress = Progress(int(meta["done"]), int(meta["total"]), str(meta["doing"]))
                return None
            case "failure":
                return Failure(str(meta["reason"]))
            case _:
                return Result(arrays, meta)

    def _explained(self) -> str:
        """Return why it ended without an answer."""
        doing = f" while {self.progress.doing}" if self.progress.total else ""
        if self._cancelled:
            return "cancelled"
        if self._late:
            return f"took longer than {self._limits.seconds:g} s{doing}"
        code, said = self._child.returncode, self._talk.last_words()
        if code == -signal.SIGXCPU:
            return f"took longer than {self._limits.seconds:g} s{doing}"
        if code < 0:
            return f"was killed by {signal.Signals(-code).name}{doing}: out of memory?{said}"
        return f"ended with exit code {code}{doing}{said}"


class _Talk:
    """Writes one message to a child, and reads what it says.

    The child's stdin stays open until it has ended: that it closes tells the child that we are gone.
    """

    def __init__(self, child: subprocess.Popen[bytes], message: bytes) -> None:
        assert child.stdin is not None  # noqa: S101 - all three are pipes
        assert child.stdout is not None  # noqa: S101
        assert child.stderr is not None  # noqa: S101
        self._stdin, self._stdout, self._stderr = child.stdin, child.stdout, child.stderr
        self._unsent = memoryview(message)
        self._heard, self._said = bytearray(), bytearray()
        for pipe in (self._stdin, self._stdout, self._stderr):
            os.set_blocking(pipe.fileno(), False)

    def messages(self, deadline: float) -> Iterator[bytes]:
        """Yield each message until the child closes its end.

        Raises
        ------
        TimeoutError
            It is past the deadline, on the clock of `time.monotonic`.
        """
        with selectors.DefaultSelector() as ready:
            ready.register(self._stdin, selectors.EVENT_WRITE)
            ready.register(self._stdout, selectors.EVENT_READ)
            ready.register(self._stderr, selectors.EVENT_READ)
            while {self._stdout, self._stderr} & {key.fileobj for key in ready.get_map().values()}:
                left = deadline - time.monotonic()
                if left <= 0.0:
                    raise TimeoutError
                for key, _ in ready.select(left):
                    goes_on = self._send() if key.fileobj is self._stdin else self._hear(key.fd)
                    if not goes_on:
                        ready.unregister(key.fileobj)
                yield from self._complete()

    def last_words(self) -> str:
        """Return the last line that it wrote to stderr, as an appendix to a sentence."""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return f"; its last words: {lines[-1]}" if lines else ""

    def _send(self) -> bool:
        """Write a piece; return whether there is more to write."""
        try:
            self._unsent = self._unsent[os.write(self._stdin.fileno(), self._unsent[:_PIECE]) :]
        except BrokenPipeError:
            return False
        return bool(self._unsent)

    def _hear(self, fd: int) -> bool:
        """Read a piece; return whether more may come."""
        piece = os.read(fd, _PIECE)
        if fd == self._stdout.fileno():
            self._heard += piece
        else:
            self._said = (self._said + piece)[-_STDERR_KEPT:]
        return bool(piece)

    def _complete(self) -> Iterator[bytes]:
        """Yield what has been heard to its end."""
        while len(self._heard) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self._heard)
            if length > LARGEST_MESSAGE:
                raise CorruptState(f"a message of {length} bytes")
            if len(self._heard) < LENGTH.size + length:
                return
            yield bytes(self._heard[LENGTH.size : LENGTH.size + length])
            del self._heard[: LENGTH.size + length]


def _environ() -> dict[str, str]:
    """Return the child's environment: it finds this very package, and starts no threads."""
    root = str(Path(__file__).parents[2])
    path = os.pathsep.join(part for part in (root, os.environ.get("PYTHONPATH", "")) if part)
    return {**os.environ, "PYTHONPATH": path, **dict.fromkeys(_THREADS, "1")}
