"""P32: slow poisoning is told by the frozen reference, before the model is blinded."""

from __future__ import annotations

import pytest

from benchmarks import poison


@pytest.mark.parametrize("half_life", [69, 231])
@pytest.mark.parametrize("which", poison.DIRECTIONS)
def test_told_in_time(half_life: int, which: str) -> None:
    """`python -m benchmarks.poison` is the whole of it: 96 runs."""
    for seed in range(2):
        run = poison.attack(poison.plain(half_life), which, seed, 20 * half_life)
        assert run.blinded is not None
        assert run.in_time, run
        alone = poison.attack(poison.plain(half_life, watch=0), which, seed, 20 * half_life)
        assert (alone.told, alone.blinded, alone.alerts) == (None, run.blinded, 0), "the control"


@pytest.mark.parametrize("half_life", poison.HALF_LIVES)
def test_clean_streams_are_quiet(half_life: int) -> None:
    assert not any(poison.false_alarm(poison.plain(half_life), seed, 8000) for seed in range(8))


def test_a_threshold_that_was_pulled_up_is_told() -> None:
    """The default's model hardly moves, but its threshold follows the scores."""
    settings, how = poison.DEFAULT["independent rows"]
    run = poison.attack(settings, "one feature", 0, **how)
    assert run.blinded is not None
    assert run.in_time, run
