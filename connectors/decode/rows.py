"""Collects decoded records, in arrival order, and makes one `Batch` of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import NamedTuple, cast

import numpy as np

from connectors.decode.dialect import Cells
from connectors.decode.errors import Undecodable, shown
from connectors.decode.keys import KeyTemplate, lookup_all
from connectors.decode.times import Times, scaled_column
from connectors.decode.values import NAN, Faults, in_range, to_column
from detector.contracts import Batch, Floats, Layout, Rejected, Wave

_RAW = 1024


class Block(NamedTuple):
    """Rows as a batch is to have them."""

    columns: dict[str, Floats]
    time: Floats


class RowBuilder:
    """Takes records one by one, or tables and arrays at once, and builds the columns of a `Layout`.

    Every way in gives the same numbers, and none of them raises because of what a record holds.

    Parameters
    ----------
    layout : Layout
        The columns wanted. Its time zone must exist, or `SourceError` is raised.

    Attributes
    ----------
    template : KeyTemplate
        Makes the keys.
    times : Times
        Reads the times.
    faults : Counter of (str, str)
        Values that had to become NaN, by reason and field.

    Examples
    --------
    >>> builder = RowBuilder(Layout(("flow",), key="{pump}"))
    >>> builder.add({"flow": "1.5"}, {"pump": "p1"}, "topic a")
    >>> builder.add({"flow": 2}, {}, "topic b")
    >>> batch = builder.batch(arrival=0.0, position=b"")
    >>> batch.columns["flow"], list(batch.key), batch.rejected[0].reason
    (array([1.5]), ['p1'], 'no_key')
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.template = KeyTemplate(layout.key)
        self.times = Times(layout.time_format, layout.timezone)
        self._restart()

    def _restart(self) -> None:
        self._blocks: list[Block] = []
        self._records: list[Mapping[str, object]] = []
        self._keys: list[str] = []
        self._rejected: list[Rejected] = []
        self.faults = Faults()

    def __len__(self) -> int:
        return len(self._keys)

    @property
    def rejected(self) -> int:
        """How many records were rejected so far."""
        return len(self._rejected)

    def add(self, record: object, labels: Mapping[str, str], where: str, raw: bytes = b"") -> None:
        """Take one record: an object of JSON, or any mapping. It is read when the batch is made.

        An `Undecodable` is rejected with its own reason, what else is no mapping as ``not_an_object``,
        a record without its key as ``no_key``; `raw` is what it was decoded from.
        """
        try:
            one, key = self._keyed(record, labels)
        except Undecodable as error:
            self.reject(error.reason, error.detail, where, error.raw or raw)
            return
        self._keys.append(key)
        self._records.append(one)
        self._compute()

    def _keyed(self, record: object, labels: Mapping[str, str]) -> tuple[Mapping[str, object], str]:
        """Return the record and its key; raises `Undecodable` where it is none, or has none."""
        if isinstance(record, Undecodable):
            raise record
        if not isinstance(record, Mapping):
            raise Undecodable("not_an_object", f"a record must be an object, not {type(record).__name__}")
        return record, self.template.fill(labels, record)

    def add_many(self, records: Sequence[Mapping[str, object]], labels: Mapping[str, str]) -> None:
        """Take several records at once; only where `has_key` says that labels make the key."""
        self._add_keys(labels, len(records))
        self._records.extend(records)
        self._compute()

    def add_all(
        self, records: Sequence[object], labels: Mapping[str, str], where: str, raw: bytes = b""
    ) -> None:
        """Take what `add` takes, record by record; objects whose key the labels make, at once."""
        if set(map(type, records)) == {dict} and self.has_key(labels):
            self.add_many(cast("Sequence[Mapping[str, object]]", records), labels)
            return
        for record in records:
            self.add(record, labels, where, raw)

    def add_table(
        self,
        header: Sequence[str],
        rows: Sequence[Sequence[str]],
        labels: Mapping[str, str],
        where: Callable[[int], str],
        written: Cells | None = None,
    ) -> None:
        """Take a table of text, column by column.

        Empty rows are left out, rows of another width than the header's are rejected as
        ``ragged_row``.

        Parameters
        ----------
        header : sequence of str
            Names of the columns; of a name that is there twice the first column counts.
        rows : sequence of sequences of str
            The cells.
        labels : mapping of str to str
            What the source knows beside the record.
        where : callable
            Tells the place of the row with that index in `rows`.
        written : Cells, optional
            Reads numbers and times where they are not written as everywhere.
        """
        self._settle()
        places = {name: place for place, name in reversed(list(enumerate(header)))}
        if set(map(len, rows)) != {len(header)} or not self.has_key(labels):
            rows = self._usable(places, len(header), rows, labels, where)
        else:
            self._add_keys(labels, len(rows))
        if rows:

            def cells(name: str) -> Sequence[object]:
                return list(map(itemgetter(places[name]), rows)) if name in places else ()

            self._add_block(len(rows), cells, written)

    def add_columns(self, columns: Mapping[str, Floats], labels: Mapping[str, str], where: str) -> None:
        """Take arrays of the same length, at least one; for numbers that never were text."""
        self._settle()
        rows = len(next(iter(columns.values())))
        if not self.has_key(labels):
            for _ in range(rows):
                self.add({}, labels, where)
            return
        self._add_keys(labels, rows)
        empty = np.full(rows, NAN)
        numbers = {
            name: in_range(columns.get(name, empty), name, self.faults) for name in self.layout.numbers
        } | dict.fromkeys(self.layout.computed, empty)
        clock = self.layout.time
        if clock is not None and clock in columns:
            time = scaled_column(columns[clock], clock, self.faults)
        else:
            time = empty
        self._blocks.append(Block(numbers, time))

    def add_converted(self, columns: dict[str, Floats], time: Floats, keys: Sequence[str]) -> None:
        """Take whole columns as the batch is to have them; what had to become NaN is in `faults` already."""
        self._settle()
        self._keys.extend(keys)
        self._blocks.append(Block(columns, time))

    def reject(self, reason: str, detail: str, where: str, raw: bytes = b"") -> None:
        """Note a record that cannot be used, after the rows taken so far."""
        self._rejected.append(Rejected(len(self), reason, shown(detail, 400), shown(where, 400), raw[:_RAW]))

    def batch(self, *, arrival: float, position: bytes, token: object = None, skipped: int = 0) -> Batch:
        """Return everything taken since the last call, and start anew."""
        self._settle()
        blocks, layout = self._blocks, self.layout
        keys = np.empty(len(self), dtype=object)
        keys[:] = self._keys
        made = Batch(
            columns={
                name: _joined([block.columns[name] for block in blocks])
                for name in (*layout.numbers, *layout.computed)
            },
            time=_joined([block.time for block in blocks]),
            key=keys,
            rejected=tuple(self._rejected),
            faults=dict(self.faults),
            arrival=arrival,
            skipped=skipped,
            position=position,
            token=token,
        )
        self._restart()
        return made

    def _compute(self) -> None:
        """Keep what is computed of waveforms, not their samples, which are many."""
        if self.layout.waves:
            self._settle()

    def _settle(self) -> None:
        """Turn the records taken one by one into columns."""
        records = self._records
        if not records:
            return
        self._records = []
        self._add_block(len(records), lambda name: lookup_all(records, name))

    def _add_block(
        self, rows: int, cells: Callable[[str], Sequence[object]], written: Cells | None = None
    ) -> None:
        """Convert the wanted columns; `cells` gives the values of a field, or () where there is none."""
        empty = np.full(rows, NAN)
        columns = {}
        for name in self.layout.numbers:
            values = cells(name)
            if written is not None:
                values = list(map(written.number, cast("Sequence[str]", values)))
            columns[name] = to_column(values, name, self.faults) if values else empty
        for wave in self.layout.waves:
            columns |= self._computed(wave, rows, cells)
        values = cells(self.layout.time) if self.layout.time is not None else ()
        if written is not None:
            values = [written.time(cast("str", value), plain=self.times.plain) for value in values]
        time = self.times.column(values, self.layout.time or "", self.faults) if values else empty
        self._blocks.append(Block(columns, time))

    def _computed(self, wave: Wave, rows: int, cells: Callable[[str], Sequence[object]]) -> dict[str, Floats]:
        from connectors.decode import samples  # noqa: PLC0415 - brings scipy.signal, which takes a second

        speeds = cells(wave.rpm) if isinstance(wave.rpm, str) else ()
        return samples.columns(wave, cells(wave.field) or [None] * rows, speeds, self.faults)

    def has_key(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the key can be made of labels alone, the same for all records."""
        try:
            self.template.fill(labels, {})
        except Undecodable:
            return False
        return True

    def _add_keys(self, labels: Mapping[str, str], rows: int) -> None:
        self._keys.extend([self.template.fill(labels, {})] * rows)

    def _usable(
        self,
        places: Mapping[str, int],
        width: int,
        rows: Sequence[Sequence[str]],
        labels: Mapping[str, str],
        where: Callable[[int], str],
    ) -> list[Sequence[str]]:
        """Add the keys of the usable rows and return these; reject the others, in order."""
        names = [name for name in self.template.names if name in places and name not in labels]
        known: dict[tuple[str, ...], str] = {}
        good = []
        for i, row in enumerate(rows):
            if not row:
                continue
            try:
                if len(row) != width:
                    raise Undecodable("ragged_row", f"{len(row)} cells where the header has {width}")
                cells = tuple([row[places[name]] for name in names])
                if cells not in known:
                    known[cells] = self.template.fill(labels, dict(zip(names, cells, strict=True)))
            except Undecodable as error:
                raw = ",".join(row).encode("utf-8", "surrogateescape")
                self.reject(error.reason, error.detail, where(i), raw)
                continue
            self._keys.append(known[cells])
            good.append(row)
        return good


def _joined(parts: list[Floats]) -> Floats:
    return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0), *parts])
