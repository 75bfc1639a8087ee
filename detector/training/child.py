"""The child of `detector.training.process`: limits itself, runs the task, and answers.

It watches its stdin, which closes when the parent ends, even by SIGKILL. (PR_SET_PDEATHSIG would do for that,
too, but it tells the end of the parent's *thread* that made the child.) Should a library hold the interpreter
so that the watch cannot run, the limit on CPU time ends it.
"""

from __future__ import annotations

import os
import resource
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

from detector.errors import KyoriError

_NICE = 10
_OOM_FIRST = "500"
"""If memory runs out altogether, the kernel ends this process before the daemon."""


def main() -> None:
    """Run ``module:function`` with what comes on stdin, and write what it returns to stdout."""
    task, memory, seconds = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints must not stand among the answers
    _limit(memory, seconds)
    questions = os.fdopen(0, "rb", buffering=0, closefd=False)
    data = _read(questions)
    threading.Thread(target=_end_with, args=(questions,), daemon=True).start()
    try:
        _answer(answers, *_run(task, data, answers))
    except MemoryError:
        _answer(answers, {}, {"is": "failure", "reason": f"needed more memory than {memory / 1e9:.3g} GB"})
    except Exception as error:  # whatever it is, the parent is told
        said = str(error) if isinstance(error, KyoriError) else f"{type(error).__name__}: {error}"
        _answer(answers, {}, {"is": "failure", "reason": said})


def _limit(memory: int, seconds: int) -> None:
    os.nice(_NICE)
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, memory),
    ):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_FIRST)


def _end_with(questions: BinaryIO) -> None:
    """End at once when the other end of stdin is closed."""
    questions.read(1)
    os._exit(1)


def _read(questions: Any) -> bytes:
    from detector.training.process import LENGTH  # noqa: PLC0415 - the limits hold for imports, too

    def exactly(count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = questions.read(min(count - len(data), 1 << 20))
            if not piece:
                os._exit(1)
            data += piece
        return bytes(data)

    return exactly(LENGTH.unpack(exactly(LENGTH.size))[0])


def _run(task: str, data: bytes, answers: BinaryIO) -> tuple[Any, Any]:
    from detector import codec  # noqa: PLC0415

    module, _, name = task.partition(":")
    function: Callable[..., tuple[Any, Any]] = getattr(import_module(module), name)

    def progress(done: int, total: int, doing: str) -> None:
        _answer(answers, {}, {"is": "progress", "done": done, "total": total, "doing": doing})

    return function(*codec.decode(data), progress)


def _answer(answers: BinaryIO, arrays: Any, meta: Any) -> None:
    from detector import codec  # noqa: PLC0415
    from detector.training.process import LENGTH  # noqa: PLC0415

    message = codec.encode(arrays, meta)
    answers.write(LENGTH.pack(len(message)) + message)
    answers.flush()


if __name__ == "__main__":
    main()
