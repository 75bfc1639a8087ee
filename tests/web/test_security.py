"""Who may ask for what (P42): every way that a stranger's page, or a stranger, could take is shut."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from connectors import http_connections
from detector.web import security
from tests.brokers import wait_until
from tests.web.serving import TOKEN, Answer, Serving, serving

CHANGED: list[object] = []


async def change(request: Request) -> Response:
    CHANGED.append(await request.json() if request.method != "DELETE" else None)
    return JSONResponse({"ok": True})


async def read(_: Request) -> Response:
    return JSONResponse({"secret": "flow"}, headers={"Cache-Control": "max-age=60"})


async def static(_: Request) -> Response:
    return Response("x", headers={"Cache-Control": "no-cache"})


async def boom(_: Request) -> Response:
    raise RuntimeError("kaputt")


async def events(_: Request) -> Response:
    async def told() -> AsyncIterator[bytes]:
        while True:
            yield b": alive\n\n"
            await asyncio.sleep(0.05)

    return StreamingResponse(told(), media_type="text/event-stream")


ROUTES = [
    Route("/v1/change", change, methods=["POST", "PUT", "DELETE"]),
    Route("/v1/read", read),
    Route("/v1/boom", boom),
    Route("/v1/events", events),
    Route("/static/{path:path}", static),
]


@pytest.fixture(autouse=True)
def _nothing_changed_yet() -> None:
    CHANGED.clear()


@pytest.fixture(scope="module")
def open_(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """On loopback, without a token of its own."""
    with serving(tmp_path_factory.mktemp("open"), ROUTES) as one:
        yield one


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """With a token that is needed for everything."""
    with serving(tmp_path_factory.mktemp("closed"), ROUTES, token=TOKEN, hosts=["kyori.example"]) as one:
        yield one


def error_of(answer: Answer) -> str:
    """Return what a refusal says; every answer, a refusal too, has the headers that keep browsers strict."""
    for name, value in security.HEADERS.items():
        assert answer.headers[name] == value
    assert answer.headers["content-type"] == "application/json"
    assert not [name for name in answer.headers if name.startswith("access-control")]
    said = answer.json["error"]
    assert isinstance(said, str) and said
    return said


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:8480", "localhost.evil.example", "127.0.0.1.evil.example", "",
        "127.0.0.2",
        "evil.example#@127.0.0.1", "127.0.0.1@evil.example", "[::1", "localhost/x",
        "localhost:port", "10.0.0.1",
    ],
)  # fmt: skip
def test_a_name_that_is_not_ours_is_refused_whatever_is_asked(open_: Serving, host: str) -> None:
    """A stranger's name that leads to 127.0.0.1 by now is what DNS rebinding looks like from here."""
    for path in ("/", "/livez", "/v1/read", "/static/a.js", "/metrics", "/nothing"):
        answer = open_.ask(path, host=host)
        assert answer.status == 421
        assert "server.hosts" in error_of(answer)
    assert open_.post("/v1/change", host=host).status == 421
    assert CHANGED == []


def test_two_names_or_none_are_refused(open_: Serving) -> None:
    for hosts in (b"", b"Host: localhost\r\nHost: evil.example\r\n"):
        with open_.raw(b"GET /v1/read HTTP/1.0\r\n" + hosts + b"\r\n") as connection:
            assert connection.recv(1000).split()[1] in (b"400", b"421")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:99", "127.0.0.1:8480", "[::1]:8480", "localhost."])
def test_this_machine_by_any_port_is_ours(open_: Serving, host: str) -> None:
    assert open_.ask("/v1/read", host=host).status == 200


def test_names_that_are_configured_are_ours(closed: Serving) -> None:
    assert closed.ask("/livez", host="Kyori.example:443").status == 200
    assert closed.ask("/livez", host="kyori.example.org").status == 421


def test_what_is_read_on_this_machine_needs_no_token(open_: Serving) -> None:
    answer = open_.ask("/v1/read")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-security-policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert not [name for name in answer.headers if name.startswith("access-control")]
    assert open_.ask("/static/a.js").headers["cache-control"] == "no-cache"
    assert open_.ask("/healthz").headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path", ["/v1/read", "/v1/events", "/metrics", "/healthz", "/version", "/nothing", "/v1"]
)
@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer wrong", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}",
        TOKEN, "Bearer " + "ü" * 16,
    ],
)  # fmt: skip
def test_where_a_token_is_set_nothing_is_read_without_it(
    closed: Serving, path: str, header: str | None
) -> None:
    given = {} if header is None else {"Authorization": header.encode().decode("latin-1")}
    for method in ("GET", "HEAD"):
        answer = closed.ask(path, method, **given)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer" in error_of(closed.ask(path, **given))


def test_what_needs_no_token_tells_nothing(closed: Serving) -> None:
    assert [closed.ask(path).body for path in ("/livez", "/readyz")] == [b"ok\n", b"ready\n"]
    assert closed.ask("/static/a.js").status == 200
    assert closed.ask("/").status == 404  # the page, where it is served
    assert closed.ask("/static/../v1/read").status == 200  # the route of the files, not that of the data
    assert b"flow" not in closed.ask("/static/../v1/read").body
    assert closed.ask("//v1/read").status == closed.ask("/%2e/v1/read").status == 401


def test_with_the_token_all_is_read(closed: Serving) -> None:
    for scheme in ("Bearer", "bearer"):
        assert closed.ask("/v1/read", Authorization=f"{scheme} {TOKEN}").json == {"secret": "flow"}
    assert closed.ask("/metrics", **closed.bearer()).status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_nothing_is_changed_without_the_token(open_: Serving, closed: Serving, method: str) -> None:
    for one in (open_, closed):
        for given in ({}, one.bearer("wrong"), {"Cookie": f"token={one.site.token}"}):
            answer = one.ask("/v1/change", method, {}, Content_Type="application/json", **given)
            assert answer.status == 401
            assert one.site.token not in error_of(answer)
        query = one.ask(f"/v1/change?token={one.site.token}", method, {}, Content_Type="application/json")
        assert query.status == 401
    assert CHANGED == []
    assert (
        open_.ask("/v1/change", method, {}, Content_Type="application/json", **open_.bearer()).status == 200
    )
    assert len(CHANGED) == 1


def test_the_token_of_one_run_is_not_that_of_another(open_: Serving, tmp_path: Path) -> None:
    assert len(open_.site.token) >= 43
    with serving(tmp_path) as other:
        assert other.site.token != open_.site.token


@pytest.mark.parametrize(
    "sent",
    [
        {"Origin": "http://evil.example"}, {"Origin": "null"}, {"Origin": "http://127.0.0.1"},
        {"Origin": "http://localhost:{port}"}, {"Origin": "http://127.0.0.1:{port}.evil.example"},
        {"Origin": "file://"}, {"Sec_Fetch_Site": "cross-site"}, {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "none"}, {"Origin": "http://127.0.0.1:{port}", "Sec_Fetch_Site": "cross-site"},
    ],
)  # fmt: skip
def test_a_page_of_another_origin_changes_nothing(open_: Serving, sent: dict[str, str]) -> None:
    """Not even one that has come by the token: another port of this machine is another origin too."""
    given = {name: value.format(port=open_.port) for name, value in sent.items()}
    answer = open_.post("/v1/change", **given)
    assert answer.status == 403
    assert "our own page" in error_of(answer)
    assert CHANGED == []


def test_our_own_page_and_programs_may_change(open_: Serving) -> None:
    here = f"127.0.0.1:{open_.port}"
    for origin in ("", f"http://{here}", f"https://{here}"):
        site = "same-origin" if origin else ""
        assert open_.post("/v1/change", {"n": 1}, Origin=origin, Sec_Fetch_Site=site).status == 200
    assert CHANGED == [{"n": 1}] * 3


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "", "json"]
)
def test_what_a_form_can_send_is_refused(open_: Serving, kind: str) -> None:
    answer = open_.post("/v1/change", {"n": 1}, Content_Type=kind)
    assert answer.status == 415
    assert "application/json" in error_of(answer)
    assert CHANGED == []
    assert open_.post("/v1/change", {"n": 1}, Content_Type="Application/JSON; charset=utf-8").status == 200


def test_a_preflight_gets_no_leave(open_: Serving) -> None:
    asked = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST"}
    answer = open_.ask("/v1/change", "OPTIONS", **asked)
    assert answer.status == 405
    error_of(answer)


@pytest.mark.parametrize("method", ["GET", "HEAD", "TRACE", "CONNECT", "PATCH", "OPTIONS", "BREW"])
def test_no_other_method_changes_anything(open_: Serving, method: str) -> None:
    target = "127.0.0.1:1" if method == "CONNECT" else "/v1/change"
    answer = open_.ask(target, method, Content_Type="application/json", **open_.bearer())
    assert answer.status in (404, 405)
    over = open_.ask("/v1/change", "GET", X_HTTP_Method_Override="POST", **open_.bearer())
    assert over.status == 405
    assert CHANGED == []


def test_a_body_has_a_limit(open_: Serving) -> None:
    largest = b'"' + b"x" * (security.LARGEST_BODY - 2) + b'"'
    assert open_.post("/v1/change", largest).status == 200
    assert len(CHANGED) == 1
    assert open_.post("/v1/change", largest + b" ").status == 413
    claimed = open_.post("/v1/change", b"", Content_Length=str(10**15))
    assert claimed.status == 413
    assert str(security.LARGEST_BODY) in error_of(claimed)
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    head = f"POST /v1/change HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {open_.site.token}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    with open_.raw(head.encode() + 16 * chunk + chunk) as connection:
        assert b" 413 " in connection.recv(1000)
    assert len(CHANGED) == 1


def test_a_body_that_does_not_come_is_given_up(open_: Serving, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(security, "_BODY_S", 0.1)
    head = f"POST /v1/change HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {open_.site.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 9\r\n\r\n1"
    with open_.raw(head.encode()) as connection:
        assert b" 408 " in connection.recv(1000)
    assert CHANGED == []


def ended(connection: socket.socket) -> bool:
    """Wait until the other side has closed."""
    try:
        while connection.recv(1000):
            pass
    except ConnectionResetError:
        pass
    return True


@pytest.mark.parametrize("said", [b"", b"GET /v1/re", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "])
def test_a_connection_that_brings_no_request_is_closed(
    open_: Serving, monkeypatch: pytest.MonkeyPatch, said: bytes
) -> None:
    monkeypatch.setattr(http_connections, "IDLE_S", 0.1)
    with open_.raw(said) as slow:
        assert ended(slow)
    assert open_.ask("/livez").status == 200


def test_who_does_not_read_is_let_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "IDLE_S", 0.2)

    async def flood(_: Request) -> Response:
        async def told() -> AsyncIterator[bytes]:
            while True:
                yield b"x" * 2**20
                await asyncio.sleep(0)

        return StreamingResponse(told())

    with serving(tmp_path, [Route("/v1/flood", flood)]) as one:
        server = one.site._server
        assert server is not None and server._server is not None
        with one.raw(b"GET /v1/flood HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            wait_until(lambda: server._server.server_state.tasks)
            wait_until(lambda: not server._server.server_state.tasks)


def test_connections_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_connections, "MOST", 2)
    with serving(tmp_path) as one:
        server = one.site._server
        assert server is not None
        kept = [one.raw(b"") for _ in range(2)]
        wait_until(lambda: len(server._server.server_state.connections) == 2)
        with one.raw(b"") as third:
            assert ended(third)
        for connection in kept:
            connection.close()


def test_a_head_has_a_limit(open_: Serving) -> None:
    with open_.raw(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 2**20) as connection:
        assert ended(connection)
    assert open_.ask("/livez").status == 200


def test_a_fault_of_ours_tells_nothing_but_in_the_log(tmp_path: Path) -> None:
    with serving(tmp_path, ROUTES) as one:
        answer = one.ask("/v1/boom")
        assert answer.status == 500
        assert "kaputt" not in error_of(answer)
        assert one.inside.wait_for("http_request_failed")["path"] == "/v1/boom"
        assert one.ask("/v1/read").status == 200


def test_what_is_not_there_is_said_as_json(open_: Serving) -> None:
    assert open_.ask("/v1/nothing").status == 404
    error_of(open_.ask("/v1/nothing"))
    assert open_.post("/v1/read").status == 405
    error_of(open_.post("/v1/read"))
