"""What the container is made of, as far as it can be seen without an engine that builds it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
CONTAINERFILE = (ROOT / "Containerfile").read_text()
COMPOSE = YAML(typ="safe").load((ROOT / "examples/compose/compose.yaml").read_text())["services"]


def instructions(name: str) -> list[str]:
    """The arguments of each instruction of this name."""
    joined = re.sub(r"\\\n\s*", "", CONTAINERFILE)
    return [line.removeprefix(name).strip() for line in joined.splitlines() if line.startswith(f"{name} ")]


@contextmanager
def answering(status: int) -> Iterator[str]:
    """A server whose /readyz has this status, and which has nothing else."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def checked(folder: Path, text: str | None) -> tuple[int, str]:
    """What the health check says of a state directory with this server.json."""
    if text is not None:
        (folder / "server.json").write_text(text)
    command = [sys.executable, str(ROOT / "packaging" / "healthcheck.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stderr


def test_healthy_is_what_is_ready(tmp_path: Path) -> None:
    with answering(200) as url:
        assert checked(tmp_path, json.dumps({"url": url, "token": "t", "pid": 1})) == (0, "")
    with answering(503) as url:
        code, said = checked(tmp_path, json.dumps({"url": url}))
        assert (code, "503" in said) == (1, True)
    code, said = checked(tmp_path, json.dumps({"url": url}))
    assert (code, "refused" in said) == (1, True)


def test_without_a_server_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert checked(tmp_path, None) == (0, "")
    assert checked(tmp_path, "{")[0] == 1
    assert checked(tmp_path, '{"url": "file:///etc/passwd"}')[0] == 1


def test_it_runs_without_rights_and_is_asked_and_stopped_in_a_plain_way() -> None:
    assert len(instructions("FROM")) == 2
    assert instructions("USER") == ["10001:10001"]
    assert instructions("STOPSIGNAL") == ["SIGTERM"]
    for name in ("ENTRYPOINT", "CMD", "VOLUME"):
        assert all(isinstance(json.loads(one), list) for one in instructions(name))
    (health,) = instructions("HEALTHCHECK")
    assert json.loads(health.partition("CMD ")[2])[1] == "/opt/kyori/healthcheck.py"
    assert "packaging/install.sh" in instructions("RUN")[0]


def test_what_it_copies_is_there() -> None:
    sources = [one.split()[0] for one in instructions("COPY") if not one.startswith("--from")]
    assert [one for one in sources if not (ROOT / one).exists()] == []


def test_compose_gives_it_no_more_than_it_needs() -> None:
    kyori = COMPOSE["kyori"]
    assert kyori["read_only"] is True
    assert kyori["cap_drop"] == ["ALL"]
    named = [one.split(":")[1] for one in kyori["volumes"] if not one.startswith(".")]
    assert named == json.loads(instructions("VOLUME")[0])
    files = [one.split(":")[0] for service in COMPOSE.values() for one in service["volumes"] if one[0] == "."]
    assert len(files) == 2
    assert [one for one in files if not (ROOT / "examples" / "compose" / one).is_file()] == []
    assert all(port.startswith("127.0.0.1:") for port in COMPOSE["broker"]["ports"])


def test_its_broker_has_the_settings_that_lose_nothing() -> None:
    ours, told = (
        {line for line in (ROOT / "examples" / name).read_text().splitlines() if line[:1].islower()}
        for name in ("compose/mosquitto.conf", "mosquitto.conf")
    )
    assert told - ours == {
        "listener 1883 127.0.0.1",
        "persistence_location /var/lib/mosquitto/",
    }
