"""How a verb finds the daemon and talks to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from detector.errors import KyoriError
from detector.registry import load_config
from detector.web.client import Client
from detector.web.site import FILE
from tests.brokers import OPENSSL, certificates, free_port, wait_until
from tests.daemon.running import write_config
from tests.web.serving import TOKEN, Serving, serving

TOLD = b""": alive

event: tick
data: {"records": 3}

id: 7
event: alert
data: {"text":
data: "\xe7\x95\xb0\xe5\xb8\xb8"}

data: [1]

event: cut
data: {"""


async def echo(request: Request) -> Response:
    body = await request.json() if request.method == "POST" else None
    return JSONResponse({"method": request.method, "query": dict(request.query_params), "body": body})


async def refuse(_: Request) -> Response:
    raise HTTPException(409, "no labels of two kinds; give some")


async def events(_: Request) -> Response:
    async def told() -> AsyncIterator[bytes]:
        for start in range(0, len(TOLD), 7):
            yield TOLD[start : start + 7]

    return StreamingResponse(told(), media_type="text/event-stream")


ROUTES = [
    Route("/v1/echo", echo, methods=["GET", "POST", "DELETE"]),
    Route("/v1/refuse", refuse),
    Route("/v1/events", events),
]


def client_of(one: Serving) -> Client:
    wait_until((one.folder / "state" / FILE).exists)
    return Client.of(load_config(one.folder / "config.yaml"))


@pytest.mark.parametrize("more", [{}, {"token": TOKEN}])
def test_it_reads_changes_and_listens(tmp_path: Path, more: dict[str, Any]) -> None:
    with serving(tmp_path, ROUTES, **more) as one:
        client = client_of(one)
        read = client.get("/v1/echo", q="a&b ü", status=None)
        assert read == {"method": "GET", "query": {"q": "a&b ü"}, "body": None}
        assert client.post("/v1/echo", {"learn": False})["body"] == {"learn": False}
        assert client.delete("/v1/echo")["method"] == "DELETE"
        assert list(client.events("/v1/events")) == [
            ("tick", {"records": 3}), ("alert", {"text": "異常"}), ("message", [1]),
        ]  # fmt: skip
        with pytest.raises(KyoriError, match="the daemon says: no labels of two kinds; give some"):
            client.get("/v1/refuse")
        with pytest.raises(KyoriError, match="nothing at this path"):
            next(client.events("/v1/nothing"))


@pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")
def test_over_https_it_trusts_the_certificate_of_the_configuration_only(tmp_path: Path) -> None:
    """Whatever name that is for: this machine asks by an address."""
    certificates(tmp_path / "tls", "kyori.example")
    certificates(tmp_path / "other", "127.0.0.1")
    with serving(tmp_path, ROUTES, tls={"cert": "tls/cert.pem", "key": "tls/key.pem"}) as one:
        client = client_of(one)
        assert client.post("/v1/echo", {})["method"] == "POST"
        with pytest.raises(KyoriError, match="does not answer"):
            Client(client.url, "x", tmp_path / "other" / "cert.pem").get("/v1/echo")


def test_what_is_wrong_is_said_with_its_remedy(tmp_path: Path) -> None:
    source = {"s": {"type": "stdin"}}
    config = load_config(write_config(tmp_path, source))
    with pytest.raises(KyoriError, match="has no server; add a line to it: server: "):
        Client.of(config)
    config = load_config(write_config(tmp_path, source, file={"server": {}}))
    with pytest.raises(KyoriError, match=r"no daemon of .*config.yaml listens; start it: kyori run "):
        Client.of(config)
    note = tmp_path / "state" / FILE
    note.parent.mkdir()
    for content in ("", "[]", '{"url": 3}'):
        note.write_text(content)
        with pytest.raises(KyoriError, match="cannot be read"):
            Client.of(config)
    gone = Client(f"http://127.0.0.1:{free_port()}", TOKEN)
    with pytest.raises(KyoriError, match=r"does not answer at http.*does it run") as caught:
        gone.get("/v1/overview")
    assert TOKEN not in str(caught.value)
    with pytest.raises(KyoriError, match="does not answer"):
        next(gone.events("/v1/events"))
