"""A daemon to look into: as a process with its log, or inside this process; and its configuration."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from structlog.testing import capture_logs

from detector.daemon import Daemon
from detector.progress import Progress
from detector.registry import load_config
from tests.brokers import wait_until
from tests.daemon.process import FEATURES, settings

ALERTS: dict[str, Any] = {"out": {"type": "file", "path": "out.jsonl"}}


def write_config(
    folder: Path, sources: dict[str, Any], outputs: dict[str, Any] = ALERTS, **pipeline: Any
) -> Path:
    """One pipeline ``p`` over all of these; `pipeline` adds to its settings, `file` to the file itself."""
    more = pipeline.pop("file", {})
    one = settings() | {"sources": list(sources), "outputs": list(outputs)} | pipeline
    return write(folder, {"pipelines": {"p": one}, "sources": sources, "outputs": outputs} | more)


def write(folder: Path, config: dict[str, Any]) -> Path:
    path = folder / "config.yaml"
    path.write_text(json.dumps({"version": 1, "log": {"format": "json"}} | config, indent=1))
    return path


def record(i: int, **fields: Any) -> str:
    """A record as JSON, with the number `i` for its time."""
    return json.dumps({"time": 1.6e9 + i} | dict.fromkeys(FEATURES, 1.0 + i % 7) | fields)


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


class Process:
    """``kyori run`` as a user starts it; what it says is read all the time."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        module: str = "detector.cli",
        stdin: int | None = None,
        **environ: str,
    ) -> None:
        self.started = time.monotonic()
        self.said: list[str] = []
        command = [sys.executable, "-m", module, "run", *arguments]
        home = str(Path(__file__).parents[2])
        self.process = subprocess.Popen(
            command, cwd=folder, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": home} | environ,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.finish()

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in list(self.said)]

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in self.log if line["event"] == name]

    def wait_for(self, event: str, timeout_s: float = 60.0) -> dict[str, Any]:
        wait_until(lambda: self.events(event) or self.process.poll() is not None, timeout_s)
        assert self.events(event), self.said
        return self.events(event)[0]

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Send a signal, wait for the end, and return how long that took."""
        start = time.monotonic()
        self.process.send_signal(number)
        self.finish()
        return time.monotonic() - start

    def finish(self, timeout_s: float = 60.0) -> int:
        """Wait for its end; return its exit code."""
        code = self.process.wait(timeout_s)
        self._reader.join(10)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()
        return code


class Inside:
    """The same daemon in a thread of this process: started quickly, and open to be looked into."""

    def __init__(self, config: Path, *, once: bool = False) -> None:
        self.once = once
        self.log: list[Any] = []
        self.failure: BaseException | None = None
        self._config = config
        self._captured = capture_logs()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self.log = self._captured.__enter__()
        try:
            self.daemon = Daemon(load_config(self._config))
            self._thread.start()
            for worker in self.daemon.workers.values():
                worker.ready.wait(60)
        except BaseException:
            self._captured.__exit__(None, None, None)
            raise
        return self

    def _run(self) -> None:
        try:
            self.daemon.run(once=self.once)
        except BaseException as error:
            self.failure = error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        finally:
            self._captured.__exit__(None, None, None)

    def stop(self) -> float:
        """End it as SIGTERM does; return how long that took."""
        start = time.monotonic()
        if not self.once:
            self.daemon.stop()
        self._thread.join(60)
        assert not self._thread.is_alive()
        if self.failure is not None:
            raise self.failure
        return time.monotonic() - start

    def progress(self, name: str = "p") -> Progress:
        return self.daemon.workers[name].progress

    def wait_records(self, n: int, name: str = "p", timeout_s: float = 30.0) -> None:
        wait_until(lambda: self.progress(name).records >= n, timeout_s)

    def events(self, name: str) -> list[dict[str, Any]]:
        return [line for line in list(self.log) if line["event"] == name]

    def wait_for(self, event: str, timeout_s: float = 30.0) -> dict[str, Any]:
        wait_until(lambda: self.events(event), timeout_s)
        return self.events(event)[0]
