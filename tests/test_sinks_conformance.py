"""Every registered sink passes every check of `tests.checks.sinks`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.sinks import SINKS
from tests.checks.harness_sinks import HARNESSES
from tests.checks.sinks import CHECKS, Harness


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
def test_sink(harness: Harness, check: Callable[[Harness, Path], None], tmp_path: Path) -> None:
    check(harness, tmp_path)


def test_no_sink_is_left_out() -> None:
    assert {harness.kind for harness in HARNESSES.values()} == set(SINKS)
