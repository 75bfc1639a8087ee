"""A text file of CSV, JSON lines or line protocol: rows and rejected lines, no error but `SourceError`."""

from __future__ import annotations

import io
from contextlib import suppress

from connectors.decode import RowBuilder
from connectors.decode.sniff import sniff
from connectors.sources.reading import TextOptions, TextReading
from detector.contracts import Layout
from detector.errors import SourceError

_LAYOUT = Layout(("a", "b.c"), key="{k}", time="t")

SEEDS = (
    b'k,a,b.c,t\np1,1.5,2,1700000000\np2,"1,\n5",,2026-11-29\n\n"x',
    b'\xef\xbb\xbfk;a\r\np1;1,5\r\n"p2";2\r\n',
    b"k,a,b.c,t\np1,1.5,-2e-3,2026-11-29T12:00:00.5Z\np2,,nan,1700000000\np2, 7,1e400,2026-11-29\n",
    b'{"k": "p1", "a": 1.5, "b": {"c": null}, "t": "2026-11-29T12:00:00+01:00"}\n' * 3,
    b"# x\nk;a;b.c;t\np1;1.234,5;-;30.11.2026\n# y\n'p;2';-999;1.5;1700000000,5\n",
    b" k   a\tb.c  t \n p1 1,5  2 3\r\n",
    b'm,k=p1 a=1.5,b.c=-2i 1700000000000000000\n# x\nm,k=p2 a="u\\"v",c=t\nm,k=p\\ 3 a=1\nm a\n',
    b'{"k": "p", "a": 1, "b": {"c": 2}, "t": 1}\n{"k": "p", "a": 1, "a": 2}\n[1]\nx\n',
)


_DIALECTS = (
    TextOptions(max_line=1000),
    TextOptions(max_line=1000, decimal=",", thousands=".", comment="#", quote="'", missing=("-", "-999")),
    TextOptions(max_line=1000, columns=("k", "a", "b.c", "t"), skip=1, quote=""),
)


def one(data: bytes) -> None:
    """Read a file in small blocks, and find out what is in it."""
    for options in _DIALECTS:
        _read(data, options, "auto")
    _read(data, _DIALECTS[0], "influx")
    with suppress(SourceError):
        sniff(data, None)


def _read(data: bytes, options: TextOptions, form: str) -> None:
    reading = TextReading(io.BytesIO(data).read, options, _LAYOUT, "f", {}, form, {})
    builder = RowBuilder(_LAYOUT)
    while reading.fill(builder, 3):
        batch = builder.batch(arrival=0.0, position=b"")
        assert all(one.where.isprintable() and one.detail.isprintable() for one in batch.rejected)
    builder.batch(arrival=0.0, position=b"")
