"""The API described as OpenAPI 3.1: made of the models that check requests, and of the shapes of answers."""

from __future__ import annotations

import re
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import models_json_schema

from detector.web import answers
from detector.web.asked import Asked, OfEvents
from detector.web.endpoints import ENDPOINTS, Endpoint

_REF = "#/components/schemas/{model}"
_STATUS = {
    400: "The body is no JSON",
    401: "The token is missing or wrong",
    404: "There is no such thing",
    409: "Not as it stands now",
    422: "A value is missing or cannot be",
    503: "Busy; try again",
}
_EVENTS = """Server-sent events. `tick`, each second of each pipeline: records,
rate, open alerts, whether it learns.
`state`: the keys that had records, as /v1/streams tells them. `alert`: an alert as /v1/alerts tells it.
`records` (with `key`): the records of that stream, as /v1/streams/window tells them.
`lost`: so many events (`count`) did not reach you, as you were too slow."""


def document() -> dict[str, Any]:
    """Return the document.

    >>> sorted(document()["paths"]["/v1/labels"])
    ['get', 'post']
    """
    parts = _Parts()
    paths: dict[str, dict[str, Any]] = {}
    for one in ENDPOINTS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, parts)
    paths["/v1/events"] = {
        "get": {
            "operationId": "events", "summary": "What happens, as it happens", "description": _EVENTS,
            "parameters": parts.parameters(OfEvents),
            "responses": {
                "200": {
                    "description": "A stream that does not end",
                    "content": {"text/event-stream": {"schema": {"type": "string"}}},
                },
                **parts.refusals((401, 404, 422, 503)),
            },
        }
    }  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "kyori", "version": "v1",
            "description": "A running detector: what it sees, what it told, and what it is told by people.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(parts.schemas.items())),
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"token": []}],
    }  # fmt: skip


class _Parts:
    """Gathers the schemas that operations refer to."""

    def __init__(self) -> None:
        self.schemas: dict[str, Any] = {}

    def answer(self, shape: Any) -> dict[str, str]:
        """Return a reference to the schema of an answer."""
        schema = TypeAdapter(shape).json_schema(ref_template=_REF, mode="serialization")
        self.schemas |= schema.pop("$defs", {})
        self.schemas[shape.__name__] = schema
        return {"$ref": _REF.format(model=shape.__name__)}

    def body(self, kind: type[Asked]) -> dict[str, str]:
        """Return a reference to the schema of a body."""
        _, schema = models_json_schema([(kind, "validation")], ref_template=_REF)
        self.schemas |= schema["$defs"]
        return {"$ref": _REF.format(model=kind.__name__)}

    def parameters(self, kind: type[Asked]) -> list[dict[str, Any]]:
        """Return the parameters of a query."""
        schema = kind.model_json_schema(ref_template=_REF)
        needed = schema.get("required", [])
        return [
            {"name": name, "in": "query", "required": name in needed, "schema": one}
            for name, one in schema.get("properties", {}).items()
        ]

    def refusals(self, statuses: tuple[int, ...]) -> dict[str, Any]:
        """Return the answers that say what is wrong."""
        content = {"application/json": {"schema": self.answer(answers.Error)}}
        return {str(one): {"description": _STATUS[one], "content": content} for one in sorted(statuses)}


def _operation(one: Endpoint, parts: _Parts) -> dict[str, Any]:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", one.path)
    ]
    body = one.method in ("POST", "PUT")
    said: dict[str, Any] = {
        "operationId": f"{one.method.lower()}{re.sub(r'[^a-z]+', '_', one.path.removeprefix('/v1'))}".rstrip(
            "_"
        ),
        "summary": one.summary,
        "parameters": in_path + ([] if body else parts.parameters(one.asked)),
        "responses": {
            "200": {
                "description": "Done" if one.changes else "So it is",
                "content": {"application/json": {"schema": parts.answer(one.answer)}},
            },
            **parts.refusals(tuple({*((400,) if body else ()), 401, 409, 422, 503, *one.refusals})),
        },
    }
    if body:
        said["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": parts.body(one.asked)}},
        }
    return said
