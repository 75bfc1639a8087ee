"""A real Redis for tests: free loopback port, its own folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.brokers import free_port, wait_until

REDIS = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/sbin:/usr/local/bin")
FILES = {"cert": "cert", "key": "key", "ca-cert": "ca"}
HINT = "needs redis-server: apt-get install redis-server"


def needs_redis(function: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that starts a server; it is skipped, with a hint, where there is none."""
    return pytest.mark.skipif(REDIS is None, reason=HINT)(function)


class Server:
    """Runs from `start` to `stop`; what it held is there again after another `start`."""

    def __init__(
        self, folder: Path, password: str | None = None, tls: Mapping[str, Path] | None = None
    ) -> None:
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        ours: dict[str, Any] = {"port": self.port, "password": password}
        lines = [f"bind 127.0.0.1\ndir {folder}\nappendonly yes", 'save ""']
        lines += [f"requirepass {password}"] if password else []
        if tls is None:
            lines.append(f"port {self.port}")
        else:
            ours |= {"host": "localhost", "ssl": True, "ssl_ca_certs": str(tls["ca"])}
            lines.append(f"port 0\ntls-port {self.port}\ntls-auth-clients no")
            lines += [f"tls-{name}-file {tls[file]}" for name, file in FILES.items()]
        conf = folder / "redis.conf"
        conf.write_text("\n".join([*lines, ""]))
        self._command = [str(REDIS), str(conf)]
        self._process: subprocess.Popen[bytes] | None = None
        self.client = Redis(**ours)

    def start(self) -> Server:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        wait_until(self._answers)
        return self

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def _answers(self) -> bool:
        try:
            self.client.ping()
        except RedisError:
            return False
        return True
