"""The API of the page with made-up answers: for working on the page without a daemon."""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import time
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from detector.web.page import routes as page_routes

TOKEN = "a-token-of-sixteen-or-more"
CSP = "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'"
FEATURES = [
    ("flow", "l/min"),
    ("pressure", "bar"),
    ("power", "kW"),
    ("vibration", "mm/s"),
    ("temperature", "°C"),
]
KEYS = [f"{site}/pump-{n}" for site in ("north", "south", "harbour") for n in range(1, 9)]
BAD = {"harbour/pump-3": 6.4, "south/pump-7": 2.1}
STATE: dict[str, Any] = {"learning": True, "labels": {}, "acks": {}, "silences": [], "in_force": "v3"}
rng = np.random.default_rng(1)


def series(key: str, records: int, now: float) -> dict[str, Any]:
    r = np.random.default_rng(abs(hash(key)) % 2**32)
    t = now - np.arange(records)[::-1] * 2.0
    load = np.sin(t / 300) + 0.3 * np.sin(t / 47)
    base = np.array([120, 5.2, 30, 2.1, 54])[:, None]
    gain = np.array([18, 0.5, 6, 0.2, 3])[:, None]
    values = base + gain * (load + 0.15 * r.normal(size=(5, records)))
    expected = base + gain * load
    score = np.sqrt(r.chisquare(5, records))
    if key in BAD:
        n = records // 5
        n = max(n, 1)
        values[1, -n:] -= gain[1, 0] * BAD[key] * np.linspace(0.2, 1, n)
        score[-n:] *= 1 + BAD[key] * np.linspace(0, 1.1, n)
    threshold = np.full(records, 4.53)
    level = score / threshold
    shares = np.array([0.06, 0.79, 0.11, -0.02, 0.06]) if key in BAD else r.dirichlet(np.ones(5))
    return {
        "pipeline": "pumps",
        "key": key,
        "features": [{"name": n, "unit": u} for n, u in FEATURES],
        "time": t.tolist(),
        "score": score.tolist(),
        "threshold": threshold.tolist(),
        "level": level.tolist(),
        "values": values.tolist(),
        "expected": expected.tolist(),
        "sd": np.repeat(gain * 0.2, records, 1).tolist(),
        "shares": shares.tolist(),
        "learned": 18234,
        "seen": 18290,
    }


def entry(key: str, now: float) -> dict[str, Any]:
    level = BAD[key] * random.uniform(0.9, 1.1) if key in BAD else random.uniform(0.1, 0.85)
    return {
        "pipeline": "pumps",
        "key": key,
        "time": now,
        "score": level * 4.53,
        "threshold": 4.53,
        "level": level,
        "anomaly": key in BAD,
        "severity": {True: "critical" if level > 4 else "warning", False: ""}[key in BAD],
        "since": now - 431 if key in BAD else None,
        "kinds": ["distance"] if key in BAD else [],
        "top": ["pressure", "power"] if key in BAD else [],
    }


def alert(i: int, now: float) -> dict[str, Any]:
    key = [*BAD, *KEYS][i]
    open_ = i < 2
    kind = ["distance", "distance", "stuck", "shift", "stale", "distance"][i % 6]
    level = BAD.get(key, 1.7)
    reasons = [
        {
            "name": "pressure",
            "unit": "bar",
            "value": 2.31,
            "expected": 5.18,
            "sd": 0.11,
            "share": 0.79,
            "direction": "below",
        },
        {
            "name": "power",
            "unit": "kW",
            "value": 35.2,
            "expected": 30.9,
            "sd": 1.4,
            "share": 0.14,
            "direction": "above",
        },
        {
            "name": "flow",
            "unit": "l/min",
            "value": 124.1,
            "expected": 121.3,
            "sd": 3.4,
            "share": 0.07,
            "direction": "above",
        },
    ]
    id_ = f"{i:02x}f8a61c0{i:02x}"
    label = STATE["labels"].get(id_, {})
    opened = now - 431 - i * 5200
    return {
        "schema": "kyori.alert.v1",
        "id": id_,
        "status": "open" if open_ else "closed",
        "kind": kind,
        "pipeline": "pumps",
        "key": key,
        "time": opened + (400 if open_ else 900),
        "opened": opened,
        "record": 18011,
        "records": 212,
        "score": level * 4.53,
        "threshold": 4.53,
        "level": level,
        "p": 2e-7,
        "severity": "critical" if level > 4 else "warning",
        "message": "pressure 2.31 bar is below the 5.18 ± 0.11 bar that the other features led to expect; it accounts for 79 % of the distance",
        "reasons": reasons,
        "model": "m",
        "metric": "",
        "known": "suction leak" if i == 0 else "",
        "grouped": False,
        "label": label.get("label", "" if open_ or i % 3 else "real"),
        "class": label.get("class", "" if open_ or i % 3 else "bearing wear"),
        "acked": STATE["acks"].get(id_),
        "quiet": "",
    }


def authorised(request: Request) -> bool:
    return request.headers.get("authorization") == f"Bearer {TOKEN}"


async def overview(_: Request) -> Response:
    now = time.time()
    return JSONResponse(
        {
            "name": "plant-a",
            "version": "0.1.0",
            "started": now - 86400 * 3,
            "now": now,
            "learning": STATE["learning"],
            "pipelines": [
                {
                    "name": "pumps",
                    "learning": STATE["learning"],
                    "ready": True,
                    "sources": [{"name": "plant", "type": "mqtt", "connected": True}],
                    "records": int(now) % 100000 * 12,
                    "rate": 12.0 + random.random(),
                    "lag_s": 0.31,
                    "refused": 4,
                    "anomalies": 212,
                    "alerts": 17,
                    "open_alerts": 2,
                    "keys": len(KEYS),
                    "model": "m1",
                    "metric": "v3",
                    "outputs": [
                        {"name": "broker", "type": "mqtt", "delivered": 34, "waiting": 0, "dropped": 0},
                        {"name": "file", "type": "file", "delivered": 34, "waiting": 0, "dropped": 0},
                    ],
                },
                {
                    "name": "access-log",
                    "learning": True,
                    "ready": True,
                    "sources": [{"name": "nginx", "type": "tail", "connected": False}],
                    "records": 992311,
                    "rate": 0.0,
                    "lag_s": None,
                    "refused": 0,
                    "anomalies": 3,
                    "alerts": 1,
                    "open_alerts": 0,
                    "keys": 1,
                    "model": "m2",
                    "metric": "",
                    "outputs": [
                        {"name": "oncall", "type": "webhook", "delivered": 2, "waiting": 3, "dropped": 0}
                    ],
                },
            ],
        }
    )


async def streams(request: Request) -> Response:
    q, now = request.query_params.get("q", ""), time.time()
    rows = sorted((entry(k, now) for k in KEYS if q in k), key=lambda e: -e["level"])
    o, n = int(request.query_params.get("offset", 0)), int(request.query_params.get("limit", 50))
    return JSONResponse({"total": len(rows), "streams": rows[o : o + n]})


async def window(request: Request) -> Response:
    return JSONResponse(
        series(request.query_params["key"], int(request.query_params.get("records", 300)), time.time())
    )


async def ellipse(request: Request) -> Response:
    w = series(request.query_params["key"], 300, time.time())
    names = [f["name"] for f in w["features"]]
    i, j = names.index(request.query_params["x"]), names.index(request.query_params["y"])
    x, y = np.array(w["values"][i]), np.array(w["values"][j])
    c = np.cov(x[:230], y[:230])
    m = [x[:230].mean(), y[:230].mean()]
    a = np.linspace(0, 2 * math.pi, 90)
    ring = (np.linalg.cholesky(c) @ np.array([np.cos(a), np.sin(a)])).T * 3.7 + m
    circle = np.array([np.cos(a) * c[0, 0] ** 0.5, np.sin(a) * c[1, 1] ** 0.5]).T * 3.7 + m
    return JSONResponse(
        {
            "points": np.array([x, y, w["level"]]).T.tolist(),
            "ellipse": ring.tolist(),
            "circle": circle.tolist(),
            "mean": m,
            "outside_ellipse": 41,
            "outside_circle": 12,
        }
    )


async def embedding(request: Request) -> Response:
    if request.query_params.get("method") == "lfda" and len(STATE["labels"]) < 2:
        return JSONResponse(
            {"error": "LFDA needs labels of at least two kinds; label some alerts first"}, 409
        )
    w = series(request.query_params["key"], 300, time.time())
    v = np.array(w["values"])
    z = (v - v.mean(1, keepdims=True)) / v.std(1, keepdims=True)
    u = np.linalg.svd(z, full_matrices=False)[2][:2] * 17
    return JSONResponse(
        {
            "method": "pca",
            "axes": ["PC 1 (62 %)", "PC 2 (21 %)"],
            "points": [[a, b, l, ""] for a, b, l in zip(*u, w["level"], strict=True)],
            "note": "",
        }
    )


async def alerts(request: Request) -> Response:
    now, status = time.time(), request.query_params.get("status", "all")
    rows = [alert(i, now) for i in range(17)]
    return JSONResponse({"alerts": [a for a in rows if status in ("all", a["status"])], "next": None})


async def one(request: Request) -> Response:
    now = time.time()
    found = [a for a in (alert(i, now) for i in range(17)) if a["id"] == request.path_params["id"]]
    if not found:
        return JSONResponse({"error": "there is no alert of this id; GET /v1/alerts lists them"}, 404)
    a = found[0]
    return JSONResponse(
        {
            "alert": a,
            "history": [{**a, "status": "open", "time": a["opened"]}],
            "window": series(a["key"], 300, now),
            "nearest": [
                {"class": "suction leak", "distance": 1.21, "threshold": 2.4},
                {"class": "bearing wear", "distance": 5.9, "threshold": 2.2},
            ],
            "labels": [{"alert": a["id"], **STATE["labels"][a["id"]], "by": "page", "time": now}]
            if a["id"] in STATE["labels"]
            else [],
        }
    )


async def change(request: Request) -> Response:
    if not authorised(request):
        return JSONResponse({"error": "this needs the token of the server"}, 401)
    path, body = request.url.path, (await request.json() if request.method != "DELETE" else {})
    if path == "/v1/labels":
        STATE["labels"][body["alert"]] = body
    elif path.endswith("/ack"):
        STATE["acks"][request.path_params["id"]] = {
            "by": "page",
            "time": time.time(),
            "note": body.get("note", ""),
        }
    elif path.endswith("/unack"):
        STATE["acks"].pop(request.path_params["id"], None)
    elif path == "/v1/learn":
        STATE["learning"] = body["learning"]
    elif path == "/v1/models/promote":
        STATE["in_force"] = body["id"]
    elif path == "/v1/silences":
        STATE["silences"].append(
            {
                "id": f"s{len(STATE['silences'])}",
                "pipeline": body.get("pipeline", ""),
                "keys": body["keys"],
                "until": time.time() + 7200,
                "why": body["why"],
                "by": "page",
            }
        )
    elif request.method == "DELETE":
        STATE["silences"] = [s for s in STATE["silences"] if s["id"] != request.path_params["id"]]
    return JSONResponse({})


async def labels(_: Request) -> Response:
    return JSONResponse(
        {
            "labels": [{"alert": k, **v} for k, v in STATE["labels"].items()]
            + [{"alert": "x", "label": "real", "class": "bearing wear"}]
        }
    )


async def models(_: Request) -> Response:
    now = time.time()
    figs = [
        {"average_precision": 0.71, "average_precision_default": 0.6},
        {"average_precision": 0.83, "average_precision_default": 0.6},
        {"average_precision": 0.64, "average_precision_default": 0.6},
    ]
    return JSONResponse(
        {
            "pipelines": [
                {
                    "name": "pumps",
                    "can_rollback": True,
                    "versions": [
                        {
                            "id": f"v{4 - i}",
                            "algorithm": ["lfda", "kissme", "kissme"][i],
                            "created": now - 86400 * (i + 1),
                            "in_force": STATE["in_force"] == f"v{4 - i}",
                            "figures": figs[i],
                            "parent": f"v{3 - i}",
                        }
                        for i in range(3)
                    ],
                },
                {"name": "access-log", "versions": [], "can_rollback": False},
            ]
        }
    )


async def silences(_: Request) -> Response:
    return JSONResponse(
        {
            "windows": [
                {
                    "pipeline": "pumps",
                    "keys": "north/*",
                    "cron": "0 2 * * 6",
                    "lasts": 7200,
                    "why": "wash",
                    "next": time.time() + 40000,
                    "active": False,
                }
            ],
            "silences": STATE["silences"],
        }
    )


async def events(request: Request) -> Response:
    key = request.query_params.get("key")

    async def stream():
        n, last = 0, time.time()

        def say(event: str, data: Any) -> str:
            return f"id: {n}\nevent: {event}\ndata: {json.dumps(data)}\n\n"

        yield ": hello\n\n"
        while True:
            await asyncio.sleep(0.25)
            n, now = n + 1, time.time()
            if n % 4 == 0:
                yield say(
                    "tick",
                    {
                        "pipeline": "pumps",
                        "records": int(now) % 100000 * 12,
                        "rate": 12 + 2 * math.sin(now / 9) + random.random(),
                        "open_alerts": 2,
                        "alerts": 17,
                        "anomalies": 212,
                        "learning": STATE["learning"],
                        "connected": True,
                    },
                )
                yield say(
                    "tick",
                    {
                        "pipeline": "access-log",
                        "records": 992311,
                        "rate": 0,
                        "open_alerts": 0,
                        "alerts": 1,
                        "anomalies": 3,
                        "learning": True,
                        "connected": False,
                    },
                )
            yield say("state", {"pipeline": "pumps", "keys": [entry(k, now) for k in random.sample(KEYS, 8)]})
            if key and n % 4 == 0:
                w = series(key, 2, now)
                yield say(
                    "records",
                    {
                        "pipeline": "pumps",
                        "key": key,
                        **{k: w[k] for k in ("time", "score", "threshold", "level", "values", "shares")},
                    },
                )
            if n == 20:
                yield say("alert", {"alert": {**alert(0, now)}})
            last = now

    return StreamingResponse(stream(), media_type="text/event-stream")


async def headers(request: Request, call_next: Any) -> Response:
    response = await call_next(request)
    response.headers["Content-Security-Policy"] = CSP
    return response


class Headers:
    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-security-policy", CSP.encode())]
            await send(message)

        await self.app(scope, receive, with_headers)


app = Headers(
    Starlette(
        routes=[
            *page_routes(),
            Route("/v1/overview", overview),
            Route("/v1/streams", streams),
            Route("/v1/streams/window", window),
            Route("/v1/streams/ellipse", ellipse),
            Route("/v1/streams/embedding", embedding),
            Route("/v1/alerts", alerts),
            Route("/v1/alerts/{id}", one),
            Route("/v1/alerts/{id}/ack", change, methods=["POST"]),
            Route("/v1/alerts/{id}/unack", change, methods=["POST"]),
            Route("/v1/labels", labels),
            Route("/v1/labels", change, methods=["POST"]),
            Route("/v1/models", models),
            Route("/v1/models/promote", change, methods=["POST"]),
            Route("/v1/models/rollback", change, methods=["POST"]),
            Route("/v1/learn", change, methods=["POST"]),
            Route("/v1/reload", change, methods=["POST"]),
            Route("/v1/silences", silences),
            Route("/v1/silences", change, methods=["POST"]),
            Route("/v1/silences/{id}", change, methods=["DELETE"]),
            Route("/v1/events", events),
        ]
    )
)

if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
