"""Runs the blocks of shell of one page, in order and in one shell, beside a copy of the examples."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.brokers import Broker
from tests.docs.blocks import ROOT, Block
from tests.docs.forking import CLIENT

_ELSEWHERE = re.compile(r"(?<![\w.$])/(var/log|srv|run/secrets|etc/kyori|var/lib/kyori)/")
_BROKER = re.compile(r"mqtt://(?:localhost|127\.0\.0\.1)(?::1883)?(?![:\w])")
_TIMEOUT_S = 150


@contextmanager
def forking(folder: Path) -> Iterator[Path]:
    """A process that runs `kyori` commands; the value is the folder with the command."""
    (folder / "bin").mkdir()
    path = str(folder / "socket")
    command = [sys.executable, "-m", "tests.docs.forking", path]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}
    server = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == "serving\n"
        _script(folder / "bin" / "kyori", CLIENT.format(python=sys.executable, path=path))
        for name in ("python", "python3"):
            _script(folder / "bin" / name, f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        yield folder / "bin"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


class Shell:
    """A place with the examples and what a newcomer has: a shell, `kyori`, `python`, and perhaps a broker."""

    def __init__(self, folder: Path, commands: Path, broker: Broker | None = None) -> None:
        self.folder, self._broker = folder, broker
        shutil.copytree(ROOT / "examples", folder / "examples", ignore=shutil.ignore_patterns("out", "state"))
        for place in (
            "var/log/nginx",
            "var/log/app",
            "srv",
            "run/secrets",
            "etc/kyori",
            "var/lib/kyori",
            "bin",
        ):
            (folder / place).mkdir(parents=True)
        _access_log(folder / "var/log/nginx/access.log")
        self._environ = os.environ | {
            "PATH": f"{folder / 'bin'}:{commands}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "KYORI_DOCS_LOGS": str(folder),
            "LC_ALL": "C.UTF-8",
            "HOME": str(folder),
        }
        if broker is not None:
            for name in ("mosquitto_pub", "mosquitto_sub", "mosquitto_rr"):
                told = f'#!/bin/sh\nexec {shutil.which(name)} -h 127.0.0.1 -p {broker.port} "$@"\n'
                _script(folder / "bin" / name, told)

    def here(self, text: str) -> str:
        """Return commands or a configuration with this place's folders and broker in them."""
        text = _ELSEWHERE.sub(lambda found: f"{self.folder}/{found[1]}/", text)
        return text if self._broker is None else _BROKER.sub(self._broker.url, text)

    def run(self, parts: Sequence[Block]) -> str:
        """Run the blocks, and return what they print; fail with the block that failed."""
        lines = ["set -e", "trap 'kyori --stop' EXIT"]
        for block in parts:
            told = f"echo 'at {block}' >&2"
            lines += [told, self.here(block.first), self.here(block.text)] if not block.not_run else []
        out = self.folder / "stdout"
        with out.open("w") as stdout, (self.folder / "stderr").open("w+") as stderr:
            process = subprocess.Popen(
                ["sh", "-c", "\n".join(lines)], cwd=self.folder, env=self._environ, stdout=stdout,
                stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True,
            )  # fmt: skip
            try:
                code = process.wait(_TIMEOUT_S)
            finally:  # what a page starts in the background ends with it
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
            stderr.seek(0)
            said = stderr.read()
        assert code == 0, f"exit code {code}\n{said}"
        return out.read_text()


def _script(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def _access_log(path: Path) -> None:
    """Write the log of a web server: twelve minutes of requests."""
    with path.open("w") as file:
        for i in range(720):
            at = f"30/Nov/2026:08:{i // 60:02}:{i % 60:02} +0000"
            request = (
                f'"GET /{("", "login", "cart")[i % 3]} HTTP/1.1" {(200, 200, 404)[i % 7 % 3]} {500 + i % 90}'
            )
            file.write(f'10.0.0.{i % 9} - - [{at}] {request} "-" "curl/8.5" 0.{i % 10}1\n')
