"""Every test of a daemon ends with the laws of conservation, whatever became of the daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from detector.errors import StateError
from tests.daemon.conserved import assert_conserved
from tests.daemon.conserved_alerts import assert_alerts_conserved


@pytest.fixture(autouse=True)
def conserved(tmp_path: Path) -> Iterator[None]:
    """Check all state files that the test has left, but those that it has damaged."""
    yield
    for file in sorted(tmp_path.rglob("*.db")):
        try:
            assert_conserved(file.parent, file.stem)
            assert_alerts_conserved(file.parent, file.stem)
        except StateError:
            continue
