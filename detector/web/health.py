"""Whether the daemon lives and does its work, for orchestrators and for people.

Nothing here waits for a pipeline: what hangs must still be told of.
"""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from detector.version import installed
from detector.web.vitals import Vitals
from detector.worker import Worker

VERSION = installed()


def routes(vitals: Vitals) -> list[Route]:
    """Return ``/livez``, ``/readyz``, ``/healthz`` and ``/version``."""

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        ready = not vitals.unready()
        return PlainTextResponse("ready\n" if ready else "not ready\n", 200 if ready else 503)

    async def healthz(_: Request) -> Response:
        why = vitals.unready()
        return JSONResponse(_health(vitals, why), 503 if why else 200)

    async def version(_: Request) -> Response:
        return JSONResponse({"name": "kyori", "version": VERSION, "python": platform.python_version()})

    served = {"/livez": livez, "/readyz": readyz, "/healthz": healthz, "/version": version}
    return [Route(path, endpoint) for path, endpoint in served.items()]


def _health(vitals: Vitals, why: list[str]) -> dict[str, Any]:
    return {
        "name": vitals.name,
        "version": VERSION,
        "started": vitals.started,
        "live": True,
        "ready": not why,
        "why": why,
        "pipelines": {name: _pipeline(worker) for name, worker in dict(vitals.workers()).items()},
    }


def _pipeline(worker: Worker) -> dict[str, Any]:
    return {
        "ready": worker.ready.is_set() and worker.failure is None,
        "learning": worker.pipeline.learning,
        "sources": worker.connections(),
        "open_alerts": worker.progress.open_alerts,
        "ever": asdict(worker.counts),
    }
