"""`make crash` selects by mark: a test that has a full number and no mark would never be run with it."""

from __future__ import annotations

import re
from pathlib import Path

TESTS = Path(__file__).parent
_SWITCH = re.compile(r'environ\.get\("KYORI_(FULL|KILLS|CORRUPTIONS)"')


def test_every_test_with_a_full_number_is_marked() -> None:
    switched = [file for file in TESTS.rglob("*.py") if _SWITCH.search(file.read_text())]
    assert len(switched) > 20
    assert [file.name for file in switched if "mark.crash" not in file.read_text()] == []
