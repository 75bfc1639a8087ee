"""What other threads want of a pipeline: done by the pipeline's own thread, between two batches.

So nobody else reads or changes a model while records go through it, and no lock is needed for that.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from detector.errors import StateError

T = TypeVar("T")


class Questions:
    """Waits for whoever runs the pipeline to answer.

    Parameters
    ----------
    name : str
        Of the pipeline.

    Examples
    --------
    >>> questions = Questions("pumps")
    >>> asker = threading.Thread(target=lambda: print(questions.ask(lambda: 6 * 7, within_s=5.0)))
    >>> asker.start()
    >>> while asker.is_alive():
    ...     questions.answer()
    42
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()
        self._waiting: deque[tuple[Callable[[], Any], Future[Any]]] = deque()
        self._ended = False

    def ask(self, question: Callable[[], T], within_s: float) -> T:
        """Have this called between two batches, and return what it returns; called by any other thread.

        What changes anything must store it before it returns.

        Raises
        ------
        StateError
            The pipeline does not come to it in time, or has ended; if it was not begun by then it never is.
        Exception
            Whatever the question itself raises.
        """
        answer: Future[T] = Future()
        with self._lock:
            if self._ended:
                raise StateError(f"pipeline {self._name} has ended")
            self._waiting.append((question, answer))
        try:
            return answer.result(within_s)
        except TimeoutError:
            answer.cancel()
            raise StateError(f"pipeline {self._name} did not come to it in {within_s:g} s") from None

    def answer(self) -> None:
        """Answer what has been asked so far."""
        while self._waiting:
            question, answer = self._waiting.popleft()
            if answer.set_running_or_notify_cancel():
                try:
                    answer.set_result(question())
                except Exception as error:
                    answer.set_exception(error)

    def end(self) -> None:
        """Refuse what has been asked, and whatever is asked from now on."""
        with self._lock:
            self._ended = True
        for _, answer in self._waiting:
            if answer.set_running_or_notify_cancel():
                answer.set_exception(StateError(f"pipeline {self._name} has ended"))
        self._waiting.clear()
