"""Harnesses of the sources that read files and streams."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import urllib3

from connectors.sources import load
from connectors.sources.stdin import StdinOptions, StreamSource
from detector.contracts import Source
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


def _file(name: str, lines: Callable[[Sequence[Item]], list[bytes]], kind: str, **options: Any) -> Any:
    @contextmanager
    def medium(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
        directory.mkdir(exist_ok=True)
        data = b"\n".join([*lines(records), b""])
        (directory / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
        yield lambda: _source(kind, paths=[str(directory / name)], **options)

    return medium


@contextmanager
def _stream(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    data = b"\n".join(as_json(records))
    yield lambda: StreamSource("s", StdinOptions(), LAYOUT, io.BytesIO(data[5:]), data[:5])


@contextmanager
def _two_files(directory: Path, records: Sequence[Item]) -> Iterator[Make]:
    directory.mkdir(exist_ok=True)
    half = len(records) // 2
    (directory / "a.csv").write_bytes(b"\r\n".join(as_csv(records[:half])))
    (directory / "b.csv").write_bytes(b"\n".join(as_csv(records[half:])))
    yield lambda: _source("file", paths=[str(directory / "*.csv")])


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

HARNESSES = {
    "file-jsonl": Harness("file", _file("a.jsonl", as_json, "file"), _no_file),
    "file-jsonl-gz": Harness("file", _file("a.jsonl.gz", as_json, "file"), _no_file),
    "file-influx": Harness("file", _file("a.lp", as_influx, "file"), _no_file),
    "file-csv": Harness("file", _file("a.csv", as_csv, "file"), _no_file),
    "file-csv-two": Harness("file", _two_files, _no_file),
    "http": Harness("http", _http, _no_certificate, resumes=False),
    "stdin": Harness("stdin", _stream, resumes=False),
    "tail-jsonl": Harness("tail", _file("a.jsonl", as_json, "tail", **_FOLLOW)),
    "tail-influx": Harness("tail", _file("a.log", as_influx, "tail", format="influx", **_FOLLOW)),
    "tail-csv": Harness("tail", _file("a.csv", as_csv, "tail", **_FOLLOW)),
}
