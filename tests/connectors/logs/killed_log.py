"""A reader of a log that may be killed at any moment: run by `test_restarts`.

What was read is appended to one file; the other, replaced as a whole, holds the position and how much of
the first belongs to it, as the daemon's state does.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from connectors.sources.tail import TailOptions, TailSource
from detector.contracts import Layout
from tests.connectors.logs.help import rows_of


def main(path: str, fields: str, rows: Path, state: Path) -> None:
    saved = json.loads(state.read_text()) if state.exists() else {"position": "", "size": 0}
    options = TailOptions.model_validate(
        {"paths": [path], "start_at": "saved_or_beginning", "poll": "20ms", "format": "log"}
    )
    source = TailSource("t", options, Layout(tuple(fields.split()), "time"))
    source.open(saved["position"].encode())
    with rows.open("ab") as file:
        os.truncate(rows, saved["size"])
        while True:
            batch = source.read(2, 0.2)
            if batch is None:
                continue
            file.write("".join(json.dumps(row) + "\n" for row in rows_of(batch)).encode())
            file.flush()
            saved = {"position": batch.position.decode(), "size": rows.stat().st_size}
            new = state.with_suffix(".new")
            new.write_text(json.dumps(saved))
            new.replace(state)
            time.sleep(0.01)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
