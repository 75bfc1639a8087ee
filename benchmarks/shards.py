"""What several processes on one host would be worth: the bound, from the CPU time of each part of the way.

``python -m benchmarks.shards [--records 200000] [--messages 20000] [--rounds 5]``. Keys would be split over two
processes on two cores. Decoding and scoring can be shared out; what else is done for a record is done by each of
the two, or by a third one for both, and bounds what they come to (Amdahl). CPU seconds are measured, not the
clock, so that a busy machine tells the same; of several rounds the median. No bound counts the memory that two
processes share, nor a third cost of any kind: the clock would tell less.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from benchmarks.process import machine
from benchmarks.speed.mqtt import by_link, by_source, records, waiting
from connectors.sources.file import FileSource
from detector.contracts import Batch
from detector.errors import EndOfInput
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

GOAL = 1.6
_KEYS = 200
_ROWS = 10_000
_SETTINGS = Settings.model_validate(
    {"key": "{dev}", "record": {"time": "time", "features": [f"f{j}" for j in range(5)]}}
)
_DEVICE = re.compile(rb'"dev": "([^"]*)"')


def cpu(work: Callable[[], object], rounds: int) -> float:
    """Return the CPU seconds of all threads, the median of some rounds; the first one warms up."""
    took = []
    for _ in range(rounds + 1):
        begun = time.process_time()
        work()
        took.append(time.process_time() - begun)
    return statistics.median(took[1:])


def batches(path: Path) -> Iterator[Batch]:
    """Read and decode a file of lines of JSON."""
    source = FileSource("in", FileSource.Options(paths=(str(path),)), _SETTINGS.layout)
    with closing(source):
        source.open(b"")
        while True:
            try:
                batch = source.read(_ROWS, 1.0)
            except EndOfInput:
                return
            if batch is not None:
                yield batch


def split(path: Path) -> list[bytes]:
    """Deal lines out by their key, as bytes: what a splitter has to do before it writes them to two pipes."""
    parts: list[list[bytes]] = [[], []]
    for line in path.read_bytes().splitlines(keepends=True):
        found = _DEVICE.search(line)
        parts[zlib.crc32(found[1] if found else b"") & 1].append(line)
    return [b"".join(part) for part in parts]


def score(decoded: list[Batch]) -> None:
    """Score and learn, and make what a commit stores of it."""
    pipeline = Pipeline("p", _SETTINGS)
    for batch in decoded:
        pipeline.process(batch)
        pipeline.state()


def of_lines(n: int, rounds: int) -> dict[str, float]:
    """Return the microseconds of CPU of each part, for a record."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.jsonl"
        with path.open("w") as file:
            for i, line in enumerate(records(n)):
                file.write(f'{{"dev": "pump-{i * 7919 % _KEYS}", {line[1:]}\n')
        decoded = list(batches(path))
        took = {
            "decode": cpu(lambda: list(batches(path)), rounds),
            "score": cpu(lambda: score(decoded), rounds),
            "split": cpu(lambda: split(path), rounds),
        }
    return {name: 1e6 * seconds / n for name, seconds in took.items()}


def of_messages(n: int, rounds: int) -> dict[str, float]:
    """Return the same for messages of one record each, with what the broker needs to deliver one."""
    with capture_logs(), waiting(records(n), ["link", "source"], rounds + 1) as turns:
        link, source = turns("link", by_link), turns("source", by_source)
        broker = _broker_pid()
        before = _used(broker)
        took = {"receive": cpu(link, rounds)}
        took["broker"] = (_used(broker) - before) / (rounds + 1)
        took["decode"] = cpu(source, rounds) - took["receive"]
    return {name: 1e6 * seconds / n for name, seconds in took.items()}


def _broker_pid() -> int:
    """Return the process that this one has started last."""
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return max(map(int, children))


def _used(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def bounds(lines: dict[str, float], messages: dict[str, float]) -> dict[str, float]:
    """Return by how much two processes on two cores would be faster than one, at most."""
    decode, scored, cut = lines["decode"], lines["score"], lines["split"]
    one = decode + scored
    receive, decoded, broker = messages["receive"], messages["decode"], messages["broker"]
    whole = receive + decoded + scored
    return {
        "JSONL: each reads and decodes all, scores its keys": one / (decode + scored / 2),
        "JSONL: each reads all, drops foreign lines, decodes its own": one / (cut + one / 2),
        "JSONL: a splitter deals lines out to both": one / max((cut + one) / 2, cut),
        "JSONL: the files are split already (two daemons)": 2.0,
        "MQTT: each receives all, drops foreign topics": max(whole, broker) / (
            max((2 * receive + decoded + scored + 2 * broker) / 2, receive + (decoded + scored) / 2)
        ),
        "MQTT: topics are split (two daemons)": max(whole, broker) / max((whole + broker) / 2, broker),
    }  # fmt: skip


def main() -> None:
    """Print costs and bounds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--records", type=int, default=200_000)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    lines, messages = of_lines(asked.records, asked.rounds), of_messages(asked.messages, asked.rounds)
    print(
        f"{machine()}; load {os.getloadavg()[0]:.1f}; microseconds of CPU a record, median of {asked.rounds}"
    )
    print(
        f"lines of JSON, {_KEYS} keys: {_told(lines)}\nMQTT, QoS 1, one record a message: {_told(messages)}"
    )
    for way, bound in bounds(lines, messages).items():
        print(f"{bound:5.2f}  {'reaches' if bound >= GOAL else 'below'} {GOAL}: {way}")


def _told(costs: dict[str, Any]) -> str:
    return ", ".join(f"{name} {cost:.2f}" for name, cost in costs.items())


if __name__ == "__main__":
    main()
