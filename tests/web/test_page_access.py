"""Everybody can use the page: with a screen reader, by the keyboard, on a phone, by day and by night."""

from __future__ import annotations

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.web.browser import Plant, needs_chromium, stream, watched

pytestmark = needs_chromium

VIEWS = {
    "overview": ("#/", ".ranking tbody tr"),
    "stream": (stream("north/1"), ".plane"),
    "alerts": ("#/alerts", ".alerts tbody tr"),
    "alert": ("", ".decide button"),
    "models": ("#/models", ".learner button"),
    "quiet": ("#/quiet", ".plain-list, .empty"),
}


@pytest.fixture(scope="module")
def alert(plant: Plant) -> str:
    """An alert that is open all the time."""
    plant.send(plant.record("north/1", pressure=9.0) for _ in range(4))
    plant.arrived()
    (one,) = plant.get("alerts", key="north/1")["alerts"]
    return f"#/alert?id={one['id']}"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_serious(plant: Plant, browser: Browser, alert: str, theme: str) -> None:
    with watched(browser, plant.url, color_scheme=theme, reduced_motion="reduce") as one:
        for name, (place, ready) in VIEWS.items():
            page = one.open(place or alert, ready=ready)
            found = Axe().run(page).response["violations"]
            serious = [
                (problem["id"], problem["nodes"][0]["html"])
                for problem in found
                if problem["impact"] in SERIOUS
            ]
            assert serious == [], name
        assert not one.elsewhere


SERIOUS = ("serious", "critical")


def test_axe_would_find_something(plant: Plant, browser: Browser) -> None:
    """The control: a button without a name, and grey on grey."""
    with watched(browser, plant.url) as one:
        page = one.open()
        page.evaluate("document.querySelector('main').append(document.createElement('button'))")
        found = {problem["id"] for problem in Axe().run(page).response["violations"]}
        assert "button-name" in found


FOCUS = """
(() => {
  const one = document.activeElement;
  if (one === document.body) return ["", ""]; // between the last and the first
  return [one.getAttribute("aria-label") ?? one.textContent.trim(), getComputedStyle(one).outlineStyle];
})()
"""


def walk(page: Page, name: str, most: int = 80) -> None:
    """Press Tab until what has the focus is called so; the focus can be seen all the way."""
    for _ in range(most):
        page.keyboard.press("Tab")
        text, outline = page.evaluate(FOCUS)
        assert outline != "none", f"nobody sees that {text} has the focus"
        if name in text:
            return
    raise AssertionError(f"{name} cannot be reached by the keyboard")


def test_all_can_be_done_without_a_mouse(plant: Plant, browser: Browser, alert: str) -> None:
    """From the first Tab to the verdict on an alert."""
    with watched(browser, plant.url) as one:
        page = one.open(ready=".ranking tbody tr")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "main"
        walk(page, "north/1")
        page.keyboard.press("Enter")  # the card of the alert
        expect(page.locator("h1")).to_be_focused()  # where reading goes on
        walk(page, "Score and threshold")
        before = page.locator(".readout").first.inner_text()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowLeft")
        one.until(lambda: page.locator(".readout").first.inner_text() != before)
        walk(page, "I take care of it")
        walk(page, "False alarm")
        page.keyboard.press("Enter")
        expect(page.get_by_role("dialog")).to_be_visible()
        page.keyboard.type(plant.token)  # the focus is in the field
        page.keyboard.press("Enter")
        expect(page.locator("#label-false")).to_have_attribute("aria-pressed", "true")
        expect(page.locator("#label-false")).to_be_focused()


def test_escape_takes_the_question_back(plant: Plant, browser: Browser) -> None:
    with watched(browser, plant.url) as one:
        page = one.open("#/models", ready=".learner button")
        page.get_by_role("button", name="Pause pumps").click()
        page.keyboard.press("Escape")
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name="Pause pumps")).to_be_enabled()
        assert plant.get("overview")["learning"] is True


def test_it_fits_on_a_phone(plant: Plant, browser: Browser, alert: str) -> None:
    """In no view does one have to move sideways."""
    phone = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True}
    with watched(browser, plant.url, **phone) as one:
        for name, (place, ready) in VIEWS.items():
            page = one.open(place or alert, ready=ready)
            wide = page.evaluate("document.scrollingElement.scrollWidth")
            assert wide <= 360, name
        assert not one.errors


def test_the_theme_can_be_chosen(plant: Plant, browser: Browser) -> None:
    """A switch beside what the system says; it is remembered."""
    with watched(browser, plant.url, color_scheme="light") as one:
        page = one.open()

        def ground() -> str:
            return page.evaluate("getComputedStyle(document.body).backgroundColor")

        light = ground()
        page.get_by_role("button", name="Colours: as the system").click()
        assert ground() == light
        page.get_by_role("button", name="Colours: light").click()
        dark = ground()
        assert dark != light
        page.reload()
        page.wait_for_selector("h1")
        assert ground() == dark


def test_what_moves_can_be_stilled(plant: Plant, browser: Browser) -> None:
    with watched(browser, plant.url, reduced_motion="reduce") as one:
        page = one.open(ready=".meter-fill")
        assert (
            page.evaluate("getComputedStyle(document.querySelector('.meter-fill')).transitionDuration")
            == "0s"
        )
        assert page.evaluate("getComputedStyle(document.querySelector('.view')).animationName") == "none"
