"""What all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.brokers import HINT, MOSQUITTO, broker

__all__ = ["broker"]

settings.register_profile("kyori", deadline=None)  # a loaded machine is no fault of ours
settings.load_profile("kyori")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A verb that was run in this process has set up logging for itself."""
    yield
    structlog.reset_defaults()


def pytest_sessionstart() -> None:
    """Where nothing may be skipped (CI), a missing broker fails the run at once."""
    if os.environ.get("KYORI_NO_SKIP") and MOSQUITTO is None:
        pytest.exit(HINT, returncode=1)
