"""A reader of a log that may be killed at any moment: run by `test_logrotate`.

What was read is appended to one file; the other, replaced as a whole, holds the position and how much of
the first belongs to it, as the daemon's state does.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from connectors.sources.tail import TailOptions, TailSource
from detector.contracts import Layout


def main(path: str, rows: Path, state: Path, form: str = "auto") -> None:
    saved = json.loads(state.read_text()) if state.exists() else {"position": "", "size": 0}
    how = {"paths": [path], "start_at": "saved_or_beginning", "poll": "20ms", "linger": "5s", "format": form}
    options = TailOptions.model_validate(how | ({} if form == "auto" else {"log": {"per": "line"}}))
    source = TailSource("t", options, Layout(("x",)))
    source.open(saved["position"].encode())
    with rows.open("ab") as file:
        os.truncate(rows, saved["size"])
        while True:
            batch = source.read(1000, 0.2)
            if batch is None:
                continue
            assert not batch.rejected
            file.write("".join(f"{int(x)}\n" for x in batch.columns["x"]).encode())
            file.flush()
            saved = {"position": batch.position.decode(), "size": rows.stat().st_size}
            new = state.with_suffix(".new")
            new.write_text(json.dumps(saved))
            new.replace(state)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
