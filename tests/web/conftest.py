"""What the tests of the page share: one Chromium, and a plant of four pumps, for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.web.browser import Plant, chromium


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with Plant(tmp_path_factory.mktemp("plant")) as one:
        for pump in ("north/1", "north/2", "south/1", "south/2"):
            one.usual(pump, 300)
        one.arrived()
        yield one
