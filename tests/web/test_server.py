"""The server's life: it holds nothing up, is found by others of this machine, and ends with the daemon."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from detector import watchdog
from detector.daemon import Daemon
from detector.registry import load_config
from detector.web import server
from detector.web.site import FILE
from detector.worker import Worker
from tests.brokers import OPENSSL, certificates, free_port, sign_certificate, wait_until
from tests.daemon.running import Inside, Process, record, write_config
from tests.web.serving import TOKEN, Asker, Serving, serving

needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="needs openssl: apt-get install openssl")
SOURCES = {"s": {"type": "tail", "paths": ["log.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}}


def configured(folder: Path, **file: Any) -> Path:
    return write_config(folder, SOURCES, file=file)


def append(folder: Path, first: int, last: int) -> None:
    with (folder / "log.jsonl").open("a") as log:
        log.writelines(record(i) + "\n" for i in range(first, last))


def test_where_no_server_is_configured_nothing_of_it_is_loaded(tmp_path: Path) -> None:
    said = "import sys, detector.cli, detector.daemon; print([m for m in ('uvicorn', 'starlette', "
    said += "'prometheus_client') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    append(tmp_path, 0, 5)
    with Inside(configured(tmp_path)) as inside:
        inside.wait_records(5)
        assert inside.daemon.site.url == ""
        assert not (tmp_path / "state" / FILE).exists()


def test_a_port_that_is_taken_holds_nothing_up_and_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "_RETRY_S", 0.05)
    append(tmp_path, 0, 50)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        config = configured(tmp_path, server={"listen": f"127.0.0.1:{port}"})
        inside = Inside(config).__enter__()
        try:
            inside.wait_records(50)
            told = inside.wait_for("server_unavailable")
            assert "in use" in told["error"] and "server.listen" in told["remedy"]
            assert inside.daemon.site.url == ""
            taken.close()
            wait_until(lambda: inside.daemon.site.url)
            assert Serving(tmp_path, inside).ask("/readyz").status == 200
            assert len(inside.events("server_unavailable")) == 1
        finally:
            inside.__exit__(None, None, None)


def test_a_port_that_stays_taken_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = configured(tmp_path, server={"listen": f"127.0.0.1:{taken.getsockname()[1]}"})
        with Inside(config) as inside:
            inside.wait_for("server_unavailable")
            threads = [thread for thread in threading.enumerate() if thread.name == "server"]
            inside.stop()
            assert threads and not any(thread.is_alive() for thread in threads)


def test_open_streams_do_not_hold_up_the_end(tmp_path: Path) -> None:
    async def events(_: Request) -> Response:
        async def told() -> AsyncIterator[bytes]:
            while True:
                yield b": alive\n\n"
                await asyncio.sleep(0.02)

        return StreamingResponse(told(), media_type="text/event-stream")

    with serving(tmp_path, [Route("/v1/events", events)]) as one:
        readers = [one.raw(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(5)]
        assert all(b"200 OK" in reader.recv(1000) for reader in readers)
        idle = one.raw(b"")
        threads = [thread for thread in threading.enumerate() if thread.name == "server"]
        one.inside.stop()  # which waits for the server two seconds at most
        assert threads and not any(thread.is_alive() for thread in threads)
        for reader in [*readers, idle]:
            while reader.recv(10_000):
                pass
            reader.close()


def test_not_ready_until_the_state_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, restore = threading.Event(), Worker._resume

    def waiting(worker: Worker) -> None:
        assert go.wait(60)
        restore(worker)

    monkeypatch.setattr(Worker, "_resume", waiting)
    daemon = Daemon(load_config(configured(tmp_path, server={"listen": "127.0.0.1:0"})))
    running = threading.Thread(target=daemon.run)
    running.start()
    try:
        wait_until(lambda: daemon.site.url, 30)
        one = Asker(lambda: daemon.site.url)
        assert one.ask("/livez").status == 200
        assert (one.ask("/readyz").status, one.ask("/healthz").status) == (503, 503)
        assert "pipeline p is not ready" in one.ask("/healthz").json["why"][0]
        go.set()
        wait_until(lambda: one.ask("/readyz").status == 200)
        assert one.ask("/healthz").json["ready"]
    finally:
        go.set()
        daemon.stop()
        running.join(60)
    assert not running.is_alive()


def test_not_ready_while_a_pipeline_hangs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_IDLE_S", 0.02)
    monkeypatch.setattr(watchdog, "_HANGS_S", 1.0)
    go = threading.Event()
    config = configured(tmp_path, server={"listen": "127.0.0.1:0"}, watchdog="off")
    with Inside(config) as inside:
        wait_until(lambda: inside.daemon.site.url, 30)
        one = Serving(tmp_path, inside)
        wait_until(lambda: one.ask("/readyz").status == 200)
        worker = inside.daemon.workers["p"]
        asking = threading.Thread(target=lambda: worker.questions.ask(lambda: go.wait(60), 60))
        asking.start()
        try:
            wait_until(lambda: one.ask("/readyz").status == 503, 30)
            assert one.ask("/healthz").json["why"] == ["pipeline p hangs"]
            assert one.ask("/livez").status == 200
        finally:
            go.set()
            asking.join(60)
        wait_until(lambda: one.ask("/readyz").status == 200, 30)


def test_healthz_and_version_tell_what_runs(tmp_path: Path) -> None:
    append(tmp_path, 0, 20)
    with serving(tmp_path) as one:
        one.inside.wait_records(20)
        said = one.ask("/healthz").json
        assert (said["name"], said["live"], said["ready"], said["why"]) == ("kyori", True, True, [])
        assert said["pipelines"]["p"]["sources"] == {"s": True}
        assert said["pipelines"]["p"]["ever"]["received"] == 20
        version = one.ask("/version").json
        assert version["version"] == said["version"] and version["name"] == "kyori"
        head = one.ask("/livez", "HEAD")
        assert (head.status, head.body) == (200, b"")


def test_others_find_it_by_a_file_that_only_its_user_may_read(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / FILE).write_text("left by a kill")
    (tmp_path / "state" / FILE).chmod(0o644)
    with serving(tmp_path) as one:
        wait_until(lambda: (tmp_path / "state" / FILE).read_text().startswith("{"))
        assert one.noted == {"url": one.site.url, "token": one.site.token, "pid": os.getpid()}
        assert stat.S_IMODE((tmp_path / "state" / FILE).stat().st_mode) == 0o600
    assert not (tmp_path / "state" / FILE).exists()


def test_a_token_is_in_no_log_and_no_state(tmp_path: Path) -> None:
    append(tmp_path, 0, 30)
    configured(tmp_path, server={"listen": "127.0.0.1:0"}, log={"level": "debug", "format": "json"})
    with Process(tmp_path) as process:
        url = process.wait_for("server_listening", 240)["url"]
        note = tmp_path / "state" / FILE
        wait_until(note.exists)
        used = json.loads(note.read_text())["token"]
        assert len(used) >= 43
        asked = Asker(lambda: url)
        asked.ask("/v1/x", Authorization=f"Bearer {used}")
        asked.ask(f"/v1/x?token={used}", "POST", {}, Authorization="Bearer wrong")
        kept = [file for file in (tmp_path / "state").rglob("*") if file.is_file() and file != note]
        assert kept and not any(used.encode() in file.read_bytes() for file in kept)
        process.stop()
    assert process.said and not any(used in line for line in process.said)
    assert url.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("given", [None, TOKEN])
@pytest.mark.parametrize("form", ["human", "json"])
def test_only_a_person_at_a_terminal_is_shown_a_token_and_only_that_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, form: str
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    server = {"listen": "127.0.0.1:0"} | ({"token": given} if given else {})
    with Inside(configured(tmp_path, server=server, log={"format": form})) as inside:
        shown = inside.wait_for("server_listening")["url"]
        site = inside.daemon.site
        assert shown == site.url + (f"/#token={site.token}" if given is None and form == "human" else "")
        if given is not None:
            assert site.token == given and given not in str(inside.log)


def test_a_reload_takes_up_a_changed_server_and_nothing_else(tmp_path: Path) -> None:
    """Nothing, unless there was no server before: then pipelines begin to remember what it shows."""
    append(tmp_path, 0, 20)
    with serving(tmp_path) as one:
        one.inside.wait_records(20)
        worker, before = one.inside.daemon.workers["p"], one.port

        def reload(**file: Any) -> None:
            told = len(one.inside.events("reloaded"))
            configured(tmp_path, **file)
            one.inside.daemon.reload()
            wait_until(lambda: len(one.inside.events("reloaded")) > told, 30)

        reload(server={"listen": f"127.0.0.1:{free_port()}", "token": TOKEN})
        wait_until(lambda: one.site.url and one.port != before)
        assert one.ask("/version").status == 401
        assert one.ask("/version", **one.bearer(TOKEN)).status == 200
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", before), timeout=5)
        wait_until(lambda: one.noted["token"] == TOKEN)
        url = one.site.url
        reload(server={"listen": url.removeprefix("http://"), "token": TOKEN}, watchdog="50s")
        assert one.site.url == url  # untouched
        assert one.inside.daemon.workers["p"] is worker
        reload()
        assert one.site.url == ""
        assert not (tmp_path / "state" / FILE).exists()
        reload(server={"listen": "127.0.0.1:0"})
        wait_until(lambda: one.site.url)
        append(tmp_path, 20, 40)
        one.inside.wait_records(20)
        assert one.ask("/healthz").json["pipelines"]["p"]["ever"]["received"] == 40


def test_a_wrong_server_in_the_file_leaves_the_old_one(tmp_path: Path) -> None:
    with serving(tmp_path) as one:
        url = one.site.url
        configured(tmp_path, server={"listen": "0.0.0.0:8480"})
        one.inside.daemon.reload()
        refused = one.inside.wait_for("reload_refused")
        assert any("give a token" in problem for problem in refused["problems"])
        assert one.site.url == url
        assert one.ask("/livez").status == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="needs IPv6")
def test_it_listens_by_ipv6(tmp_path: Path) -> None:
    with serving(tmp_path, listen="[::1]:0") as one:
        assert one.site.url.startswith("http://[::1]:")
        with socket.create_connection(("::1", one.port), timeout=10) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: [::1]\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in connection.recv(1000)


def test_on_all_addresses_it_is_known_by_the_address_that_was_asked(tmp_path: Path) -> None:
    with serving(tmp_path, listen="0.0.0.0:0", token=TOKEN) as one:
        assert one.site.url.startswith("http://127.0.0.1:")
        assert one.ask("/livez", host="127.0.0.1").status == 200
        assert one.ask("/livez", host="10.1.2.3").status == 421  # an address, and not the one that was asked
        with socket.create_connection(("127.0.0.2", one.port), timeout=10) as connection:
            connection.sendall(b"GET /livez HTTP/1.1\r\nHost: 127.0.0.2\r\nConnection: close\r\n\r\n")
            assert b"200 OK" in connection.recv(1000)


@needs_openssl
def test_https_and_a_renewed_certificate(tmp_path: Path) -> None:
    made = certificates(tmp_path / "tls")
    with serving(tmp_path, tls={"cert": "tls/cert.pem", "key": "tls/key.pem"}) as one:
        assert one.site.url.startswith("https://127.0.0.1:")

        def certificate() -> bytes:
            trusted = ssl.create_default_context(cafile=str(made["ca"]))
            with (
                socket.create_connection(("127.0.0.1", one.port), timeout=10) as plain,
                trusted.wrap_socket(plain, server_hostname="localhost") as wrapped,
            ):
                wrapped.sendall(b"GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                assert b"200 OK" in wrapped.recv(1000)
                assert wrapped.version() in ("TLSv1.2", "TLSv1.3")
                return wrapped.getpeercert(binary_form=True) or b""

        first = certificate()
        with one.raw(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n") as plain:
            assert b"200" not in plain.recv(1000)
        sign_certificate(made, "localhost")
        url = one.site.url
        one.inside.daemon.reload()
        one.inside.wait_for("reloaded")
        wait_until(lambda: certificate() != first)
        assert one.site.url == url
