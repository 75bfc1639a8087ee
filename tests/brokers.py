"""A real Mosquitto for tests: free loopback port, its own folder, restarted or killed at will."""

from __future__ import annotations

import atexit
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
HINT = "needs mosquitto: apt-get install mosquitto mosquitto-clients"
OPENSSL = shutil.which("openssl")


def needs_mosquitto(function: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that starts a broker; it is skipped, with a hint, where there is none."""
    skipped = pytest.mark.skipif(MOSQUITTO is None or shutil.which("mosquitto_pub") is None, reason=HINT)
    return pytest.mark.mosquitto(skipped(function))


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def wait_until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Wait until the condition holds; fail the test when it does not come true."""
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, "timed out"
        time.sleep(0.01)


class Broker:
    """One Mosquitto; `stop` lets it save its sessions, `kill` does not."""

    def __init__(self, folder: Path, *, persistent: bool = True, lines: str = "") -> None:
        self.port = free_port()
        self.folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        kept = f"persistence true\npersistence_location {folder}/\n" if persistent else "persistence false\n"
        self._conf = folder / "mosquitto.conf"
        self._conf.write_text(
            f"listener {self.port} 127.0.0.1\n{lines or 'allow_anonymous true'}\n{kept}"
            "max_queued_messages 0\nlog_type none\nuser root\n"
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Broker:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen([MOSQUITTO, "-c", str(self._conf)], stderr=subprocess.DEVNULL)
        atexit.register(self.kill)  # should a test fail before it does
        wait_until(self._answers, 60)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """A time in which the broker takes connections but answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def _answers(self) -> bool:
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def publish(self, topic: str, *payloads: str, qos: int = 1, retain: bool = False) -> None:
        """Publish one message each, by Mosquitto's own client, and wait until the broker has them."""
        more = ["-r"] if retain else []
        head = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-q", str(qos), *more]
        # More lines at once than there are packet ids, and mosquitto_pub itself loses some.
        for start in range(0, len(payloads), 20_000):
            lines = "".join(payload + "\n" for payload in payloads[start : start + 20_000])
            subprocess.run([*head, "-l"], input=lines.encode(), check=True, timeout=30)

    def publish_file(self, topic: str, file: Path) -> None:
        """Publish the content of a file as one message."""
        head = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-q", "1"]
        subprocess.run([*head, "-f", str(file)], check=True, timeout=30)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    """A running broker that keeps its sessions on disk."""
    made = Broker(tmp_path / "broker").start()
    yield made
    made.kill()


def password_lines(folder: Path, user: str, password: str) -> str:
    """Settings of a broker that lets only this user in."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "passwords"
    subprocess.run(["mosquitto_passwd", "-b", "-c", str(file), user, password], check=True, timeout=30)
    return f"allow_anonymous false\npassword_file {file}"


def certificates(folder: Path, host: str = "localhost", *, days: int = 2) -> dict[str, Path]:
    """Make an authority ``ca`` and, signed by it, a certificate for `host`: ``cert`` and ``key``.

    With days below 0 the certificate has run out.
    """
    assert OPENSSL is not None
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.pem" for name in ("ca", "ca_key", "cert", "key", "request", "names")}
    root = [
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=test authority",
        "-keyout",
        paths["ca_key"],
        "-out",
        paths["ca"],
    ]
    subprocess.run([*_new_key(), *root], check=True, capture_output=True, timeout=30)
    sign_certificate(paths, host, days=days)
    return paths


def _new_key() -> list[str | Path]:
    assert OPENSSL is not None
    return [OPENSSL, "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]


def sign_certificate(paths: dict[str, Path], host: str, *, days: int = 2) -> None:
    """Make the ``cert`` and ``key`` of these paths for `host`, signed by their ``ca``."""
    assert OPENSSL is not None
    paths["names"].write_text(f"subjectAltName=DNS:{host}\n")
    leaf = [*_new_key(), "-subj", f"/CN={host}", "-keyout", paths["key"], "-out", paths["request"]]
    sign = [OPENSSL, "x509", "-req", "-in", paths["request"], "-CA", paths["ca"], "-CAkey", paths["ca_key"]]
    sign += ["-CAcreateserial", "-days", str(days), "-extfile", paths["names"], "-out", paths["cert"]]
    for command in (leaf, sign):
        subprocess.run(command, check=True, capture_output=True, timeout=30)
    for path in paths.values():
        path.chmod(0o600)
