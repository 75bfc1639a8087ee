"""Payloads of JSON, CSV, line protocol and bare numbers: records that make a batch, or `Undecodable`."""

from __future__ import annotations

import math

from connectors.decode import DECODERS, DecodeOptions, RowBuilder, Undecodable
from detector.contracts import LARGEST, Layout

_OPTIONS = DecodeOptions(columns=("k", "a", "b.c", "t"), max_bytes=4096)
_LAYOUT = Layout(("a", "b.c", "value"), key="{site}/{k}", time="t")

SEEDS = (
    b'{"k": "p1", "a": 1.5, "b": {"c": -2e3}, "t": "2026-11-29T12:00:00Z"}',
    b'[{"k": 7, "a": null, "b.c": true, "t": 1700000000}, {"k": "", "a": "x\\ud83d\\ude00"}]',
    b'p1,1.5,"2,5",1700000000\r\np2,,nan,2026-11-29 12:00:00+01:00\n',
    b" 21.5\n",
    b'a,k=p1,s=x\\ y b=1.5,c=-3i,d="q\\"\n,",e=t 1700000000000000000\n# no\n\na,k=p2 value=2u\nx y=z\n',
)


def one(data: bytes) -> None:
    """Decode a payload in each way, and make a batch of what came out."""
    for decode in DECODERS.values():
        builder = RowBuilder(_LAYOUT)
        try:
            for record in decode(data, _OPTIONS):
                builder.add(record, {"site": "s"}, "here", data)
        except Undecodable as error:
            builder.reject(error.reason, error.detail, "here", data)
        batch = builder.batch(arrival=0.0, position=b"")
        for column in (*batch.columns.values(), batch.time):
            assert all(math.isnan(value) or abs(value) <= LARGEST for value in column.tolist())
        for rejected in batch.rejected:
            assert rejected.detail.isprintable()
            assert len(rejected.detail) <= 400
