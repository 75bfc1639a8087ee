"""Draws page-*.png: each view of the page, light and dark. ``PYTHONPATH=. python docs/img/make_page.py``.

A real Chromium looks at a real daemon. What the daemon watches is made up: twelve pumps, of which one sucks
air and another runs hot.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
from playwright.sync_api import Browser

from tests.web.browser import Plant, chromium, stream, watched

PUMPS = [f"{site}/pump-{n}" for site in ("harbour", "north", "south") for n in range(1, 5)]
FEATURES = [
    {"name": "flow", "unit": "l/min"}, {"name": "pressure", "unit": "bar"}, {"name": "power", "unit": "kW"},
    {"name": "vibration", "unit": "mm/s"}, {"name": "temperature", "unit": "°C"},
]  # fmt: skip
RECORDS = 700
EVERY_S = 2.0
SIZES = {"overview": 860, "stream": 850, "alerts": 560, "alert": 900, "models": 560, "quiet": 640}


def said(start: float, first: int, last: int) -> list[dict[str, Any]]:
    """Return what the pumps say, by number: loads that come and go, and three faults."""
    rng = np.random.default_rng(first)
    rows = []
    for i in range(first, last):
        at = start + i * EVERY_S
        for p, pump in enumerate(PUMPS):
            load = np.sin(at / 150 + p) + 0.3 * np.sin(at / 23 + 2 * p)
            usual = np.array([120, 5.2, 30, 2.1, 54]) + np.array([18, 0.5, 6, 0.2, 3]) * load
            row = usual + np.array([18, 0.5, 6, 0.2, 3]) * 0.15 * rng.normal(size=5)
            if pump == "north/pump-2" and 480 <= i < 520:  # was called bearing wear, see `main`
                row[3] += 0.9
            if pump == "harbour/pump-3" and i >= 640:  # it sucks air
                row[1] -= min(0.03 * (i - 640), 2.0)
            if pump == "south/pump-4" and i >= 680:  # it runs hot, and its bearing sings
                row[3:] += [0.35, 1.8]
            named = dict(zip([one["name"] for one in FEATURES], row.round(4).tolist(), strict=True))
            rows.append({"ts": round(at, 3), "pump": pump} | named)
    return rows


def shoot(browser: Browser, plant: Live, name: str, place: str, folder: Path, **context: Any) -> None:
    """Write the picture of one view, after some seconds of life; of a stream also its planes."""
    with watched(browser, plant.url, **context) as one:
        page = one.open(place, ready=".pill.live")
        for _ in range(8 if place == "#/" else 3):
            plant.go_on()
            page.wait_for_timeout(1000)
        page.screenshot(path=folder / f"page-{name}.png", animations="disabled")
        if page.locator(".plane").count():
            planes = page.locator(".columns.even")
            planes.screenshot(
                path=folder / f"page-{name.replace('stream', 'planes')}.png", animations="disabled"
            )


class Live(Plant):
    """Pumps that have run for a while, and go on when told to."""

    def begin(self) -> None:
        """Send what they have said until now."""
        self.count, self.began = RECORDS, time.time() - RECORDS * EVERY_S
        self.send(said(self.began, 0, self.count))
        self.arrived()

    def go_on(self) -> None:
        """Send the next record of each."""
        self.send(said(self.began, self.count, self.count + 1))
        self.count += 1


def main(folder: Path) -> None:
    """Write all pictures."""
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        windows = {
            "alert": {"quiet": [{"keys": "north/*", "cron": "0 2 * * 6", "for": "2h", "why": "cleaning"}]}
        }
        with Live(Path(place), FEATURES, settings=windows) as plant:
            plant.begin()
            alerts = plant.get("alerts", limit=200)["alerts"]
            worn = next(one for one in alerts if one["key"] == "north/pump-2")
            plant.post("labels", {"alert": worn["id"], "label": "real", "class": "bearing wear"})
            plant.post("silences", {"keys": "south/*", "for": "2h", "why": "valves are being changed"})
            still = [one for one in alerts if one["status"] != "closed"]
            leak = next(one for one in still if one["key"] == "harbour/pump-3")
            views = {
                "overview": "#/", "stream": stream("harbour/pump-3"), "alerts": "#/alerts",
                "models": "#/models",
                "alert": f"#/alert?{urlencode({'id': leak['id']})}", "quiet": "#/quiet",
            }  # fmt: skip
            for name, where in views.items():
                for theme in ("light", "dark"):
                    size = {"width": 1280, "height": SIZES[name]}
                    shoot(browser, plant, f"{name}-{theme}", where, folder, color_scheme=theme, viewport=size)
            phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "is_mobile": True}
            shoot(browser, plant, "phone", "#/", folder, color_scheme="light", **phone)


if __name__ == "__main__":
    main(Path(__file__).parent)
