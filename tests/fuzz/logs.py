"""Lines of logs of every format: records and rejected lines, a state that comes back, and no error."""

from __future__ import annotations

import json

from connectors.decode.rows import RowBuilder
from connectors.logs.digest import Digest
from connectors.logs.formats import FORMATS
from connectors.logs.lines import LogLines
from connectors.logs.options import LogOptions
from connectors.logs.pattern import compile_start
from detector.contracts import Layout

_LAYOUT = Layout(("lines", "rarity_max", "number_z", "status_5xx", "x"), key="{host}", time="t")
_LABELS = {"host": "h"}
_OPTIONS = (
    LogOptions.model_validate({"window": "10s", "year": 2026, "templates": {"max": 10}}),
    LogOptions.model_validate({"per": "line", "year": 2026, "multiline": {"starts_with": "^[0-9<{]"}}),
)

SEEDS = (
    b"2026-11-29 12:00:00,250 ERROR [db] took 310 ms\n  at x\nCaused by: y\n\n2026-11-29 12:00:11 INFO x\n",
    b'<34>1 2026-11-29T12:00:00.25Z web su 7 ID47 [a@1 k="v"] failed\n<13>Nov 29 12:00:00 web p[7]: x\n',
    b'::1 - - [29/Nov/2026:12:00:00 +0000] "GET /a/7?b HTTP/1.1" 503 10 "-" "x" 0.25\n',
    b'{"time": 1795953600250, "level": "warn", "msg": "token=abc from 10.0.0.1", "x": 1}\n{"ts": []}\n',
    b'{"__REALTIME_TIMESTAMP": "1795953600000000", "PRIORITY": "3", "MESSAGE": [104, 105], "_PID": ["1"]}\n',
    b"\x1b[31mERROR\x1b[0m \x00\xff 1117838570 fe80::1 0xff deadbeef01\n",
)


def one(data: bytes) -> None:
    """Read lines in each format, by windows and one by one, half after a restart; compile a pattern."""
    lines = data.split(b"\n")
    half = len(lines) // 2
    for form in FORMATS:
        for options in _OPTIONS:
            state: dict[str, object] = {}
            for part in (lines[:half], lines[half:]):
                digest = Digest("s", form, options, _LAYOUT, lambda: 1.8e9, replayed=True)
                digest.restore(state)
                _read(digest, part)
                state = json.loads(digest.state())
    try:
        compile_start(data[:100].decode("utf-8", "replace"))
    except ValueError as error:
        assert "write" in str(error)


def _read(digest: Digest, lines: list[bytes]) -> None:
    builder = RowBuilder(digest.layout)
    decoder = LogLines("f", _LABELS, digest)
    while lines:
        used = decoder.feed(lines, 1, builder, 3)
        batch = builder.batch(arrival=0.0, position=b"")
        assert len(batch) + len(batch.rejected) <= 3
        assert used or len(batch)
        assert all(one.where.isprintable() and one.detail.isprintable() for one in batch.rejected)
        lines = lines[used:]
