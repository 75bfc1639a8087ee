"""From bytes to records.

A payload decoder is a function of this one form, registered by one line below::

    decode(payload: bytes, options: DecodeOptions) -> Sequence[object]

It returns the records of one payload, mappings of field to value, in order; an element that is no
record is handed on as it is, and `RowBuilder.add` rejects it (an `Undecodable` with its own reason,
anything else as ``not_an_object``). A payload of which nothing can be used raises `Undecodable`. No
other exception leaves a decoder, whatever the bytes are. So a source does::

    try:
        for record in DECODERS[name](payload, options):
            builder.add(record, labels, where, payload)
    except Undecodable as error:
        builder.reject(error.reason, error.detail, where, payload)

Files are decoded in blocks of lines instead, by `connectors.decode.json_lines`, `connectors.decode.csv_lines`
and `connectors.decode.line_protocol`; long arrays of JSON, where they can be, by
`connectors.decode.json_arrays`.
"""

from collections.abc import Callable, Sequence

from connectors.decode import csv_records, json_records, line_protocol, number
from connectors.decode.errors import Undecodable, shown
from connectors.decode.options import DecodeOptions
from connectors.decode.rows import RowBuilder

__all__ = ["DECODERS", "DecodeOptions", "PayloadDecoder", "RowBuilder", "Undecodable", "shown"]

PayloadDecoder = Callable[[bytes, DecodeOptions], Sequence[object]]

DECODERS: dict[str, PayloadDecoder] = {
    "json": json_records.decode,
    "number": number.decode,
    "csv": csv_records.decode,
    "influx": line_protocol.decode,
}
