"""What the receivers of webhooks take, as strict as they are, and stricter: unknown fields are refused, too.

The Alertmanager's is written after the definitions postableAlerts, postableAlert, alert and labelSet of its
OpenAPI description (api/v2/openapi.yaml), and what its handler checks beyond them: a label at least, none of
them empty, names as Prometheus has them, no end before the start.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator

from tests.receivers import Request

_TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$"}
_LABELS = {
    "type": "object",
    "propertyNames": {"pattern": "^[a-zA-Z_][a-zA-Z0-9_]*$"},
    "additionalProperties": {"type": "string"},
}
ALERTMANAGER = {
    "type": "array",
    "items": {
        "type": "object",
        "properties": {
            "startsAt": _TIME,
            "endsAt": _TIME,
            "annotations": _LABELS,
            "labels": {**_LABELS, "minProperties": 1, "required": ["alertname"]},
            "generatorURL": {"type": "string", "format": "uri"},
        },
        "required": ["labels"],
        "additionalProperties": False,
    },
}

_STRING = {"type": "string", "minLength": 1}
PAGERDUTY = {
    "type": "object",
    "properties": {
        "routing_key": {"type": "string", "pattern": "^[0-9a-zA-Z]{32}$"},
        "event_action": {"enum": ["trigger", "acknowledge", "resolve"]},
        "dedup_key": {"type": "string", "minLength": 1, "maxLength": 255},
        "client": _STRING,
        "payload": {
            "type": "object",
            "properties": {
                "summary": {"type": "string", "minLength": 1, "maxLength": 1024},
                "source": _STRING,
                "severity": {"enum": ["critical", "error", "warning", "info"]},
                "timestamp": _TIME,
                "component": _STRING,
                "group": _STRING,
                "class": _STRING,
                "custom_details": {"type": "object"},
            },
            "required": ["summary", "source", "severity"],
            "additionalProperties": False,
        },
    },
    "required": ["routing_key", "event_action", "dedup_key"],
    "if": {"properties": {"event_action": {"const": "trigger"}}},
    "then": {"required": ["payload"]},
    "additionalProperties": False,
}

_MRKDWN = {
    "type": "object",
    "properties": {
        "type": {"const": "mrkdwn"},
        "text": {
            "type": "string",
            "minLength": 1,
            "maxLength": 3000,
            "not": {"pattern": "<|>|&(?!amp;|lt;|gt;)"},
        },
        "verbatim": {"type": "boolean"},
    },
    "required": ["type", "text"],
    "additionalProperties": False,
}
SLACK = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "minLength": 1, "maxLength": 40000, "not": {"pattern": "<|>"}},
        "blocks": {
            "type": "array",
            "maxItems": 50,
            "items": {
                "oneOf": [
                    {
                        "properties": {"type": {"const": "section"}, "text": _MRKDWN},
                        "required": ["type", "text"],
                        "additionalProperties": False,
                    },
                    {
                        "properties": {
                            "type": {"const": "context"},
                            "elements": {"type": "array", "items": _MRKDWN, "minItems": 1, "maxItems": 10},
                        },
                        "required": ["type", "elements"],
                        "additionalProperties": False,
                    },
                ]
            },
        },
    },
    "required": ["text"],
    "additionalProperties": False,
}
NTFY = {
    "type": "object",
    "properties": {
        "topic": {"type": "string", "pattern": "^[-_A-Za-z0-9]{1,64}$"},
        "title": _STRING,
        "message": _STRING,
        "priority": {"enum": [1, 2, 3, 4, 5]},
        "tags": {"type": "array", "items": _STRING},
    },
    "required": ["topic"],
    "additionalProperties": False,
}
CLOUDEVENTS = {
    "type": "object",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": _STRING,
        "source": {"type": "string", "pattern": r"^/[A-Za-z0-9._~%/-]+$"},
        "type": {"type": "string", "pattern": r"^io\.kyori\."},
        "subject": _STRING,
        "time": _TIME,
        "datacontenttype": {"const": "application/json"},
        "data": {"type": "object"},
    },
    "required": ["specversion", "id", "source", "type"],
    "additionalProperties": False,
}
_SCHEMAS: dict[str, tuple[dict[str, Any], str]] = {
    "alertmanager": (ALERTMANAGER, "application/json"),
    "pagerduty": (PAGERDUTY, "application/json"),
    "slack": (SLACK, "application/json"),
    "ntfy": (NTFY, "application/json"),
    "cloudevents": (CLOUDEVENTS, "application/cloudevents+json"),
    "json": ({"type": "object", "required": ["schema", "id"]}, "application/json"),
}


def strictly(name: str) -> Callable[[Request], str | None]:
    """Return the check of a format: what is wrong with a request, or None."""
    schema, content_type = _SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)

    def check(request: Request) -> str | None:
        if request.headers.get("Content-Type") != content_type:
            return "a wrong type of content"
        error = next(validator.iter_errors(request.json), None)
        if error is not None:
            return f"{error.json_path}: {error.message}"
        if name == "alertmanager":
            return _alertmanager(request)
        if name == "ntfy" and len(request.json["message"].encode()) > 4096:
            return "the message is too long"
        return None

    return check


def _alertmanager(request: Request) -> str | None:
    if request.path != "/api/v2/alerts":
        return "a wrong path"
    for alert in request.json:
        if not all(alert["labels"].values()):
            return "a label is empty"
        if "endsAt" in alert and moment(alert["endsAt"]) < moment(alert["startsAt"]):
            return "start time must be before end time"
    return None


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def firing(requests: list[Request], at: float | None = None) -> list[dict[str, str]]:
    """Return the labels of what an Alertmanager would show as firing after these, at a time."""
    ends: dict[str, float] = {}
    for request in requests:
        for alert in request.json:
            ends[json.dumps(alert["labels"], sort_keys=True)] = moment(alert["endsAt"])
    now = time.time() if at is None else at
    return [json.loads(labels) for labels, end in ends.items() if end > now]


RFC5424 = re.compile(
    r"<(?P<pri>[1-9]\d{0,2}|0)>1 "
    r"(?P<time>-|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)) "
    r"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<pid>[!-~]{1,128}) (?P<msgid>[!-~]{1,32}) "
    r'(?P<data>\[[^\s=\]"]{1,32}(?: [^\s=\]"]{1,32}="(?:[^"\\\]]|\\["\\\]])*")*\])'
    r" \ufeff(?P<text>.*)"
)
"""A message of syslog as RFC 5424, section 6, has it."""
