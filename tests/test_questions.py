"""What other threads ask of a pipeline: answered by its own thread, in time or not at all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from detector.errors import KyoriError, StateError
from detector.questions import Questions


@contextmanager
def asked(questions: Questions, question: Callable[[], Any], within_s: float) -> Iterator[list[Any]]:
    """Ask in another thread; yields where its answer, or what it raised, comes to stand."""
    answers: list[Any] = []

    def ask() -> None:
        try:
            answers.append(questions.ask(question, within_s))
        except Exception as error:
            answers.append(error)

    asker = threading.Thread(target=ask)
    asker.start()
    yield answers
    asker.join(10)


def answered(questions: Questions, answers: list[Any]) -> Any:
    while not answers:
        questions.answer()
    return answers[0]


def test_the_thread_that_answers_does_it() -> None:
    questions = Questions("p")
    with asked(questions, threading.get_ident, 10) as answers:
        assert answered(questions, answers) == threading.get_ident()


def test_what_the_question_raises_reaches_who_asked_and_nobody_else() -> None:
    questions = Questions("p")

    def wrong() -> None:
        raise KyoriError("no such key")

    with asked(questions, wrong, 10) as answers:
        assert str(answered(questions, answers)) == "no such key"
    questions.answer()


def test_what_was_not_begun_in_time_is_never_done() -> None:
    questions, done = Questions("p"), list[int]()
    with pytest.raises(StateError, match=r"pipeline p did not come to it in 0\.01 s"):
        questions.ask(lambda: done.append(1), 0.01)
    questions.answer()
    assert done == []


def test_the_end_refuses_what_waits_and_what_comes() -> None:
    questions = Questions("p")
    with asked(questions, threading.get_ident, 10) as answers:
        while not questions._waiting:
            pass
        questions.end()
    assert isinstance(answers[0], StateError)
    with pytest.raises(StateError, match="has ended"):
        questions.ask(threading.get_ident, 10)
