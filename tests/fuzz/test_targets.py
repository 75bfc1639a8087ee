"""The short version of `make fuzz`: every target against mutants of its seeds, and against noise."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import NAMES, target
from tests.fuzz.mutants import run

SECONDS = 10.0 if os.environ.get("KYORI_FULL") else 0.5


@pytest.mark.crash
@pytest.mark.parametrize("name", NAMES)
def test_mutants_of_the_seeds_raise_documented_errors_only(name: str) -> None:
    one, seeds = target(name)
    assert run(one, seeds, SECONDS) > len(seeds)


@settings(max_examples=30)
@given(noise=st.binary(max_size=300))
@pytest.mark.parametrize("name", NAMES)
def test_noise_raises_documented_errors_only(name: str, noise: bytes) -> None:
    target(name).one(noise)


def test_a_target_that_fails_names_its_bytes() -> None:
    def one(data: bytes) -> None:
        if data != b"seed":
            raise KeyError(data)

    with pytest.raises(AssertionError, match=r"KeyError for b"):
        run(one, [b"seed"], 5.0)
