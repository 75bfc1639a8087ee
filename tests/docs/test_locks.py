"""The lock files pin versions of public packages, and hold no address of an index, a machine or a file."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PIN = re.compile(r"[a-z0-9][a-z0-9._-]*==[0-9][^ ]*( ; .+)?")


@pytest.mark.parametrize("lock", sorted(ROOT.glob("requirements*.lock")), ids=lambda path: path.name)
def test_every_line_is_a_pinned_package(lock: Path) -> None:
    lines = [
        line for line in lock.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    assert lines
    assert [line for line in lines if not _PIN.fullmatch(line)] == []
