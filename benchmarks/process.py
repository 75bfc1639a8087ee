"""A real `kyori run` in a process of its own, and what the system says of it."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from detector import row
from detector.config.load import load
from detector.pipeline import Pipeline
from detector.registry import DISTANCES, sink_options, source_options

_CHECKSUM_BYTES = 16


def kyori() -> list[str]:
    """Return the command that a user types, of this very environment."""
    script = Path(sys.executable).with_name("kyori")
    return [str(script)] if script.exists() else [sys.executable, "-m", "detector.cli"]


def write_config(folder: Path, features: list[str], source: dict[str, Any], **more: Any) -> Path:
    """Write a configuration with one pipeline, from `source` to a file of alerts; return its path."""
    config = {
        "version": 1,
        "pipelines": {
            "p": {
                "sources": ["in"],
                "outputs": ["out"],
                "record": {"time": "time", "features": features},
                **more,
            }
        },
        "sources": {"in": source},
        "outputs": {"out": {"type": "file", "path": "alerts.jsonl"}},
        "log": {"format": "json"},
    }
    path = folder / "config.yaml"
    path.write_text(json.dumps(config, indent=1))
    return path


class Daemon:
    """``kyori run`` with a configuration; its log is read as it comes.

    Attributes
    ----------
    started : float
        By the monotonic clock.
    log : list of (float, dict)
        Lines of the log, and when they came.
    """

    def __init__(self, config: Path, *arguments: str) -> None:
        self.log: list[tuple[float, dict[str, Any]]] = []
        self._changed = threading.Condition()
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [*kyori(), "run", str(config), *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for text in self.process.stderr:
            now = time.monotonic()
            line = json.loads(text) if text.startswith("{") else {"event": "text", "text": text.rstrip()}
            with self._changed:
                self.log.append((now, line))
                self._changed.notify_all()

    def wait_for(self, event: str, timeout_s: float = 180.0, count: int = 1) -> float:
        """Wait until this event stands in the log `count` times; return when the last of them came."""
        end = time.monotonic() + timeout_s
        with self._changed:
            while True:
                times = [at for at, line in self.log if line["event"] == event]
                if len(times) >= count:
                    return times[count - 1]
                over = self.process.poll() is not None and not self._reader.is_alive()
                if over or time.monotonic() > end:
                    raise RuntimeError(f"{event!r} did not come; the log: {[line for _, line in self.log]}")
                self._changed.wait(0.1)

    def count(self, event: str) -> int:
        """Return how often this event stands in the log."""
        with self._changed:
            return sum(line["event"] == event for _, line in self.log)

    def status(self) -> dict[str, int]:
        """Return what /proc tells: ``rss`` in bytes, ``threads``, and ``fds``, open descriptors."""
        folder = Path("/proc") / str(self.process.pid)
        fields = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        return {
            "rss": 1024 * int(fields["VmRSS"].split()[0]),
            "threads": int(fields["Threads"]),
            "fds": len(list((folder / "fd").iterdir())),
        }

    def cpu(self) -> float:
        """Return the CPU seconds that it has used so far."""
        text = (Path("/proc") / str(self.process.pid) / "stat").read_text()
        user, system = text.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> dict[str, Any]:
        """End it by SIGTERM; return its last word, which counts records."""
        self.process.send_signal(signal.SIGTERM)
        return self.finish()

    def finish(self, timeout_s: float = 600.0) -> dict[str, Any]:
        """Wait for its end; return its last word, which counts records."""
        code = self.process.wait(timeout_s)
        self._reader.join(10)
        if code != 0:
            raise RuntimeError(f"kyori ended with {code}; the log: {[line for _, line in self.log]}")
        return next(line for _, line in reversed(self.log) if line["event"] == "stopped")


def run_once(config: Path) -> tuple[float, float, int]:
    """Run to the end of all files; return CPU and wall seconds since it was ready, and the records."""
    before = _children_cpu()
    daemon = Daemon(config, "--once")
    ready = daemon.wait_for("ready")
    cpu_start = daemon.cpu()
    records = daemon.finish()["records"]
    return _children_cpu() - before - cpu_start, daemon.wait_for("stopped") - ready, records


def run_until(config: Path, records: int) -> tuple[float, float]:
    """Run until so many records are committed, then stop; return CPU and wall seconds since it was ready."""
    daemon = Daemon(config)
    ready = daemon.wait_for("ready")
    cpu_start = daemon.cpu()
    while seen(config) < records:
        if daemon.process.poll() is not None:
            raise RuntimeError(f"kyori ended; the log: {daemon.log}")
        time.sleep(0.02)
    cpu, wall = daemon.cpu() - cpu_start, time.monotonic() - ready
    daemon.stop()
    return cpu, wall


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def seen(config: Path) -> int:
    """Return how many records a running daemon has committed, over all models."""
    _, width = _state(config)
    values = _committed(config, "SELECT value FROM entry WHERE kind = 'row'")
    rows = [
        np.frombuffer(value[-_CHECKSUM_BYTES - 8 * width : -_CHECKSUM_BYTES], "<f8") for (value,) in values
    ]
    return int(sum(one[row.SEEN] for one in rows))


def remembered(config: Path) -> int:
    """Return how many alerts a running daemon could be given a label of."""
    return sum(count for (count,) in _committed(config, "SELECT COUNT(*) FROM entry WHERE kind = 'vector'"))


def _committed(config: Path, query: str) -> list[tuple[Any, ...]]:
    """Return what a query of a running daemon's state finds; nothing before there is one."""
    database, _ = _state(config)
    if not database.exists():
        return []
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            return connection.execute(query).fetchall()
        except sqlite3.OperationalError:
            return []


@functools.cache
def _state(config: Path) -> tuple[Path, int]:
    """Return where the models are, and how many numbers each has."""
    checked = load(config, source_options(), sink_options(), DISTANCES)
    return checked.state_dir / "p.db", len(Pipeline("p", checked.pipelines["p"]).pool.rows[0])


def machine() -> str:
    """Return on what this was measured, as far as it matters and is nobody's secret."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
        model = names[0].split(":", 1)[1].strip() if names else model
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{model}, {os.cpu_count()} cores, Python {version}"
