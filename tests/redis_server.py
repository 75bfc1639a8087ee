"""A real Redis for tests: free loopback port, its own folder."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from tests.brokers import free_port, wait_until

REDIS = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/sbin:/usr/local/bin")
HINT = "needs redis-server: apt-get install redis-server"


def needs_redis(function: Callable[..., None]) -> Callable[..., None]:
    """Mark a test that starts a server; it is skipped, with a hint, where there is none."""
    return pytest.mark.skipif(REDIS is None, reason=HINT)(function)


class Server:
    """Runs from `start` to `stop`; what it held is there again after another `start`."""

    def __init__(self, folder: Path, password: str | None = None) -> None:
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        conf = folder / "redis.conf"
        secret = f"requirepass {password}\n" if password else ""
        conf.write_text(f'bind 127.0.0.1\nport {self.port}\ndir {folder}\nappendonly yes\nsave ""\n{secret}')
        self._command = [str(REDIS), str(conf)]
        self._process: subprocess.Popen[bytes] | None = None
        self.client = Redis(port=self.port, password=password)

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
