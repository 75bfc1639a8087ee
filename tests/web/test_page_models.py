"""Versions of a learned metric on the page: one is put in force by a click, and taken back by another."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from detector.metric import archive
from detector.training import Models, files
from tests.brokers import wait_until
from tests.models import metric_of
from tests.web.browser import FEATURES, Plant, needs_chromium, watched

pytestmark = needs_chromium


def test_a_version_is_promoted_and_rolled_back(tmp_path: Path, browser: Browser) -> None:
    names = [one["name"] for one in FEATURES]
    first, second = metric_of(names, 1), metric_of(names, 2, k=2)
    files.write(tmp_path / "first.npz", archive.to_bytes(first))
    settings = {"detector": {"distance": "learned", "metric": "first.npz"}}
    with Plant(tmp_path, settings=settings) as plant, watched(browser, plant.url) as one:
        plant.usual("north/1", 300)
        plant.arrived()
        Models.of(tmp_path / "state", "pumps").add(second, None, 1.0)

        def in_force() -> str:
            return str(plant.get("overview")["pipelines"][0]["metric"])

        page = one.open(f"#token={plant.token}")
        page = one.open("#/models", ready=".versions")
        version, dialog = page.locator(".versions tbody tr"), page.get_by_role("dialog")
        back = page.get_by_role("button", name="Roll back")
        expect(version).to_contain_text(second.id)
        expect(back).to_be_disabled()

        version.get_by_role("button").click()
        dialog.get_by_role("button", name="Cancel").click()
        assert in_force() == first.id  # asked, and answered no

        version.get_by_role("button").click()
        dialog.get_by_role("button", name="Promote").click()
        expect(version).to_contain_text("In force")
        wait_until(lambda: in_force() == second.id, 60)

        back.click()
        dialog.get_by_role("button", name="Roll back").click()
        expect(version).not_to_contain_text("In force")
        wait_until(lambda: in_force() == first.id, 60)
        assert not one.errors
