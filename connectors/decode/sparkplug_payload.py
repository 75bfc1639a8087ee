"""The payload of Sparkplug B: which fields of it are read, and what a metric's value is.

Told to protobuf at run time by the field numbers of the public specification. What is not named here (data
sets' rows, templates, properties, extensions) is skipped.
"""

from __future__ import annotations

import functools
from typing import Any

from connectors.decode.errors import Undecodable, shown

_PACKAGE = "org.eclipse.tahu.protobuf"
_SCALARS: dict[str, tuple[tuple[str, int, str], ...]] = {
    "Payload": (("timestamp", 1, "UINT64"), ("seq", 3, "UINT64")),
    "Metric": (
        *(("name", 1, "STRING"), ("alias", 2, "UINT64"), ("timestamp", 3, "UINT64")),
        *(("datatype", 4, "UINT32"), ("is_historical", 5, "BOOL"), ("is_null", 7, "BOOL")),
    ),
}
_VALUES = (
    *(("int_value", 10, "UINT32"), ("long_value", 11, "UINT64"), ("float_value", 12, "FLOAT")),
    *(("double_value", 13, "DOUBLE"), ("boolean_value", 14, "BOOL"), ("string_value", 15, "STRING")),
    *(("bytes_value", 16, "BYTES"), ("dataset_value", 17, "BYTES"), ("template_value", 18, "BYTES")),
)
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Bits of the data types Int8 to Int64, which are sent as unsigned numbers."""


@functools.cache
def payload_class() -> Any:
    """Return protobuf's class for payloads; not imported before it is asked for."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory  # noqa: PLC0415

    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="kyori_sparkplug.proto", package=_PACKAGE)
    made = {name: file.message_type.add(name=name) for name in _SCALARS}
    for name, scalars in _SCALARS.items():
        for title, number, kind in scalars:
            type_ = getattr(field, f"TYPE_{kind}")
            made[name].field.add(name=title, number=number, type=type_, label=field.LABEL_OPTIONAL)
    made["Payload"].field.add(
        name="metrics", number=2, type=field.TYPE_MESSAGE, label=field.LABEL_REPEATED,
        type_name=f".{_PACKAGE}.Metric",
    )  # fmt: skip
    made["Metric"].oneof_decl.add(name="value")
    for title, number, kind in _VALUES:
        type_ = getattr(field, f"TYPE_{kind}")
        made["Metric"].field.add(
            name=title, number=number, type=type_, label=field.LABEL_OPTIONAL, oneof_index=0
        )
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


def parse(payload: bytes) -> Any:
    """Return a payload; raises `Undecodable` as ``bad_sparkplug``."""
    from google.protobuf.message import DecodeError  # noqa: PLC0415

    try:
        return payload_class().FromString(payload)
    except (DecodeError, UnicodeDecodeError):
        raise Undecodable("bad_sparkplug", f"not a payload of Sparkplug B: {shown(payload, 80)}") from None


def value_of(metric: Any, datatype: int) -> object:
    """Return a metric's number, text or truth; None where it is null, or of a kind that is none of these.

    Parameters
    ----------
    metric : Metric
        As in a payload.
    datatype : int
        As in its BIRTH; 0: not known, and then a whole number is missing where it may have a sign.
    """
    kind = None if metric.is_null else metric.WhichOneof("value")
    if kind not in ("int_value", "long_value"):
        return getattr(metric, kind) if kind in _PLAIN else None
    number: int = getattr(metric, kind)
    bits = _SIGNED.get(datatype)
    if datatype == 0 and number >> (31 if kind == "int_value" else 63):
        return None
    if bits is None:
        return number
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


_PLAIN = frozenset(("float_value", "double_value", "boolean_value", "string_value"))


def rebirth() -> bytes:
    """Return the command that asks an edge node to send its BIRTHs again."""
    made = payload_class()()
    made.metrics.add(name="Node Control/Rebirth", datatype=11, boolean_value=True)
    data: bytes = made.SerializeToString()
    return data
