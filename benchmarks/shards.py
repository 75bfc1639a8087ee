"""What several processes on one host would be worth: the bound, from the CPU time of each part of the way.

``python -m benchmarks.shards [--records 200000] [--messages 20000] [--rounds 5]``. Keys would be split over
two processes on two cores. Decoding and scoring can be shared out; what else is done for a record is done by
each of the two, or by a third one for both, and bounds what they come to (Amdahl). CPU seconds are measured,
not the clock, so that a busy machine tells nearly the same; of several rounds the median. No bound counts
what pipes between processes take, nor senders, nor the memory that two share: the clock would tell less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
from structlog.testing import capture_logs

from benchmarks.process import machine
from benchmarks.speed.mqtt import by_link, by_source, records, waiting
from connectors.sources.file import FileSource
from detector import scoring
from detector.contracts import Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.brokers import Broker

GOAL = 1.6
_KEYS = 200
_SETTINGS = Settings.model_validate(
    {"key": "{dev}", "record": {"time": "time", "features": [f"f{j}" for j in range(5)]}}
)
_MARK = np.frombuffer(b'"dev": "', np.uint8)


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
    return scoring.batches(FileSource("in", FileSource.Options(paths=(str(path),)), _SETTINGS.layout))


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def deal(data: Any, mark: Any, parts: Any, ends: Any) -> None:
    """Copy each line to one of two places, by a hash of what stands between a mark and the next quote."""
    start, n = 0, data.size
    while start < n:
        at, seen, digest = start, 0, np.uint64(14695981039346656037)
        while at < n and data[at] != 10 and seen < mark.size:
            seen = seen + 1 if data[at] == mark[seen] else (1 if data[at] == mark[0] else 0)
            at += 1
        while at < n and data[at] != 34 and data[at] != 10:
            digest = (digest ^ np.uint64(data[at])) * np.uint64(1099511628211)
            at += 1
        while at < n and data[at] != 10:
            at += 1
        part = np.int64((digest >> np.uint64(32)) & np.uint64(1))
        for i in range(start, min(at + 1, n)):
            parts[part, ends[part]] = data[i]
            ends[part] += 1
        start = at + 1


def split(path: Path) -> list[bytes]:
    """Deal lines out by their key, as bytes: what a splitter has to do before it writes them to two pipes."""
    data = np.fromfile(path, np.uint8)
    parts, ends = np.empty((2, data.size), np.uint8), np.zeros(2, np.int64)
    deal(data, _MARK, parts, ends)
    return [part[:end].tobytes() for part, end in zip(parts, ends, strict=True)]


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
    took["sent"] = _taking(n)
    return {name: 1e6 * seconds / n for name, seconds in took.items()}


def _taking(n: int) -> float:
    """Return the CPU seconds in which a broker takes so many messages from their sender."""
    with tempfile.TemporaryDirectory() as folder:
        broker = Broker(Path(folder) / "broker", persistent=False).start()
        try:
            before = _used(pid := _broker_pid())
            broker.publish("nobody", *records(n))
            return _used(pid) - before
        finally:
            broker.kill()


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
    receive, decoded = messages["receive"], messages["decode"]
    mine, whole = decoded + scored, receive + decoded + scored
    ways = {
        "JSONL: each reads and decodes all, scores its keys": one / (decode + scored / 2),
        "JSONL: each reads all, drops foreign lines, decodes its own": one / (cut + one / 2),
        "JSONL: a splitter deals lines out to both": one / max((cut + one) / 2, cut),
        "JSONL: the files are split already (two daemons)": 2.0,
    }
    for where, sent in (("here", messages["sent"]), ("elsewhere", 0.0)):
        broker = messages["broker"] if sent else 0.0
        alone = max(whole, (whole + sent + broker) / 2)
        both = (2 * receive + mine + sent + 2 * broker) / 2
        ways[f"MQTT, broker {where}: each receives all, drops foreign topics"] = alone / max(
            both, receive + mine / 2
        )
        ways[f"MQTT, broker {where}: topics are split (two daemons)"] = alone / ((whole + sent + broker) / 2)
    return ways


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
