"""Arrow arrays, of Parquet for instance, as the columns of a batch.

pyarrow is an extra, and slow to import: it is not before a table is read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from connectors.decode.errors import Undecodable
from connectors.decode.values import NAN, Faults, in_range, to_column
from detector.contracts import Floats

_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def path_of(schema: Any, name: str) -> tuple[str, ...] | None:
    """Return where a field is; dots read nested ones unless there is that very name."""
    if schema.names.count(name) > 1:
        raise Undecodable("bad_header", f"the file has {name} more than once")
    if name in schema.names:
        return (name,)
    path = tuple(name.split("."))
    if path[0] not in schema.names:
        return None
    kind = schema.field(path[0]).type
    for step in path[1:]:
        place = kind.get_field_index(step) if hasattr(kind, "get_field_index") else -1
        if place < 0:
            return None
        kind = kind.field(place).type
    return path if len(path) > 1 else None


def mask(rows: Any) -> Any:
    """Return what `RecordBatch.filter` takes to keep these rows."""
    import pyarrow as pa  # noqa: PLC0415

    return pa.array(rows)


def is_number(kind: Any) -> bool:
    """Tell whether values of that type are numbers, for what we need."""
    from pyarrow import types  # noqa: PLC0415

    return bool(
        types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) or types.is_boolean(kind)
    )


def floats(array: Any) -> Floats:
    """Return numbers as float64, null as NaN; in memory of their own."""
    return np.array(array.cast("float64", safe=False).to_numpy(zero_copy_only=False), np.float64)


def numbers(array: Any, name: str, faults: Faults) -> Floats:
    """Return a column as features are wanted, counting what is no number."""
    if is_number(array.type):
        return in_range(floats(array), name, faults)
    return to_column(values(array, len(array)), name, faults)


def values(array: Any, rows: int) -> list[Any]:
    """Return the values of an array as Python has them."""
    if hasattr(array, "dictionary"):
        texts = [*array.dictionary.to_pylist(), None]
        places = array.indices.fill_null(len(texts) - 1).to_numpy(zero_copy_only=False)
        return [texts[place] for place in places.tolist()]
    values = array.to_pylist()
    return values if len(values) == rows else [None] * rows


def plain(array: Any, rows: int) -> list[str | int | float | None]:
    """Return values that a key can be made of; None for all others."""
    return [value if isinstance(value, str | int | float) else None for value in values(array, rows)]


def seconds(array: Any) -> Floats | None:
    """Return timestamps and dates in seconds since 1970, in their own zone if they have none; else None."""
    from pyarrow import types  # noqa: PLC0415

    if types.is_date(array.type):
        array = array.cast("timestamp[ms]")
    if not types.is_timestamp(array.type):
        return None
    whole = _PER_SECOND[array.type.unit]
    known = array.is_valid().to_numpy(zero_copy_only=False)
    counts = array.cast("int64").fill_null(0).to_numpy(zero_copy_only=False)
    split = counts // whole + (counts % whole) / whole  # in ns there are more digits than float64 has
    return np.where(known, split if whole == 10**9 else counts / whole, NAN)


def leaves(batch: Any) -> Iterator[tuple[str, Any]]:
    """Yield the columns of a batch, nested ones under names with dots."""
    from pyarrow import types  # noqa: PLC0415

    waiting = [(name, batch.column(i)) for i, name in enumerate(batch.schema.names)]
    while waiting:
        name, array = waiting.pop(0)
        if types.is_struct(array.type):
            inner = zip((field.name for field in array.type), array.flatten(), strict=True)
            waiting[:0] = [(f"{name}.{step}", part) for step, part in inner]
        else:
            yield name, array
