"""Every registered source passes every check of `tests.checks.sources`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from connectors.sources import SOURCES
from tests.checks.harnesses import HARNESSES
from tests.checks.sources import CHECKS, Harness


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("harness", HARNESSES.values(), ids=HARNESSES)
def test_source(harness: Harness, check: Callable[[Harness, Path], None], tmp_path: Path) -> None:
    check(harness, tmp_path)


def test_no_source_is_left_out() -> None:
    assert {harness.kind for harness in HARNESSES.values()} == set(SOURCES)
