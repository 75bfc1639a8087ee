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
    b'm,k=p1 a=1.5,b.c=-2i 1700000000000000000\n# x\nm,k=p2 a="u\\"v",c=t\nm,k=p\\ 3 a=1\nm a\n',
    b'{"k": "p", "a": 1, "b": {"c": 2}, "t": 1}\n{"k": "p", "a": 1, "a": 2}\n[1]\nx\n',
)


def one(data: bytes) -> None:
    """Read a file in small blocks, and find out what is in it."""
    options = TextOptions(max_line=1000)
    for form in ("auto", "influx"):
        reading = TextReading(io.BytesIO(data).read, options, _LAYOUT, "f", {}, form, {})
        builder = RowBuilder(_LAYOUT)
        while reading.fill(builder, 3):
            batch = builder.batch(arrival=0.0, position=b"")
            assert all(one.where.isprintable() and one.detail.isprintable() for one in batch.rejected)
        builder.batch(arrival=0.0, position=b"")
    with suppress(SourceError):
        sniff(data, None)
