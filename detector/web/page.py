"""The files of the page: read once, served from memory, each under the one name it has.

They hold no data, so they need no token. What is asked for is looked up, never joined to a path.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TYPES = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "svg": "image/svg+xml",
    "LICENSE": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it goes out."""

    content: bytes
    media_type: str
    etag: str


def assets() -> Mapping[str, Asset]:
    """Return the files of the page by their paths below ``static``, as ``js/main.js``."""
    return dict(_below(files("detector.web").joinpath("static"), ""))


def routes() -> list[Route]:
    """Return ``/``, which is the page, and ``/static/...``, what it loads."""
    known = assets()

    async def serve(request: Request) -> Response:
        asset = known.get(request.path_params.get("path", "index.html"))
        if asset is None:
            return JSONResponse({"error": "the page has no such file; it begins at /"}, 404)
        headers = {
            "ETag": asset.etag,
            "Cache-Control": "no-cache",
        }  # asked for each time, sent when it is new
        if asset.etag in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=headers)
        return Response(asset.content, headers=headers, media_type=asset.media_type)

    return [Route("/", serve, name="page"), Route("/static/{path:path}", serve, name="static")]


def _below(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _below(entry, f"{prefix}{entry.name}/")
        elif (media_type := TYPES.get(entry.name.rpartition(".")[2])) is not None:
            content = entry.read_bytes()
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found.append((prefix + entry.name, Asset(content, media_type, etag)))
    return found
