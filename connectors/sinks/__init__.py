"""Where alerts go. One file each, registered by one line below."""

from importlib import import_module
from typing import Any

SINKS = {
    "file": "connectors.sinks.file:FileSink",
    "kafka": "connectors.sinks.kafka:KafkaSink",
    "mqtt": "connectors.sinks.mqtt:MqttSink",
    "apprise": "connectors.sinks.apprise:AppriseSink",
    "smtp": "connectors.sinks.smtp:SmtpSink",
    "sqlite": "connectors.sinks.sqlite:SqliteSink",
    "stdout": "connectors.sinks.stdout:StdoutSink",
    "syslog": "connectors.sinks.syslog:SyslogSink",
    "webhook": "connectors.sinks.webhook:WebhookSink",
}
"""The ``type`` of an output in the configuration, and where its class is."""


def load(kind: str) -> Any:
    """Return the class of a sink, importing only what it needs.

    It has a pydantic model as `Options`, and is made by ``(name, options)``.
    """
    module, name = SINKS[kind].split(":")
    return getattr(import_module(module), name)
