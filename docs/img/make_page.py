"""Draws page-*.png: each view of the page, light and dark. ``PYTHONPATH=. python docs/img/make_page.py``.

A real Chromium looks at ``kyori demo`` while it runs. The demo has one server; the overview of many streams
is that of a plant of twelve pumps, which are made up.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode

import numpy as np
import urllib3
from playwright.sync_api import Browser

from tests.brokers import wait_until
from tests.web.browser import Plant, chromium, watched

SIZES = {
    "overview": 620, "stream": 860, "alerts": 560, "alert": 900, "models": 560, "quiet": 640,
}  # fmt: skip
SPEED = 13
"""Records a second of the demo."""
FIRST, ENOUGH = 600, 1_200
"""After so many records comes an alert that lasts, for the overview; the other views need some more."""

PUMPS = [f"{site}/pump-{n}" for site in ("harbour", "north", "south") for n in range(1, 5)]
FEATURES = ("flow", "pressure", "power", "vibration", "temperature")
RECORDS, EVERY_S = 700, 2.0


class Demo:
    """`kyori demo`, as it is typed."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [Path(sys.executable).with_name("kyori"), "demo", "--speed", str(SPEED)],
            env=os.environ | {"TMPDIR": str(folder)},
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stderr is not None
        line = next(line for line in self._process.stderr if line.startswith("page: "))
        self.url, _, self._token = line.removeprefix("page: ").strip().partition("/#token=")
        self._http = urllib3.PoolManager()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()

    def get(self, path: str, **values: Any) -> Any:
        """Ask the API."""
        return self._http.request("GET", f"{self.url}/v1/{path}", fields=values).json()

    def pipeline(self) -> Any:
        """Ask how it stands with its one pipeline."""
        return self.get("overview")["pipelines"][0]

    def post(self, path: str, body: Any) -> None:
        """Change something by the API."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._http.request("POST", f"{self.url}/v1/{path}", json=body, headers=headers)
        assert answer.status == 200, answer.data


class Pumps(Plant):
    """Twelve pumps that have run for a while: one sucks air, another runs hot."""

    def begin(self) -> None:
        """Send what they have said until now."""
        self.count, self._began = 0, time.time() - RECORDS * EVERY_S
        self._chance = np.random.default_rng(0)
        self.go_on(RECORDS)
        self.arrived()

    def go_on(self, n: int = 1) -> None:
        """Send the next records of each."""
        for _ in range(n):
            self.send([self._said(p, pump) for p, pump in enumerate(PUMPS)])
            self.count += 1

    def live(self) -> None:
        """Go on by itself, until the end of this program."""

        def going_on() -> None:
            while True:
                time.sleep(1)
                self.go_on()

        threading.Thread(target=going_on, daemon=True).start()

    def _said(self, p: int, pump: str) -> dict[str, Any]:
        at = self._began + self.count * EVERY_S
        scale = np.array([18, 0.5, 6, 0.2, 3])
        load = np.sin(at / 150 + p) + 0.3 * np.sin(at / 23 + 2 * p)
        row = np.array([120, 5.2, 30, 2.1, 54]) + scale * (load + 0.15 * self._chance.normal(size=5))
        if pump == "harbour/pump-3" and self.count >= 640:
            row[1] -= min(0.03 * (self.count - 640), 2.0)
        if pump == "south/pump-4" and self.count >= 680:
            row[3:] += [0.35, 1.8]
        return {"ts": round(at, 3), "pump": pump} | dict(zip(FEATURES, row.round(4).tolist(), strict=True))


def reached(demo: Demo, records: int) -> bool:
    """Return whether the demo has come so far."""
    return bool(demo.pipeline()["records"] >= records)


def views(demo: Demo) -> dict[str, str]:
    """Wait until there is something to be seen, say what a person would say of it, and return the places."""
    wait_until(lambda: reached(demo, ENOUGH), 300)
    pipeline = demo.pipeline()["name"]
    key = demo.get("streams", pipeline=pipeline)["streams"][0]["key"]
    alerts = [one for one in demo.get("alerts", limit=200)["alerts"] if one["kind"] == "distance"]
    demo.post("labels", {"alert": alerts[-1]["id"], "label": "real", "class": "disk full"})
    demo.post("silences", {"keys": "omi-9", "for": "2h", "why": "it is being moved"})
    return {
        "alerts": "#/alerts", "models": "#/models", "quiet": "#/quiet",
        "stream": f"#/stream?{urlencode({'pipeline': pipeline, 'key': key})}",
        "alert": f"#/alert?{urlencode({'id': alerts[0]['id']})}",
    }  # fmt: skip


def shoot(browser: Browser, url: str, name: str, place: str, folder: Path, **context: Any) -> None:
    """Write the picture of one view; of a stream also its planes."""
    with watched(browser, url, **context) as one:
        page = one.open(place, ready=".pill.live")
        page.wait_for_timeout(8000 if place == "#/" else 1500)  # what was lately is drawn as it comes
        page.screenshot(path=folder / f"page-{name}.png", animations="disabled")
        if page.locator(".plane").count():
            planes = page.locator(".columns.even")
            planes.scroll_into_view_if_needed()
            page.wait_for_timeout(1500)  # what comes into view is drawn only then
            planes.screenshot(
                path=folder / f"page-{name.replace('stream', 'planes')}.png", animations="disabled"
            )


def both(browser: Browser, demo: Demo, name: str, place: str, folder: Path) -> None:
    """Write the pictures of one view of the demo, light and dark."""
    for theme in ("light", "dark"):
        seen = {"color_scheme": theme, "viewport": {"width": 1280, "height": SIZES[name]}}
        shoot(browser, demo.url, f"{name}-{theme}", place, folder, **seen)


def main(folder: Path) -> None:
    """Write all pictures."""
    phone = {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 1.5, "is_mobile": True}
    with tempfile.TemporaryDirectory() as place, chromium() as browser:
        with Demo(Path(place)) as demo:
            wait_until(
                lambda: reached(demo, FIRST) and demo.get("overview")["pipelines"][0]["open_alerts"], 300
            )
            both(browser, demo, "overview", "#/", folder)
            shoot(browser, demo.url, "phone", "#/", folder, color_scheme="light", **phone)
            for name, where in views(demo).items():
                both(browser, demo, name, where, folder)
        with Pumps(Path(place), FEATURES) as plant:
            plant.begin()
            plant.live()
            seen = {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}}
            shoot(browser, plant.url, "many", "#/", folder, **seen)


if __name__ == "__main__":
    main(Path(__file__).parent)
