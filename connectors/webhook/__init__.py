"""Alerts by HTTP: what is sent, and how; the output itself is `connectors.sinks.webhook`.

options       where to, who we are, in which format
client        one request: TLS, timeouts, what an answer means
format        what every format has, and the plain ones: json, cloudevents, slack, ntfy
alertmanager  Prometheus Alertmanager, which has to be told again and again
pagerduty     PagerDuty's events, which belong to incidents
episodes      which episodes the receiver believes to be open
"""

from importlib import import_module
from typing import Any

FORMATS = {
    "json": "connectors.webhook.format:Json",
    "cloudevents": "connectors.webhook.format:CloudEvents",
    "slack": "connectors.webhook.format:Slack",
    "ntfy": "connectors.webhook.format:Ntfy",
    "alertmanager": "connectors.webhook.alertmanager:Alertmanager",
    "pagerduty": "connectors.webhook.pagerduty:PagerDuty",
}
"""The ``format`` of a webhook in the configuration, and where its class is."""


def load(name: str) -> Any:
    """Return the class of a format; it is made by ``(options)``."""
    module, kind = FORMATS[name].split(":")
    return getattr(import_module(module), kind)
