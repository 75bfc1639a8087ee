"""Harnesses of the sources that read files and streams."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import urllib3
import zstandard
from scipy.io import wavfile

from connectors.sources import load
from connectors.sources.stdin import StdinOptions, StreamSource
from detector.contracts import Layout, Source, Statistic, Wave
from tests.brokers import free_port
from tests.checks.sources import LAYOUT, POISON, Harness, Item, Make, as_json

CSV_POISON = (b"1,2", b"1,2,3,4,5", b"\xff,1,2,3", b'"open,1,2,3', b"a\rb,1,2,3", b"1,2,3,")

INFLUX_POISON = (
    b"m,k=a",
    b"m,k= x=1",
    b"m x=1",
    b"\xff x=1",
    b"m,k=a x=1,x=2",
    b'm,k=a x="',
    b"m,k=a x=1 2.5",
)


def as_csv(records: Sequence[Item]) -> list[bytes]:
    lines = [b"t,x,y,k"]
    for i, record in enumerate(records):
        if record is POISON:
            # The quote that is never closed must be the last, or else it would close at the next one.
            lines.append(CSV_POISON[(0, 1, 2, 4, 5)[i % 5]])
        else:
            lines.append(",".join("" if cell is None else str(cell) for cell in record.values()).encode())
    return lines


def as_german_csv(records: Sequence[Item]) -> list[bytes]:
    """With a decimal comma, remarks, and a preface."""
    lines = [line.replace(b",", b";").replace(b".", b",") for line in as_csv(records)]
    return [b"[made by: x]", b"# and so on", *[part for line in lines for part in (line, b"# 1;2;3;4")]]


GERMAN = {"decimal": ",", "comment": "#", "skip": 1}


def as_influx(records: Sequence[Item]) -> list[bytes]:
    lines = []
    for i, record in enumerate(records):
        if record is POISON:
            lines.append(INFLUX_POISON[i % len(INFLUX_POISON)])
            continue
        x = "" if record["x"] is None else f"x={_influx_value(record['x'])},"
        lines.append(f"m,k={record['k']} {x}y={record['y']!r},t={record['t']!r}".encode())
    return lines


def _influx_value(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _source(kind: str, **options: Any) -> Source:
    cls = load(kind)
    return cls("s", cls.Options(**options), LAYOUT)


PACKED = {".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress, ".zst": zstandard.compress}


def _file(name: str, lines: Callable[[Sequence[Item]], list[bytes]], kind: str, **options: Any) -> Any:
    @contextmanager
    def medium(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
        directory.mkdir(exist_ok=True)
        data = b"\n".join([*lines(records), b""])
        (directory / name).write_bytes(PACKED.get(Path(name).suffix, bytes)(data))
        yield lambda: _source(kind, paths=[str(directory / name)], **options)

    return medium


@contextmanager
def _stream(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    data = b"\n".join(as_json(records))
    yield lambda: StreamSource("s", StdinOptions(), LAYOUT, io.BytesIO(data[5:]), data[:5])


@contextmanager
def _log_stream(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    data = b"\n".join(as_json(records))
    yield lambda: StreamSource("s", StdinOptions.model_validate(_LOG), LAYOUT, io.BytesIO(data))


@contextmanager
def _two_files(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    directory.mkdir(exist_ok=True)
    half = len(records) // 2
    (directory / "a.csv").write_bytes(b"\r\n".join(as_csv(records[:half])))
    (directory / "b.csv").write_bytes(b"\n".join(as_csv(records[half:])))
    yield lambda: _source("file", paths=[str(directory / "*.csv")])


_WAVE = Wave("wave", 800.0, (Statistic("x", "rms"), Statistic("y", "peak")), window=0.125, hop=0.125)
_RECORDED = Layout(numbers=(), time="time", key="m/{k}", waves=(_WAVE,))


@contextmanager
def _recordings(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    """Yield over files of as many windows as records come in a row; poison is a file by itself."""
    directory.mkdir(exist_ok=True)
    runs = [list(run) for _, run in itertools.groupby(records, lambda one: one is POISON)]
    files = [one for run in runs for one in ([[one] for one in run] if run[0] is POISON else [run])]
    for i, run in enumerate(files):
        if run[0] is POISON:
            (directory / f"{i:03}.wav").write_bytes((b"", b"RIFF", b"\xff" * 100, b"time,flow\n")[i % 4])
            continue
        seconds = [0.0 if one is None else one["t"] for one in run]
        samples = np.sin(np.arange(100 * len(run))).astype("<f4") / (1.0 + i)
        name = f"{i:03}_{datetime.fromtimestamp(seconds[0], UTC):%Y%m%d_%H%M%S.%f}.wav"
        wavfile.write(directory / name, 800, samples)
    cls = load("file")
    yield lambda: cls("s", cls.Options(paths=[str(directory / "*.wav")], file_label="k"), _RECORDED)


def _table(name: str) -> Any:
    @contextmanager
    def medium(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
        """As text, since Parquet has no column of this and that; poison has no key."""
        directory.mkdir(exist_ok=True)
        rows = [record or {"t": 0, "x": 1, "y": 2, "k": None} for record in records]
        texts = {name: [None if row[name] is None else str(row[name]) for row in rows] for name in "xk"}
        table = pa.table({name: [row[name] for row in rows] for name in "ty"} | texts)
        if name.endswith("parquet"):
            pyarrow.parquet.write_table(table, directory / name, row_group_size=5)
        else:
            with (
                pa.OSFile(str(directory / name), "wb") as file,
                pa.ipc.new_file(file, table.schema) as writer,
            ):
                writer.write_table(table, max_chunksize=5)
        yield lambda: _source("file", paths=[str(directory / name)])

    return medium


def _watched(names: Sequence[str]) -> Any:
    @contextmanager
    def medium(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
        directory.mkdir(exist_ok=True)
        each = -(-len(records) // len(names))
        for i, name in enumerate(names):
            if part := records[i * each : (i + 1) * each]:
                (directory / name).parent.mkdir(exist_ok=True)
                data = b"\n".join(as_csv(part))
                (directory / name).write_bytes(PACKED.get(Path(name).suffix, bytes)(data))
        options = {"settle": "0s", "poll": "1ms", "after": "delete"}
        yield lambda: _source("directory", paths=[str(directory / "**" / "*")], **options)

    return medium


def _no_directory(directory: Path) -> Source:
    return _source("directory", paths=[str(directory / "nowhere" / "*.csv")])


@contextmanager
def _http(_directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    """Whoever opens the source is sent all records, one after the other, from a thread."""
    port, senders = free_port(), list[Thread]()

    def send() -> None:
        with urllib3.PoolManager(retries=False) as client, suppress(urllib3.exceptions.HTTPError):
            for body in as_json(records):
                url, headers = f"http://127.0.0.1:{port}/records", {"content-type": "application/json"}
                if client.request("POST", url, body=body, headers=headers).status == 503:
                    return

    def make() -> Source:
        source = _source("http", port=port)

        def open_and_send(resume: bytes) -> None:
            cls.open(source, resume)
            senders.append(Thread(target=send))
            senders[-1].start()

        cls: Any = type(source)
        source.open = open_and_send  # type: ignore[method-assign]
        return source

    yield make
    for sender in senders:
        sender.join()


def _no_certificate(directory: Path) -> Source:
    missing = directory / "missing.pem"
    return _source("http", port=free_port(), tls={"cert": missing, "key": missing})


def _no_file(directory: Path) -> Source:
    return _source("file", paths=[str(directory / "nowhere" / "*.csv")])


_FOLLOW: dict[str, Any] = {"start_at": "saved_or_beginning", "poll": "1ms"}
_LOG: dict[str, Any] = {"format": "json_log", "log": {"per": "line"}}
_WINDOWS: dict[str, Any] = {"format": "json_log", "log": {"lines": 1}}

HARNESSES = {
    "file-jsonl": Harness("file", _file("a.jsonl", as_json, "file"), _no_file),
    "file-jsonl-gz": Harness("file", _file("a.jsonl.gz", as_json, "file"), _no_file),
    "file-influx": Harness("file", _file("a.lp", as_influx, "file"), _no_file),
    "file-csv": Harness("file", _file("a.csv", as_csv, "file"), _no_file),
    "file-csv-german": Harness("file", _file("a.csv", as_german_csv, "file", **GERMAN), _no_file),
    "file-csv-bz2": Harness("file", _file("a.csv.bz2", as_csv, "file"), _no_file),
    "file-csv-xz": Harness("file", _file("a.csv.xz", as_csv, "file"), _no_file),
    "file-jsonl-zst": Harness("file", _file("a.jsonl.zst", as_json, "file"), _no_file),
    "file-parquet": Harness("file", _table("a.parquet"), _no_file),
    "file-arrow": Harness("file", _table("a.arrow"), _no_file),
    "file-csv-two": Harness("file", _two_files, _no_file),
    "file-wav": Harness("file", _recordings, _no_file),
    "file-log": Harness("file", _file("a.log", as_json, "file", **_LOG), _no_file),
    "file-log-gz": Harness("file", _file("a.log.gz", as_json, "file", **_LOG), _no_file),
    "file-log-windows": Harness("file", _file("a.log", as_json, "file", **_WINDOWS), _no_file),
    "directory": Harness("directory", _watched(["a.csv"]), _no_directory),
    "directory-many": Harness(
        "directory", _watched(["a/1.csv", "a/2.csv.gz", "b/1.csv", "c.csv"]), _no_directory
    ),
    "http": Harness("http", _http, _no_certificate, resumes=False),
    "stdin": Harness("stdin", _stream, resumes=False),
    "stdin-log": Harness("stdin", _log_stream, resumes=False),
    "tail-jsonl": Harness("tail", _file("a.jsonl", as_json, "tail", **_FOLLOW)),
    "tail-log": Harness("tail", _file("a.log", as_json, "tail", **_FOLLOW, **_LOG)),
    "tail-log-windows": Harness("tail", _file("a.log", as_json, "tail", **_FOLLOW, **_WINDOWS)),
    "tail-influx": Harness("tail", _file("a.log", as_influx, "tail", format="influx", **_FOLLOW)),
    "tail-csv": Harness("tail", _file("a.csv", as_csv, "tail", **_FOLLOW)),
    "tail-csv-german": Harness("tail", _file("a.csv", as_german_csv, "tail", **GERMAN, **_FOLLOW)),
}
