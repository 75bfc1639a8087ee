"""`kyori spark`: a directory of JSON Lines that grows, through the pipeline on Spark, into another directory.

Beside Spark's own checkpoint stands ``kyori.job``: what the state in it belongs to. So a restart with other
features is refused, and the metric that the thresholds belong to stays in force.
"""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING, Any

import numpy as np
import structlog

from connectors.decode.sniff import Sniffed
from connectors.sniffing import sniff_file
from detector import codec
from detector.engines import handover
from detector.engines.handover import Whole
from detector.engines.keyed import Kept, Keyed
from detector.engines.session import session
from detector.engines.sink import Sink
from detector.errors import KyoriError
from detector.metric import archive
from detector.settings import Pipeline as Settings
from detector.training import files

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

log = structlog.get_logger()

PATTERN = "*.jsonl"
_NOTE, _SEED = "kyori.job", "kyori.seed.parquet"
_EVERY = "2 seconds"
_LOOK_S = 0.5
_FOR_EVER = "36500d"
"""Spark would pass over a file that is a week older than the newest."""


@dataclass(frozen=True)
class Job:
    """What to run.

    Attributes
    ----------
    master : str
        See `detector.engines.session.session`.
    input, checkpoint, output : Path
        Directories that all machines see under these paths.
    order_by : str
        See `detector.engines.spark.score_stream`.
    name : str
        Of the pipeline.
    settings : detector.settings.Pipeline
        With a key.
    seed : Path or None
        The state directory of a daemon, to begin with.
    partitions, files : int
        Of the state, at the first start; and how many files a batch takes at most.
    once : bool
        Whether to end when all files are read.
    """

    master: str
    input: Path
    checkpoint: Path
    output: Path
    order_by: str
    name: str
    settings: Settings
    seed: Path | None = None
    partitions: int = 8
    files: int = 100
    once: bool = False


def settings_of(given: Path, key: str | None, order_by: str, time: str | None) -> Settings:
    """Return the default settings for the records of a directory: all columns with numbers are features.

    Raises
    ------
    KyoriError
        There is no file yet, or no such column.
    """
    first = next(iter(sorted(given.glob(PATTERN))), None)
    if first is None:
        raise KyoriError(f"{given} has no {PATTERN} yet, so its columns are not known; give --config")
    if key is None:
        raise KyoriError("which records belong together? Give --key, or --config with a key")
    found: Sniffed = sniff_file(first)
    for column in (key, order_by, *([time] if time else [])):
        if column not in found.columns and column not in found.numbers:
            raise KyoriError(f"{first}: there is no column {column!r}; it has: {', '.join(found.columns)}")
    time = time or found.time
    features = [column for column in found.numbers if column not in (key, order_by, time)]
    if not features:
        raise KyoriError(f"{first}: there is no column with numbers beside key, order and time")
    return Settings.model_validate(
        {"key": "{" + key + "}", "record": {"features": [{"name": name} for name in features], "time": time}}
    )


def run(job: Job) -> None:
    """Score what is there and what comes, until it is told to stop.

    Raises
    ------
    KyoriError
        Something is missing, the checkpoint is of other settings, or the query failed.
    """
    if not job.input.is_dir():
        raise KyoriError(f"{job.input}: no such directory")
    if not job.settings.key:
        raise KyoriError("the pipeline has no key; without one all records are one key, which is never split")
    if job.settings.detector.warmup.history and job.seed is None and not (job.checkpoint / _NOTE).exists():
        raise KyoriError("a history (warmup.from) is the daemon's to learn: run it, then give --seed")
    with session(job.master, f"kyori {job.name}", job.partitions) as spark:
        score(job, spark)


def score(job: Job, spark: SparkSession) -> None:
    """Do what `run` does in a session that is there."""
    query = start(job, spark, begin(job))
    with _told_to_stop() as stop:
        _wait(query, stop)
    log.info("spark_ended", pipeline=job.name, batches=len(list(job.output.glob("batch=*"))))


def start(job: Job, spark: SparkSession, keyed: Keyed) -> StreamingQuery:
    """Start the query."""
    from detector.engines.spark import SEED, score_stream  # noqa: PLC0415

    records = read(job, spark)
    seed = job.checkpoint / _SEED
    scored = score_stream(
        records,
        keyed,
        key=_KEY,
        order_by=job.order_by,
        fields=job.settings.layout.numbers,
        seed=spark.read.schema(SEED).parquet(seed.absolute().as_uri()) if seed.exists() else None,
    )
    writer = scored.writeStream.foreachBatch(Sink(job.output.absolute()))
    writer = writer.option("checkpointLocation", job.checkpoint.absolute().as_uri()).queryName(job.name)
    how: dict[str, Any] = {"availableNow": True} if job.once else {"processingTime": _EVERY}
    return writer.trigger(**how).start()


_KEY = "(key)"


def read(job: Job, spark: SparkSession) -> DataFrame:
    """Return the records of the input as a stream, with their key."""
    from pyspark.sql import functions as F  # noqa: PLC0415, N812

    layout = job.settings.layout
    parts = list(Formatter().parse(layout.key))
    columns = {job.order_by: "double"} | dict.fromkeys(layout.numbers, "double")
    texts = [name for _, name, _, _ in parts if name] + ([layout.time] if layout.time else [])
    columns |= dict.fromkeys(texts, "string")
    nested = [name for name in columns if "." in name]
    if nested:
        raise KyoriError(f"{', '.join(nested)}: fields inside of fields are not read by kyori spark")
    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    stream = spark.readStream.schema(schema).option("pathGlobFilter", PATTERN)
    stream = stream.option("maxFilesPerTrigger", job.files).option("maxFileAge", _FOR_EVER)
    pieces = [
        piece
        for text, name, _, _ in parts
        for piece in (F.lit(text), *([F.trim(F.col(f"`{name}`"))] if name else []))
    ]
    return stream.json(job.input.absolute().as_uri()).withColumn(_KEY, F.concat(*pieces))


def begin(job: Job) -> Keyed:
    """Return how to score: as the checkpoint has it, or a new one begins."""
    note = job.checkpoint / _NOTE
    keyed = Keyed(job.name, job.settings)
    schema = keyed.pipeline("", Kept()).schema
    if note.exists():
        name, known, whole = _read(note)
        if (name, known) != (job.name, schema):
            raise KyoriError(
                f"{job.checkpoint} is of the pipeline {name} with schema {known}, and the settings are of "
                f"{job.name} with schema {schema}: features, distance or what is watched has changed. Give "
                "the settings that it began with, or another --checkpoint and --output"
            )
        if job.seed is not None:
            log.info("seed_not_read", reason="the checkpoint has begun")
        return Keyed(job.name, job.settings, *whole)
    if job.checkpoint.exists() and any(job.checkpoint.glob("[!.]*")) and not _only_seed(job.checkpoint):
        raise KyoriError(f"{job.checkpoint} is not empty, and not of kyori; give another --checkpoint")
    if any(job.output.glob("batch=*")):
        raise KyoriError(
            f"{job.output} has the batches of another checkpoint, which would stand for those of this one; "
            "give another --output"
        )
    job.checkpoint.mkdir(parents=True, exist_ok=True)
    whole = Whole(_metric(job.settings), learning=True)
    if job.seed is not None:
        draft = job.checkpoint / f".{_SEED}"
        seeded = handover.write_seed(job.seed, job.name, schema, draft)
        whole = Whole(seeded.metric or whole.metric, seeded.learning)
        draft.rename(job.checkpoint / _SEED)
    _write(note, job, schema, whole)
    return Keyed(job.name, job.settings, *whole)


def _only_seed(checkpoint: Path) -> bool:
    """Tell whether a start ended between the seed and the note."""
    return [path.name for path in checkpoint.glob("[!.]*")] == [_SEED]


def _metric(settings: Settings) -> bytes:
    metric = settings.detector.metric
    if metric is None or not metric.file:
        return b""
    return archive.to_bytes(files.read(Path(metric.file)).metric)


def _write(note: Path, job: Job, schema: str, whole: Whole) -> None:
    meta: dict[str, str | int | float] = {"name": job.name, "schema": schema, "learning": int(whole.learning)}
    draft = note.with_name(f".{note.name}")
    draft.write_bytes(codec.encode({"metric": np.frombuffer(whole.metric, np.uint8)}, meta))
    draft.rename(note)


def _read(note: Path) -> tuple[str, str, Whole]:
    arrays, meta = codec.decode(note.read_bytes())
    whole = Whole(arrays["metric"].tobytes(), bool(meta["learning"]))
    return str(meta["name"]), str(meta["schema"]), whole


def export(job: Job, state_dir: Path) -> tuple[Path, str]:
    """Write the state of a job that is stopped as one of the daemon, see `handover.write_state`."""
    if not (job.checkpoint / _NOTE).exists():
        raise KyoriError(f"{job.checkpoint} is no checkpoint of kyori spark")
    with session(job.master, f"kyori {job.name}") as spark:
        return hand_back(job, spark, state_dir)


def hand_back(job: Job, spark: SparkSession, state_dir: Path) -> tuple[Path, str]:
    """Do what `export` does in a session that is there."""
    from detector.engines.spark import STATE  # noqa: PLC0415

    keyed = begin(job)
    place = job.checkpoint.absolute().as_uri()
    found = spark.read.load(place, format="statestore", stateVarName=STATE).select("key.key", "value.state")
    keys = ((row[0], bytes(row[1])) for row in found.toLocalIterator())
    return handover.write_state(keys, keyed, state_dir)


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Give what SIGTERM and SIGINT set."""
    stop = threading.Event()
    before = {one: signal.signal(one, lambda *_: stop.set()) for one in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _wait(query: StreamingQuery, stop: threading.Event) -> None:
    from pyspark.errors import StreamingQueryException  # noqa: PLC0415

    try:
        while query.isActive and not stop.wait(_LOOK_S):
            pass
        query.stop()
        failure = query.exception()
    except StreamingQueryException as error:
        failure = error
    if failure is not None:
        raise KyoriError(f"the query failed: {_reason(str(failure))}")


def _reason(text: str) -> str:
    """Return what a person can use of a failure: our own error, else the first line."""
    ours = re.search(r"detector\.errors\.\w+: (.*)", text)
    return ours[1] if ours else text.strip().partition("\n")[0]
