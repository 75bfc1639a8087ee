"""Where records come from. One file each, registered by one line below."""

from importlib import import_module
from typing import Any

SOURCES = {
    "directory": "connectors.sources.directory:DirectorySource",
    "file": "connectors.sources.file:FileSource",
    "http": "connectors.sources.http:HttpSource",
    "kafka": "connectors.sources.kafka:KafkaSource",
    "mqtt": "connectors.sources.mqtt:MqttSource",
    "redis": "connectors.sources.redis:RedisSource",
    "stdin": "connectors.sources.stdin:StdinSource",
    "tail": "connectors.sources.tail:TailSource",
}
"""The ``type`` of a source in the configuration, and where its class is."""


def load(kind: str) -> Any:
    """Return the class of a source, importing only what it needs.

    It has a pydantic model as `Options`, and is made by ``(name, options, layout, clock)``.
    """
    module, name = SOURCES[kind].split(":")
    return getattr(import_module(module), name)
