"""Reads Parquet and Arrow files, batch by batch, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from connectors.decode import arrow
from connectors.decode.errors import Undecodable
from connectors.decode.rows import RowBuilder
from connectors.decode.sniff import Sniffed, described
from connectors.decode.times import in_era, scaled_column
from connectors.decode.values import NAN
from connectors.extras import lacking
from detector.contracts import Floats, Layout
from detector.errors import SourceError

TABLES = {".parquet": "parquet", ".pq": "parquet", ".arrow": "arrow", ".feather": "arrow", ".ipc": "arrow"}
STARTS = {b"PAR1": "parquet", b"ARRO": "arrow"}
"""The first bytes of such files."""

_ROWS = 8192
_SNIFFED = 1000
_BUFFER = 2**20


def lacking_for_tables() -> str | None:
    """Return what is not installed and how to add it."""
    return lacking("pyarrow", "parquet", "Parquet and Arrow")


class TableReading:
    """Gives the rows of a Parquet or Arrow file; a `connectors.sources.reading.Reading`.

    Only the columns that matter are read; names with dots read nested ones. Of Parquet some thousand rows
    are in memory, of Arrow a batch as it was written.

    Parameters
    ----------
    path : Path
        The file.
    form : str
        ``parquet`` or ``arrow``.
    max_bytes : int
        A table whose columns take more is refused.
    layout : Layout
        The columns wanted.
    labels : mapping of str to str
        What the source knows beside the records.
    saved : mapping
        An earlier `state`, or empty.
    """

    def __init__(
        self,
        path: Path,
        form: str,
        max_bytes: int,
        layout: Layout,
        labels: Mapping[str, str],
        saved: Mapping[str, Any],
    ) -> None:
        if (reason := lacking_for_tables()) is not None:
            raise SourceError(reason)
        self._path = path
        self._form = form
        self._max_bytes = max_bytes
        self._layout = layout
        self._labels = labels
        self._row: int = saved.get("row", 0)
        self._file: Any = None
        self._batches: Iterator[Any] = iter(())
        self._batch: Any = None
        self._at = 0
        self.broken = False

    def state(self) -> dict[str, Any]:
        """Return where the next `fill` begins."""
        return {"row": self._row}

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
        self._batches = iter(())

    def fill(self, builder: RowBuilder, limit: int) -> bool:
        """Add up to `limit` rows, rejected ones included; False when nothing more can come."""
        import pyarrow as pa  # noqa: PLC0415 - an extra, and slow

        try:
            if self._file is None:
                self._start(builder)
            while limit > 0:
                if self._batch is None and not self._next():
                    return False
                rows = min(limit, self._batch.num_rows - self._at)
                self._add(self._batch.slice(self._at, rows), builder)
                self._row, self._at, limit = self._row + rows, self._at + rows, limit - rows
                if self._at == self._batch.num_rows:
                    self._batch = None
        except (Undecodable, pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the disk's
            reason = error.reason if isinstance(error, Undecodable) else f"bad_{self._form}"
            detail = error.detail if isinstance(error, Undecodable) else str(error)
            builder.reject(reason, detail, f"{self._path}:{self._row + 1}")
            self.broken = True
            return False
        return True

    def _next(self) -> bool:
        self._batch, self._at = next(self._batches, None), 0
        return self._batch is not None

    def _start(self, builder: RowBuilder) -> None:
        """Open the file, and pass over the rows that were read before."""
        import pyarrow as pa  # noqa: PLC0415 - as above

        self._file = pa.OSFile(str(self._path))
        layout, names = self._layout, builder.template.names
        fields = [*layout.numbers, *([layout.time] if layout.time else [])]
        fields += [name for name in names if name not in self._labels]
        opened = _Parquet(self._file) if self._form == "parquet" else _Arrow(self._file)
        self._paths = {name: arrow.path_of(opened.schema, name) for name in fields}
        wanted = list(dict.fromkeys(path for path in self._paths.values() if path))
        if 8 * opened.rows * max(len(wanted), 1) > self._max_bytes:
            what = f"{opened.rows} rows of {len(wanted)} columns need more than {self._max_bytes} bytes"
            raise Undecodable("too_large", f"{what} (max_bytes)")
        self._batches, passed = opened.batches(wanted, self._row)
        while passed < self._row and self._next():
            self._at = min(self._batch.num_rows, self._row - passed)
            passed += self._at
        if self._batch is not None and self._at == self._batch.num_rows:
            self._batch = None

    def _add(self, batch: Any, builder: RowBuilder) -> None:
        """Convert rows, and add them around those that have no key."""
        layout, faults = self._layout, builder.faults
        bad, keys = self._keys(batch, builder)
        good = np.array([key is not None for key in keys], bool)
        kept = batch if good.all() else batch.filter(arrow.mask(good))
        columns = {name: arrow.numbers(self._column(kept, name), name, faults) for name in layout.numbers}
        time = self._times(kept, builder)
        known = [key for key in keys if key is not None]
        start = 0
        for row, error in [*bad, (len(keys), None)]:
            end = int(good[:row].sum())
            if end > start:
                part = {name: column[start:end] for name, column in columns.items()}
                builder.add_converted(part, time[start:end], known[start:end])
            if error is not None:
                builder.reject(error.reason, error.detail, f"{self._path}:{self._row + row + 1}")
            start = end

    def _keys(
        self, batch: Any, builder: RowBuilder
    ) -> tuple[list[tuple[int, Undecodable | None]], list[str | None]]:
        """Return which rows have no key, and why, and the keys of all."""
        names = [name for name in builder.template.names if name not in self._labels]
        if not names:
            return [], [builder.template.fill(self._labels, {})] * batch.num_rows
        known: dict[tuple[object, ...], str | Undecodable] = {}
        bad: list[tuple[int, Undecodable | None]] = []
        keys: list[str | None] = []
        columns = [arrow.plain(self._column(batch, name), batch.num_rows) for name in names]
        for row, cells in enumerate(zip(*columns, strict=True)):
            if cells not in known:
                try:
                    known[cells] = builder.template.fill(self._labels, dict(zip(names, cells, strict=True)))
                except Undecodable as error:
                    known[cells] = error
            key = known[cells]
            keys.append(key if isinstance(key, str) else None)
            if isinstance(key, Undecodable):
                bad.append((row, key))
        return bad, keys

    def _column(self, batch: Any, name: str) -> Any:
        """Return the array of a field; of nulls where the file has no such column."""
        import pyarrow as pa  # noqa: PLC0415 - as above

        path = self._paths[name]
        if path is None:
            return pa.nulls(batch.num_rows)
        array = batch.column(path[0])
        for step in path[1:]:
            array = array.flatten()[array.type.get_field_index(step)]  # null where the outer one is
        return array

    def _times(self, batch: Any, builder: RowBuilder) -> Floats:
        name, faults, times = self._layout.time, builder.faults, builder.times
        if name is None:
            return np.full(batch.num_rows, NAN)
        array = self._column(batch, name)
        wall = arrow.seconds(array)
        if wall is not None:
            placed = wall if getattr(array.type, "tz", None) is not None else times.placed(wall)
            return in_era(placed, name, faults)
        if times.plain and arrow.is_number(array.type):
            return scaled_column(arrow.floats(array), name, faults)
        return times.column(arrow.values(array, batch.num_rows), name, faults)


class _Parquet:
    """A Parquet file: its row groups one after another, each of them piece by piece."""

    def __init__(self, file: Any) -> None:
        import pyarrow.parquet as pq  # noqa: PLC0415 - as above

        plain = pq.ParquetFile(file)
        leaves = map(plain.schema.column, range(len(plain.schema)))
        texts = [leaf.path for leaf in leaves if leaf.converted_type == "UTF8"]
        # Texts as a dictionary: one long text that all rows share is in memory once.
        self._file = pq.ParquetFile(file, metadata=plain.metadata, buffer_size=_BUFFER, read_dictionary=texts)
        self.schema = self._file.schema_arrow
        self.rows = self._file.metadata.num_rows

    def batches(self, wanted: Sequence[tuple[str, ...]], row: int) -> tuple[Iterator[Any], int]:
        """Return batches from the row group on that has the row, and how many rows come before it."""
        sizes = [self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups)]
        first = passed = 0
        while first < len(sizes) and passed + sizes[first] <= row:
            passed, first = passed + sizes[first], first + 1
        columns = [".".join(path) for path in wanted]
        return (
            _sound(batch)
            for group in range(first, len(sizes))
            for batch in self._file.iter_batches(_ROWS, [group], columns, use_threads=False)
        ), passed


def _sound(batch: Any) -> Any:
    """Return a batch that has been checked: a wrong offset in a damaged file would be an address."""
    batch.validate(full=True)
    return batch


class _Arrow:
    """An Arrow file, of Feather, too: batches as they were written."""

    rows = 0  # not known before they are read

    def __init__(self, file: Any) -> None:
        import pyarrow as pa  # noqa: PLC0415 - as above

        self._file = file
        self.schema = pa.ipc.open_file(file).schema

    def batches(self, wanted: Sequence[tuple[str, ...]], row: int) -> tuple[Iterator[Any], int]:
        """Return all batches: which of them has the row, only reading them tells."""
        import pyarrow as pa  # noqa: PLC0415 - as above

        fields = [self.schema.get_field_index(path[0]) for path in wanted]
        options = pa.ipc.IpcReadOptions(use_threads=False, included_fields=sorted(set(fields)) or [0])
        reader = pa.ipc.open_file(self._file, options=options)

        def read() -> Iterator[Any]:
            for i in range(reader.num_record_batches):
                yield _sound(reader.get_batch(i))

        return read(), 0


def sniff_table(path: Path, form: str) -> Sniffed:
    """Return what the first rows of a file tell of its columns. Raises `SourceError` if it cannot be read."""
    if (reason := lacking_for_tables()) is not None:
        raise SourceError(reason)
    import pyarrow as pa  # noqa: PLC0415 - as above

    table: dict[str, list[object]] = {}
    clocks = []
    try:
        with pa.OSFile(str(path)) as file:
            opened = _Parquet(file) if form == "parquet" else _Arrow(file)
            batches, _ = opened.batches([(name,) for name in opened.schema.names], 0)
            for name, array in arrow.leaves(next(batches, pa.RecordBatch.from_pylist([])).slice(0, _SNIFFED)):
                wall = arrow.seconds(array)
                clocks += [name] if wall is not None else []
                numbers = arrow.floats(array) if arrow.is_number(array.type) else wall
                table[name] = arrow.values(array, len(array)) if numbers is None else numbers.tolist()
    except (Undecodable, pa.ArrowException, OSError, ValueError, OverflowError, MemoryError) as error:
        raise SourceError(f"{path}: cannot be read: {error}") from None
    found = described(form, table)
    return found._replace(
        time=found.time or next(iter(clocks), None),
        numbers=tuple(name for name in found.numbers if name not in clocks),
    )
