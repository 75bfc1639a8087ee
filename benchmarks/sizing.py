"""How many processes, how much memory and disk: measured on this machine, then by simulation for other sizes.

``python -m benchmarks.sizing [--spark] [--docs docs/sizing.md]``. Time is that of the CPU. A process scores
what its keys bring and stores, beside that, every model that has changed: an alert waits for the commit under
way and for its own. The simulation draws how often each key comes, deals the keys out by a hash, and looks
for the least number of processes of which the busiest is in time.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import tempfile
import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.process import kyori, machine, write_config
from detector import codec
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.store import Store

FEATURES = ["a", "b", "c", "d", "e"]
FORMS = ("default", "plain")
USED = 0.7
"""Share of a core that may be planned with."""
WITHIN_S = 5.0
"""An alert is to be told so soon."""
SIZES = ((100_000, 100_000.0), (1_000_000, 100_000.0), (10_000_000, 1_000_000.0))
"""Keys, and records a second of all of them."""
_DRAWN = 20_000
_DEVICES, _KEYS = 200, 1 << 16
_BATCHES, _IN_BATCH, _UNCOUNTED = 7, 200, 2
_BEGIN, _END = "<!-- figures:", "<!-- end of figures -->"


class Cost(NamedTuple):
    """Records a CPU-second from file to alert; CPU-seconds to store a model; bytes a key."""

    rate: float
    store_s: float
    memory: float
    disk: float


class Need(NamedTuple):
    """What a number of keys and records takes: processes, cores, bytes, bytes a second, seconds."""

    processes: int
    cores: float
    memory: float
    disk: float
    written: float
    commit_s: float


def cost(form: str) -> Cost:
    """Measure a form of the detector, with five features."""
    memory = _memory(form)
    store_s, disk = _storing(form)
    return Cost(_daemon(form, _DEVICES, 8_000), store_s, memory, disk)


def _pipeline(form: str) -> Pipeline:
    detector = {"mode": form} if form != "default" else {}
    return Pipeline(
        "p", Settings.model_validate({"key": "{dev}", "record": {"features": FEATURES}, "detector": detector})
    )


def _memory(form: str) -> float:
    """Return bytes of a model in memory, with its name and place."""
    pool = _pipeline(form).pool
    tracemalloc.start()
    pool.slots(np.array([f"site/pump-{i}" for i in range(_KEYS)], object))
    took, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return took / _KEYS


def _storing(form: str) -> tuple[float, float]:
    """Return CPU-seconds to store a model again, and its bytes in the state file."""
    width, keys = _pipeline(form).width, 10_000
    rows = np.random.default_rng(0).normal(size=(keys, width))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "p.db"
        store = Store.open(path, schema="")
        took = []
        for _ in range(3):
            start = time.process_time()
            models = {f"site/pump-{i}": codec.encode_row(row, bytes(8)) for i, row in enumerate(rows)}
            store.commit(positions={}, rows=models, alerts=[])
            took.append(time.process_time() - start)
        store.close()
        return min(took[1:]) / keys, path.stat().st_size / keys


def _records(devices: int, first: int, last: int, seed: int) -> Iterator[str]:
    """Yield lines of JSON: records `first` to `last` of each device."""
    X = np.random.default_rng(seed).normal(20.0, 1.0, ((last - first), devices, len(FEATURES))).round(4)
    for seq in range(first, last):
        for dev, row in enumerate(X[seq - first].tolist()):
            record = {"dev": f"d{dev}", "seq": seq} | dict(zip(FEATURES, row, strict=True))
            yield json.dumps(record) + "\n"


def _daemon(form: str, devices: int, records: int) -> float:
    """Return records a CPU-second of `kyori run --once`, without its start."""
    took = []
    for n in (50, records):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "in.jsonl"
            with path.open("w") as file:
                file.writelines(_records(devices, 0, n, seed=0))
            more = {"record": {"features": FEATURES}, "key": "{dev}"}
            more |= {"detector": {"mode": form}} if form != "default" else {}
            config = write_config(Path(folder), FEATURES, {"type": "file", "paths": [str(path)]}, **more)
            command = [*kyori(), "run", "--once", str(config)]
            null = os.open(os.devnull, os.O_WRONLY)
            say_nothing = [(os.POSIX_SPAWN_DUP2, null, out) for out in (1, 2)]
            pid = os.posix_spawn(command[0], command, os.environ, file_actions=say_nothing)
            _, code, used = os.wait4(pid, 0)
            os.close(null)
            assert code == 0
            took.append(used.ru_utime + used.ru_stime)
    return devices * (records - 50) / (took[1] - took[0])


def spark() -> float:
    """Return rows a CPU-second on Spark, of the whole tree of processes, once it is warm."""
    from detector.engines import job as jobs  # noqa: PLC0415 - of the extra
    from detector.engines.session import session  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "in").mkdir()
        for number in range(_BATCHES):
            path = folder / "in" / f"{number}.jsonl"
            first = number * _IN_BATCH
            path.write_text("".join(_records(_DEVICES, first, first + _IN_BATCH, seed=number)))
            os.utime(path, (number + 1.0, number + 1.0))
        job = jobs.Job(
            "local[2]", folder / "in", folder / "ck", folder / "out", "seq", "p",
            _pipeline("default").settings, partitions=2, files=1, once=True,
        )  # fmt: skip
        with session(job.master, "sizing", job.partitions) as made:
            query = jobs.start(job, made, jobs.begin(job))
            while not (folder / "out" / f"batch={_UNCOUNTED - 1}").exists():
                time.sleep(0.02)
            start = _tree_s()
            query.awaitTermination()
            took = _tree_s() - start
    return (_BATCHES - _UNCOUNTED) * _IN_BATCH * _DEVICES / took


def _tree_s() -> float:
    """Return CPU-seconds of this process and all that it has started, also of what has ended."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().rpartition(")")
        except OSError:
            continue
        fields = rest.split()
        found[int(name.split()[0])] = int(fields[1]), sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while more := {pid for pid, (parent, _) in found.items() if parent in ours} - ours:
        ours |= more
    return sum(found[pid][1] for pid in ours) / os.sysconf("SC_CLK_TCK")


def need(keys: int, rate: float, one: Cost, within_s: float = WITHIN_S) -> Need:
    """Return the least number of processes of which the busiest is in time, and what they take."""
    rng = np.random.default_rng(0)
    often = rng.lognormal(0.0, 1.0, keys)  # some keys come often, most seldom
    often *= rate / often.sum()
    place = rng.random(keys)  # what a hash of the key gives
    few, many = 0, 1
    while not _in_time(often, place, many, one, within_s):
        few, many = many, 2 * many
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (few, middle) if _in_time(often, place, middle, one, within_s) else (middle, many)
    commit_s, changed = _commit(_busiest(often, place, many), one)
    written = many * changed / max(commit_s, 0.05) * one.disk
    storing = many * min(changed * one.store_s / max(commit_s, 0.05), 1.0)
    cores = rate / one.rate + storing
    return Need(many, cores, keys * one.memory, keys * one.disk, written, commit_s)


def _in_time(often: np.ndarray, place: np.ndarray, processes: int, one: Cost, within_s: float) -> bool:
    busiest = _busiest(often, place, processes)
    return bool(busiest.sum() <= USED * one.rate and 2.0 * _commit(busiest, one)[0] <= within_s)


def _busiest(often: np.ndarray, place: np.ndarray, processes: int) -> np.ndarray:
    """Return how often each key of the busiest process comes."""
    of = (place * processes).astype(np.int64)
    return often[of == np.bincount(of, often).argmax()]


def _commit(often: np.ndarray, one: Cost) -> tuple[float, float]:
    """Return how long a commit takes that stores what came during the one before, and how many models."""
    each = max(len(often) // _DRAWN, 1)  # a part of them tells
    part, shortest = often[::each], 0.05
    took, before = shortest, 0.0
    while took > 1.001 * before and took < 60.0:
        before = took
        changed = -np.expm1(-part * took).sum() * len(often) / len(part)
        took = max(changed * one.store_s / USED, shortest)
    return took, float(changed)


def table(costs: dict[str, Cost], on_spark: float | None) -> list[str]:
    """Return the figures as lines of Markdown."""
    date = datetime.datetime.now(datetime.UTC).date()
    lines = [f"{machine()}, {date}; five features.", "", "| one process | default | plain |", "|---|---|---|"]
    rows = {
        "records a CPU-second, JSON Lines to alerts, 200 keys": [
            f"{one.rate:,.0f}" for one in costs.values()
        ],
        "CPU-microseconds to store a model": [f"{1e6 * one.store_s:.0f}" for one in costs.values()],
        "bytes of a key in memory": [f"{one.memory:,.0f}" for one in costs.values()],
        "bytes of a key in the state file": [f"{one.disk:,.0f}" for one in costs.values()],
    }
    lines += [f"| {what} | {' | '.join(values)} |" for what, values in rows.items()]
    if on_spark is not None:
        ratio = costs["default"].rate / on_spark
        lines += [
            f"| records a CPU-second on Spark, {_IN_BATCH} of each of {_DEVICES} keys in a batch | "
            f"{on_spark:,.0f}, {ratio:.0f} times fewer | |"
        ]
    head = "| keys | records/s | detector | processes | cores | memory | state files | written | commit |"
    lines += ["", head, "|---" * 9 + "|"]
    for keys, rate in SIZES:
        for form, one in costs.items():
            found = need(keys, rate, one)
            written = found.written / 1e6
            lines.append(
                f"| {keys:,} | {rate:,.0f} | {form} | {found.processes} | {found.cores:.1f} | "
                f"{found.memory / 1e9:.1f} GB | {found.disk / 1e9:.1f} GB | {written:,.0f} MB/s | "
                f"{found.commit_s:.2f} s |"
            )
        if on_spark is not None:
            cores = rate / on_spark / USED
            lines.append(f"| {keys:,} | {rate:,.0f} | default, on Spark | | {cores:,.0f} | | | | |")
    return lines


def inserted(page: str, lines: list[str]) -> str:
    """Return the page with these lines between its two marks."""
    before, rest = page.split(_BEGIN)
    mark, after = rest.splitlines()[0], rest.split(_END)[1]
    return "\n".join([before + _BEGIN + mark, *lines, _END + after])


def main() -> None:
    """Measure, simulate and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sizing", description=__doc__)
    parser.add_argument("--spark", action="store_true", help="measure Spark too; needs the extra and Java 17")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the figures into this page")
    arguments = parser.parse_args()
    costs = {form: cost(form) for form in FORMS}
    lines = table(costs, spark() if arguments.spark else None)
    print("\n".join(lines))
    if arguments.docs is not None:
        arguments.docs.write_text(inserted(arguments.docs.read_text(), lines))


if __name__ == "__main__":
    main()
