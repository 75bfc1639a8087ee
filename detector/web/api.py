"""The API under ``/v1`` for Starlette: a request is checked, answered by the office, and written as JSON."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import orjson
import structlog
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from detector.errors import KyoriError, StateError
from detector.web import openapi
from detector.web.asked import Asked, OfEvents
from detector.web.endpoints import ENDPOINTS, Endpoint
from detector.web.office import Office
from detector.web.refusal import Refusal

log = structlog.get_logger()

_ANSWERING = 8
"""Requests that are answered at a time: each may wait for a pipeline."""


def routes(office: Office) -> list[Route]:
    """Return the routes of the API.

    Parameters
    ----------
    office : Office
        Answers; whoever serves the routes starts and stops it.
    """
    pool = ThreadPoolExecutor(_ANSWERING, "api")
    document = openapi.document()
    made = [Route(one.path, _handler(office, one, pool), methods=[one.method]) for one in ENDPOINTS]
    made.append(Route("/v1/events", _events(office), methods=["GET"]))

    async def described(_: Request) -> Response:
        return JSONResponse(document)

    return [*made, Route("/v1/openapi.json", described, methods=["GET"])]


def _handler(office: Office, endpoint: Endpoint, pool: ThreadPoolExecutor) -> Any:
    async def answer(request: Request) -> Response:
        try:
            asked = await _asked(request, endpoint.asked, body=endpoint.method in ("POST", "PUT"))
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(pool, endpoint.call, office, asked, request.path_params)
        except Refusal as refusal:
            return error(refusal.status, str(refusal))
        except StateError as failure:
            return error(503, f"{failure}; try again", {"Retry-After": "1"})
        except KyoriError as failure:  # as a damaged file of metrics: the text says what to do
            return error(409, str(failure))
        return Response(_json(found), media_type="application/json")

    return answer


def _events(office: Office) -> Any:
    async def answer(request: Request) -> Response:
        try:
            of = await _asked(request, OfEvents, body=False)
            client = office.events.join_in(of)
        except Refusal as refusal:
            return error(refusal.status, str(refusal))

        async def told() -> AsyncIterator[str]:
            try:
                async for text in client.told():
                    yield text
            finally:
                office.events.leave(client)

        # A proxy that gathers what it passes on would hold up what happens.
        return StreamingResponse(told(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    return answer


async def _asked(request: Request, kind: type[Asked], *, body: bool) -> Any:
    """Return what is asked, checked; raises `Refusal`."""
    if body:
        return _checked(kind, _object(await request.body()))
    query = request.query_params
    twice = [name for name in query if len(query.getlist(name)) > 1]
    if twice:
        raise Refusal(422, f"{twice[0]}: stands there twice; give it once")
    return _checked(kind, dict(query), text=True)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        value = orjson.loads(body) if body.strip() else {}
    except orjson.JSONDecodeError as problem:
        raise Refusal(400, f"the body is no JSON: {problem.msg}, at character {problem.pos}") from None
    if not isinstance(value, dict):
        raise Refusal(422, 'the body must be an object, as {"learning": true}')
    return value


def _checked(kind: type[Asked], value: Mapping[str, Any], *, text: bool = False) -> Asked:
    """Return it as its model has it; numbers in a query are text, those in a body are not."""
    try:
        return kind.model_validate(value, strict=None if text else True)
    except ValidationError as problems:
        told = [
            f"{'.'.join(map(str, one['loc'])) or kind.__name__}: {one['msg'].removeprefix('Value error, ')}"
            for one in problems.errors(include_url=False, include_context=False, include_input=False)[:5]
        ]
        raise Refusal(422, "; ".join(told)) from None


def error(status: int, said: str, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer that says what is wrong."""
    return Response(_json({"error": said}), status, headers, "application/json")


def _json(value: Any) -> bytes:
    """Return JSON in ASCII: a key may hold what UTF-8 cannot."""
    return json.dumps(value, allow_nan=False, ensure_ascii=True).encode()
