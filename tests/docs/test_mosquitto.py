"""The Mosquitto settings that the README gives: killed, the broker loses nothing that it had taken (P9)."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest

from tests.brokers import Broker, needs_mosquitto
from tests.connectors.mqtt_help import connected, drain, json_values, values

ROOT = Path(__file__).parents[2]
CONF = ROOT / "examples" / "mosquitto.conf"
MESSAGES = 1_050  # more than the 1,000 that a Mosquitto keeps unless told; it saves them all at each change


def broker_as_told(folder: Path, *, left_out: str = "") -> Broker:
    """Return a broker with the very settings of the example, but for port, folder and user."""
    made = Broker(folder)
    text = "".join(line for line in CONF.open() if not (left_out and line.startswith(left_out)))
    text = re.sub(r"^listener .*$", f"listener {made.port} 127.0.0.1", text, flags=re.MULTILINE)
    text = re.sub(r"^(persistence_location) .*$", rf"\1 {folder}/", text, flags=re.MULTILINE)
    made._conf.write_text(text + "user root\nlog_type none\n")
    return made


def kept(made: Broker) -> list[float]:
    """Return what arrives of messages that the broker took while we were away, and before it was killed."""
    made.start()
    try:
        connected(made).close()  # makes the session in which the messages wait
        made.publish("in/a", *json_values(range(MESSAGES)))
        time.sleep(2)  # the last change is on disk after the interval of one second
        made.kill()
        made.start()
        reading = connected(made)
        made.publish("in/a", *json_values([-1]))  # comes last
        found: list[float] = []
        end = time.monotonic() + 60
        while -1 not in found and time.monotonic() < end:
            found += values(drain(reading, 1))
        reading.close()
    finally:
        made.kill()
    return found[:-1]


@needs_mosquitto
def test_the_settings_given_lose_nothing(tmp_path: Path) -> None:
    assert kept(broker_as_told(tmp_path)) == [*map(float, range(MESSAGES))]


@needs_mosquitto
@pytest.mark.parametrize("setting", ["max_queued_messages", "autosave"])
def test_without_one_of_them_it_loses(tmp_path: Path, setting: str) -> None:
    """Negative control, and the reason for each."""
    assert len(kept(broker_as_told(tmp_path, left_out=setting))) < MESSAGES


def test_the_readme_gives_these_settings() -> None:
    settings = [line for line in CONF.read_text().splitlines() if line and not line.startswith("#")]
    told = settings[2:]
    for page in (ROOT / "README.md", ROOT / "docs" / "sources.md"):
        assert "```text\n" + "\n".join(told) + "\n```" in page.read_text()
