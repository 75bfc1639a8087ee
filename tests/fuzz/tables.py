"""A Parquet or Arrow file to read records from: rows and one rejection."""

from __future__ import annotations

import io
import os
from contextlib import suppress
from pathlib import Path
from tempfile import gettempdir

import pyarrow as pa
import pyarrow.parquet as pq

from connectors.decode import RowBuilder
from connectors.sources.table import TableReading, sniff_table
from detector.contracts import Layout
from detector.errors import SourceError

_FILE = Path(gettempdir()) / f"kyori-fuzz-{os.getpid()}.table"
_LAYOUT = Layout(("x", "a.b"), time="t", key="{k}")
_TABLE = pa.table(
    {
        "x": [1.5, None, 3.0],
        "t": pa.array([0, 1, None], pa.timestamp("us")),
        "k": pa.array(["p1", "p2", "p1"]).dictionary_encode(),
        "a": [{"b": 1}, None, {"b": 3}],
    }
)


def _parquet(**how: str) -> bytes:
    file = io.BytesIO()
    pq.write_table(_TABLE, file, row_group_size=2, **how)
    return file.getvalue()


def _arrow(compression: str | None) -> bytes:
    file = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_file(file, _TABLE.schema, options=options) as writer:
        writer.write_table(_TABLE, max_chunksize=2)
    return file.getvalue()


SEEDS = (_parquet(compression="none"), _parquet(compression="zstd"), _arrow(None), _arrow("lz4"))


def one(data: bytes) -> None:
    """Read a file in small blocks, and find out what is in it."""
    form = "parquet" if data[:1] == b"P" else "arrow"
    _FILE.write_bytes(data)
    try:
        builder = RowBuilder(_LAYOUT)
        reading = TableReading(_FILE, form, 1 << 20, _LAYOUT, {}, {})
        while reading.fill(builder, 2):
            batch = builder.batch(arrival=0.0, position=b"")
            assert len(batch) + len(batch.rejected) <= 2
        reading.close()
        builder.batch(arrival=0.0, position=b"")
        with suppress(SourceError):
            sniff_table(_FILE, form)
    finally:
        _FILE.unlink()
