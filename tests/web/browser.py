"""A real Chromium that looks at the page of a real daemon, and notes all that a page must not do."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlencode, urlsplit

import numpy as np
import paho.mqtt.client as mqtt
import pytest
import urllib3
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from tests.brokers import free_port, wait_until
from tests.daemon.running import Process, write

CHROMIUM = shutil.which("chromium")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")

_ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
TOKEN = "nachtigall-0123456789abcdef"
FEATURES = [
    {"name": "flow", "unit": "l/min"},
    {"name": "pressure", "unit": "bar"},
    {"name": "power", "unit": "kW"},
    {"name": "temperature", "unit": "°C"},
]
SLOWEST_MS = 60_000
"""How long anything may take on a machine that is busy; promises have limits of their own."""


def figure(text: str) -> None:
    """Say a figure; pytest -s shows it."""
    sys.stdout.write(f"{text}\n")


def stream(key: str) -> str:
    """Return where the page shows a stream."""
    return f"#/stream?{urlencode({'pipeline': 'pumps', 'key': key})}"


@contextmanager
def chromium() -> Iterator[Browser]:
    """One Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=list(_ARGUMENTS))
        yield browser
        browser.close()


class Plant:
    """A daemon as a user starts it, over a log to which the tests write."""

    def __init__(self, folder: Path, features: Iterable[Any] = tuple(FEATURES), **more: Any) -> None:
        self.log = folder / "log.jsonl"
        self.log.touch()
        sources = {
            "log": {"type": "tail", "paths": ["log.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}
        }
        sources |= more.pop("sources", {})
        pipeline = {
            "sources": list(sources), "outputs": ["out"], "key": "{pump}",
            "record": {"time": "ts", "features": list(features)},
        }  # fmt: skip
        pipeline |= more.pop("settings", {})
        config = {"name": "plant-a", "pipelines": {"pumps": pipeline}, "sources": sources} | more
        outputs = {"out": {"type": "file", "path": "out.jsonl"}}
        self.url = f"http://127.0.0.1:{free_port()}"
        write(folder, config | {"outputs": outputs, "server": {"listen": self.url.removeprefix("http://")}})
        self._folder = folder
        self._rng = np.random.default_rng(7)
        self._http = urllib3.PoolManager()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Run it, and wait until it answers."""
        self._written = 0  # as the daemon counts: since its start
        self._process = Process(self._folder, "config.yaml")
        try:
            self._process.wait_for("ready", 250)
            self._process.wait_for("server_listening")
        except BaseException:
            self._process.process.kill()
            sys.stdout.write("".join(self._process.said))  # what pytest shows of a failure
            raise
        noted = self._folder / "state" / "server.json"
        wait_until(noted.exists, 60)
        self.token = json.loads(noted.read_text())["token"]

    def stop(self) -> None:
        """End it as a service manager does."""
        self._process.stop()

    def get(self, path: str, **values: Any) -> Any:
        """Ask the API."""
        answer = self._http.request("GET", f"{self.url}/v1/{path}", fields=values, timeout=30)
        assert answer.status == 200, answer.data
        return answer.json()

    def post(self, path: str, body: Any) -> Any:
        """Change something by the API."""
        headers = {"Authorization": f"Bearer {self.token}"}
        answer = self._http.request("POST", f"{self.url}/v1/{path}", json=body, headers=headers, timeout=30)
        assert answer.status == 200, answer.data
        return answer.json()

    def record(self, pump: str, **values: float) -> dict[str, Any]:
        """Return a record of now like all others, but for these values."""
        load = self._rng.normal()
        flow, pressure, power, temperature = (
            np.array([120, 5.2, 30, 54]) + np.array([12, 0.4, 4, 2]) * (load + 0.2 * self._rng.normal(size=4))
        ).round(4)
        usual = {"flow": flow, "pressure": pressure, "power": power, "temperature": temperature}
        return {"ts": round(time.time(), 4), "pump": pump} | usual | values

    def send(self, records: Iterable[dict[str, Any]]) -> None:
        """Write records to the log."""
        lines = [json.dumps(record) for record in records]
        with self.log.open("a") as file:
            file.write("".join(f"{line}\n" for line in lines))
        self._written += len(lines)

    def published(self, port: int, messages: dict[str, dict[str, Any]]) -> None:
        """Publish these by topic, and wait until they have been judged."""
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", port)
        client.loop_start()
        for topic, record in messages.items():
            client.publish(topic, json.dumps(record), qos=1).wait_for_publish(30)
        client.disconnect()
        client.loop_stop()
        self._written += len(messages)
        self.arrived()

    def usual(self, pump: str, n: int) -> None:
        """Send n normal records."""
        self.send(self.record(pump) for _ in range(n))

    def arrived(self) -> None:
        """Wait until all that was sent has been judged."""
        wait_until(lambda: self.get("overview")["pipelines"][0]["records"] >= self._written, 60)

    def judged(self, pump: str, **values: float) -> float:
        """Send a record like all others but for these values, and return its level."""
        record = self.record(pump, **values)
        self.send([record])

        def newest() -> Any:
            return self.get("streams/window", pipeline="pumps", key=pump, records=1)

        wait_until(lambda: newest()["time"] == [record["ts"]], 60)
        return float(newest()["level"][0])


class Watched:
    """A page, and all that it did that it must not do."""

    def __init__(self, context: BrowserContext, url: str) -> None:
        self.url = url
        self.page: Page = context.new_page()
        self.page.set_default_timeout(SLOWEST_MS)
        self.errors: list[str] = []
        self.elsewhere: list[str] = []
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on(
            "dialog", lambda dialog: (self.errors.append(f"dialog {dialog.message}"), dialog.dismiss())
        )
        self.page.on("request", self._requested)

    def _told(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location['url']}")

    def _requested(self, request: Any) -> None:
        if urlsplit(request.url)[:2] != urlsplit(self.url)[:2]:
            self.elsewhere.append(request.url)

    def open(self, place: str = "#/", *, ready: str = "main h1") -> Page:
        """Load the page anew at this place."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/{place}")
        self.page.wait_for_selector(ready)
        return self.page

    def until(self, condition: Callable[[], object], timeout_s: float = 30.0) -> None:
        """Wait for something that the page shows; the page goes on meanwhile."""
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, f"timed out; the page says: {self.page.inner_text('body')[:2000]}"
            self.page.wait_for_timeout(50)


@contextmanager
def watched(browser: Browser, url: str, **context: Any) -> Iterator[Watched]:
    """A fresh tab: nothing is remembered of others."""
    made = browser.new_context(**({"locale": "en-GB", "viewport": {"width": 1280, "height": 900}} | context))
    try:
        yield Watched(made, url)
    finally:
        made.close()
