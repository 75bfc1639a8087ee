"""The application that the server runs: its routes, errors as JSON, and the guard before all of it."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute

from detector.errors import StateError
from detector.web.security import FAULT, App, Guard, Rules

_SAID = {404: "there is nothing at this path", 405: "this path does not take that method"}


def application(routes: Sequence[BaseRoute], rules: Rules) -> App:
    """Return these routes behind these rules.

    Whatever a route raises is told as JSON: `HTTPException` with its status, `StateError` as 503, for it may
    be asked for again, anything else as a fault of ours.
    """
    app = Starlette(
        routes=list(routes),
        exception_handlers={HTTPException: _refused, StateError: _unavailable, Exception: _failed},
    )
    return Guard(app, rules)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - it is registered for these
    usual = error.detail in ("Not Found", "Method Not Allowed")
    said = _SAID.get(error.status_code, error.detail) if usual else error.detail
    return JSONResponse({"error": said}, error.status_code, error.headers)


async def _unavailable(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"{error}; try again"}, 503, {"retry-after": "1"})


async def _failed(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": FAULT}, 500)  # the guard logs it
