"""What a child may do: succeed, or go wrong in every way that is known."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from detector.errors import MetricError


def double(arrays: Any, meta: Any, progress: Any) -> Any:
    progress(1, 2, "doubling")
    return {"X": 2.0 * arrays["X"]}, {"name": meta["name"]}


def about(arrays: Any, meta: Any, progress: Any) -> Any:
    np.ones((2, 2)) @ np.ones((2, 2))
    threads = max((one["num_threads"] for one in threadpool_info()), default=1)
    return {}, {"nice": os.nice(0), "threads": threads, "pid": os.getpid()}


def chatter(arrays: Any, meta: Any, progress: Any) -> Any:
    """Print to all that is there, more than a pipe holds."""
    sys.stdout.write("x" * 200_000)
    os.write(1, b"y" * 200_000)
    sys.stderr.write("z" * 200_000)
    return double(arrays, meta, progress)


def sleep(arrays: Any, meta: Any, progress: Any) -> Any:
    progress(2, 7, "sleeping")
    time.sleep(1000)


def hold_the_interpreter(arrays: Any, meta: Any, progress: Any) -> Any:
    progress(0, 1, "holding")
    ctypes.PyDLL(None).sleep(1000)  # PyDLL, unlike CDLL, does not let other threads run


def spin(arrays: Any, meta: Any, progress: Any) -> Any:
    progress(0, 1, "spinning")
    while True:
        pass


def eat(arrays: Any, meta: Any, progress: Any) -> Any:
    return {"X": np.zeros(int(meta["bytes"]) // 8)[:1]}, {"name": "enough"}


def refuse(arrays: Any, meta: Any, progress: Any) -> Any:
    raise MetricError("features a and b are the same")


def raise_something(arrays: Any, meta: Any, progress: Any) -> Any:
    raise np.linalg.LinAlgError("Singular matrix")


def leave(arrays: Any, meta: Any, progress: Any) -> Any:
    sys.stderr.write("a reason\n")
    sys.stderr.flush()
    os._exit(3)


def be_killed(arrays: Any, meta: Any, progress: Any) -> Any:
    progress(1, 3, "the second of three")
    os.kill(os.getpid(), signal.SIGKILL)


def abort(arrays: Any, meta: Any, progress: Any) -> Any:
    os.abort()


def answer_nonsense(arrays: Any, meta: Any, progress: Any) -> Any:
    for fd in range(3, 20):
        try:
            os.write(fd, b"\xff" * 64)
        except OSError:
            continue
    time.sleep(1000)


def return_nothing(arrays: Any, meta: Any, progress: Any) -> Any:
    return None
