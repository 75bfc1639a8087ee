"""Home Assistant's MQTT discovery: one device for a pipeline, with what is to be seen of each key.

The form is that of https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload; the test has
it as a JSON Schema, and names the revision.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from typing import Any

from pydantic import Field, field_validator

from connectors.mqtt.topics import check_template, fill_template
from connectors.options import Options

_PLATFORMS = {"anomaly": "binary_sensor", "score": "sensor", "threshold": "sensor", "learning": "switch"}
_LONGEST_ID, _LONGEST_NAME = 40, 100
_COMPONENT = re.compile(r"[0-9a-f]{12}_(anomaly|score|threshold)|learning")
_MOST_KEYS, _MOST_BEFORE = 1000, 3000


class HomeAssistantOptions(Options):
    """How Home Assistant finds a pipeline by itself."""

    discovery: bool = Field(
        default=True, description="false: what was announced before is taken back, and the device is deleted"
    )
    prefix: str = Field(default="homeassistant", description="first level of its discovery topics")
    keys: int = Field(default=50, ge=1, le=500, description="keys that are shown; the first ones")
    learn_topic: str | None = Field(
        default=None,
        description="commands.learn_topic with the detector's name filled in: gives the device a switch; "
        "default: none",
    )

    @field_validator("prefix", "learn_topic")
    @classmethod
    def _plain(cls, topic: str | None) -> str | None:
        if topic is not None:
            check_template(topic)
            if "{" in topic:
                raise ValueError("nothing is filled in here; write the topic itself")
        return topic

    @property
    def birth_topic(self) -> str:
        """Where Home Assistant tells that it has come."""
        return f"{self.prefix}/status"


class Device:
    """What Home Assistant is told of a pipeline. Safe to use from several threads.

    Parameters
    ----------
    client_id : str
        Ours at the broker, where no two have the same.
    options : HomeAssistantOptions
        What is told.
    topics : mapping of str to str
        ``state``, a template, ``status`` and ``learning``.
    """

    def __init__(self, client_id: str, options: HomeAssistantOptions, topics: Mapping[str, str]) -> None:
        self._client_id, self._options, self._topics = client_id, options, topics
        self._lock = threading.Lock()
        self._pipeline = ""
        self._keys: dict[str, None] = {}
        self._shown: dict[str, None] = {}
        self._before: dict[str, str] = {}  # platform of each component that was announced by an earlier run

    @property
    def topic(self) -> str:
        """Where it is told; "" as long as the pipeline is not known."""
        return f"{self._options.prefix}/device/{self._id}/config" if self._pipeline else ""

    @property
    def _id(self) -> str:
        return f"kyori_{identifier(self._client_id)}_{identifier(self._pipeline)}"

    def know(self, pipeline: str, keys: Iterable[str]) -> bool:
        """Take note of keys; return whether that changes what is told."""
        with self._lock:
            before = self._pipeline, len(self._shown)
            self._pipeline = pipeline
            for key in keys:
                self._show(key)
            return before != (self._pipeline, len(self._shown))

    def _show(self, key: str) -> None:
        if len(self._keys) < _MOST_KEYS:
            self._keys[key] = None
        if key in self._shown or len(self._shown) < self._options.keys:
            self._shown[key] = None

    def adopt(self, payload: bytes) -> None:
        """Take note of what an earlier run has told: its keys are shown, and what is gone is taken back."""
        try:
            found = json.loads(payload)["cmps"]
            names = [name for name in islice(found, _MOST_BEFORE) if _COMPONENT.fullmatch(name)]
            before = {name: found[name]["p"] for name in names if found[name]["p"] in _PLATFORMS.values()}
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return  # somebody else's, or nothing
        with self._lock:
            self._before = before
            first = [key for key in self._keys if _component(key, "anomaly") in before]
            keys, self._shown = [*first, *self._keys], {}
            for key in keys:
                self._show(key)

    def messages(self) -> list[tuple[str, str]]:
        """Return what to publish, retained: first with what is taken back, then without, as is asked for."""
        with self._lock:
            if not self._pipeline:
                return []
            if not self._options.discovery:
                return [(self.topic, "")]
            components = self._components()
            gone = {name: {"p": kind} for name, kind in self._before.items() if name not in components}
            self._before = {}
            told = [components | gone, components] if gone else [components]
            return [(self.topic, json.dumps(self._shared() | {"cmps": each})) for each in told]

    def _shared(self) -> dict[str, Any]:
        return {
            "dev": {
                "ids": [self._id],
                "name": f"kyori {self._pipeline}",
                "mf": "kyori",
                "mdl": "anomaly detector",
                "sw": _version(),
            },
            "o": {"name": "kyori", "sw": _version()},
            "availability": [{"topic": self._topics["status"]}],
            "qos": 1,
        }

    def _components(self) -> dict[str, dict[str, Any]]:
        components: dict[str, dict[str, Any]] = {}
        for key in self._shown:
            topic = fill_template(self._topics["state"], {"pipeline": self._pipeline, "key": key})
            for what, more in _OF_A_KEY.items():
                name = _component(key, what)
                components[name] = self._entity(name, what, key) | {"state_topic": topic} | more
            components[_component(key, "anomaly")]["json_attributes_topic"] = topic
        if self._options.learn_topic is not None:
            components["learning"] = self._entity("learning", "learning", "") | {
                "entity_category": "config",
                "command_topic": self._options.learn_topic,
                "payload_on": f"ON {self._pipeline}",
                "payload_off": f"OFF {self._pipeline}",
                "state_topic": fill_template(
                    self._topics["learning"], {"pipeline": self._pipeline, "key": ""}
                ),
                "state_on": "ON",
                "state_off": "OFF",
            }
        return components

    def _entity(self, component: str, what: str, key: str) -> dict[str, Any]:
        name = "".join(char if char.isprintable() else "_" for char in key[:_LONGEST_NAME])
        return {
            "p": _PLATFORMS[what],
            "name": f"{name} {what}".lstrip(),
            "unique_id": f"{self._id}_{component}",
        }


_OF_A_KEY: dict[str, dict[str, Any]] = {
    "anomaly": {
        "device_class": "problem",
        "value_template": "{{ 'ON' if value_json.anomaly else 'OFF' }}",
    },
    "score": {
        "state_class": "measurement",
        "suggested_display_precision": 2,
        "value_template": "{{ value_json.score }}",
    },
    "threshold": {
        "entity_category": "diagnostic",
        "suggested_display_precision": 2,
        "value_template": "{{ value_json.threshold }}",
    },
}


def identifier(text: str) -> str:
    """Return a name of letters, digits, _ and -, the same in every run, and another for another text.

    >>> identifier("plant-a"), identifier("North/7 °C")
    ('plant-a', 'North_7__C_3b7378a6661d')
    """
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", text)[:_LONGEST_ID]
    return plain if plain == text and plain else f"{plain}_{_digest(text)}"


def _component(key: str, what: str) -> str:
    return f"{_digest(key)}_{what}"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=6).hexdigest()


@cache
def _version() -> str:
    try:
        return version("kyori")
    except PackageNotFoundError:  # it runs from a copy of its sources
        return "unknown"
