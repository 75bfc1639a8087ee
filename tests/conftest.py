"""What all tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import settings

from tests.brokers import broker

__all__ = ["broker"]

# Before numpy comes, here and in what the tests start: threads that wait for each other on busy cores spin.
os.environ.setdefault("OMP_NUM_THREADS", "1")

settings.register_profile("kyori", deadline=None)  # a loaded machine is no fault of ours
settings.load_profile("kyori")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """A verb that was run in this process has set up logging for itself."""
    yield
    structlog.reset_defaults()


NEEDED = (
    "mosquitto",
    "mosquitto_pub",
    "openssl",
    "logrotate",
    "strace",
    "faketime",
    "unshare",
    "setpriv",
    "redis-server",
    "promtool",
    "chromium",
    "zsh",
    "fish",
)
"""Without these, tests are skipped, with a hint."""


def pytest_sessionstart() -> None:
    """Where nothing may be skipped (CI), a missing program fails the run at once."""
    path = os.environ.get("PATH", os.defpath) + ":/usr/sbin:/usr/local/sbin"
    missing = [name for name in NEEDED if shutil.which(name, path=path) is None]
    if os.environ.get("KYORI_NO_SKIP") and missing:
        pytest.exit(f"KYORI_NO_SKIP is set, and there is no {', '.join(missing)}", returncode=1)
