"""`kyori spark --selftest`: the bundled pumps, once by the daemon and once by Spark with two workers."""

from __future__ import annotations

import csv
import json
import os
import shutil
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from detector.demo.run import examples
from detector.engines import job as jobs
from detector.engines.session import session
from detector.errors import KyoriError
from detector.ledger import Ledger
from detector.registry import load_config

WORKERS = "local-cluster[2,1,1024]"
ONE_PROCESS = "local[2]"
_FILES = 4
_NAME = "pumps"

Say = Callable[[str], None]


def run(say: Say, master: str = WORKERS) -> bool:
    """Return whether all that Spark says of the bundled data is what the daemon says.

    Where two worker processes cannot be had, two threads of one process have to do; that is said.
    """
    with tempfile.TemporaryDirectory(prefix="kyori-selftest-") as place:
        folder = Path(place)
        config = _prepare(folder)
        say("the daemon reads examples/pumps.csv ...")
        daemon = _daemon(config)
        say(f"Spark reads it, in {_FILES} files, with {master} ...")
        try:
            spark = _spark(config, master)
        except KyoriError as error:
            if master != WORKERS:
                raise
            say(f"two worker processes cannot be had here: {error}")
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
            shutil.rmtree(folder / "output", ignore_errors=True)
            say(f"Spark reads it with two threads of one process, {ONE_PROCESS} ...")
            spark = _spark(config, ONE_PROCESS)
    for what, ours in daemon.items():
        if spark[what] != ours:
            first = next((one for one in ours if spark[what].get(one) != ours[one]), "beyond the daemon's")
            say(f"DIFFERENT: {len(spark[what])} {what} of Spark, {len(ours)} of the daemon; first: {first}")
            return False
    counts = ", ".join(f"{len(found)} {what}" for what, found in daemon.items())
    say(f"equal: {counts} of Spark are those of the daemon, bit for bit")
    return True


def _prepare(folder: Path) -> Path:
    """Copy configuration and data, the data for Spark in several files; return the configuration."""
    for name in ("csv-keys.yaml", "pumps.csv"):
        shutil.copy(examples() / name, folder / name)
    given = folder / "input"
    given.mkdir()
    with (folder / "pumps.csv").open(newline="", encoding="utf-8") as file:
        records = [{name: _number(text) for name, text in row.items()} for row in csv.DictReader(file)]
    each = -(-len(records) // _FILES)
    for number in range(_FILES):
        lines = [json.dumps(record) + "\n" for record in records[number * each : (number + 1) * each]]
        path = given / f"{number}.jsonl"
        path.write_text("".join(lines), encoding="utf-8")
        os.utime(path, (number + 1.0, number + 1.0))  # Spark reads them by their age
    return folder / "csv-keys.yaml"


def _number(text: str) -> float | str | None:
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _daemon(config: Path) -> dict[str, dict[Any, Any]]:
    """Return what `kyori run --once` has learned and told, and what the same step says of each record."""
    from detector import scoring  # noqa: PLC0415
    from detector.daemon import Daemon  # noqa: PLC0415

    scored = scoring.prepare(str(config.parent / "pumps.csv"), config, None, None, None, None)
    scores: dict[Any, Any] = {}
    count: dict[str, int] = {}
    for batch in scoring.batches(scored.source):
        result = scored.pipeline.process(batch)
        said = result.scores
        for i, *numbers in zip(result.used.tolist(), said.score, said.level, said.p, strict=True):
            key = batch.key[i]
            count[key] = count.get(key, 0) + 1
            scores[key, count[key]] = _bits(*numbers)
    with _quiet_output():
        Daemon(load_config(config)).run(once=True)
    lines = (config.parent / "out" / "pumps.jsonl").read_text(encoding="utf-8").splitlines()
    return {"scores": scores, "models": _models(config.parent / "state"), "alerts": _by_notice(lines)}


def _spark(config: Path, master: str) -> dict[str, dict[Any, Any]]:
    """Return the same of Spark."""
    import pyarrow.dataset as ds  # noqa: PLC0415

    folder = config.parent
    job = jobs.Job(
        master, folder / "input", folder / "checkpoint", folder / "output", "time", _NAME,
        load_config(config).pipelines[_NAME], partitions=2, files=1, once=True,
    )  # fmt: skip
    with session(master, "kyori selftest", job.partitions) as spark:
        jobs.score(job, spark)
        jobs.hand_back(job, spark, folder / "spark-state")
    parts = sorted(job.output.glob("batch=*/scores/*.parquet"))
    rows = ds.dataset([str(part) for part in parts]).to_table().to_pylist()
    scores = {
        (row["key"], row["record"]): _bits(row["score"], row["level"], row["p"])
        for row in rows
        if row["refused"] is None
    }
    lines = [
        json.dumps(json.loads(line)["alert"])
        for path in job.output.glob("batch=*/alerts.jsonl")
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    return {"scores": scores, "models": _models(folder / "spark-state"), "alerts": _by_notice(lines)}


def _bits(*numbers: float | None) -> bytes:
    """Return the numbers' bits; null stands for NaN in a table."""
    nan = float("nan")
    return struct.pack(f"<{len(numbers)}d", *(nan if n is None or n != n else n for n in numbers))  # noqa: PLR0124


def _models(state_dir: Path) -> dict[bytes, bytes]:
    ledger = Ledger.open(state_dir / f"{_NAME}.db")
    try:
        return dict(ledger.scan("row"))
    finally:
        ledger.close()


def _by_notice(lines: list[str]) -> dict[Any, Any]:
    alerts = [json.loads(line) for line in lines]
    return {(one["id"], one["status"], one["record"]): one for one in alerts}


@contextmanager
def _quiet_output() -> Iterator[None]:
    """Keep what the daemon prints for people from the terminal."""
    with Path(os.devnull).open("w") as nowhere:
        before = os.dup(1)
        os.dup2(nowhere.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(before, 1)
            os.close(before)
