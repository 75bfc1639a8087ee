"""A reader that may be killed at any moment: run by `test_mqtt_kills`.

Its state, how often each number was counted and the position, is replaced as a whole, as the daemon's is.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.connectors.mqtt_help import source


def main(url: str, file: Path, dedupe: bool) -> None:
    state = json.loads(file.read_text()) if file.exists() else {"seen": [], "skipped": 0, "position": ""}
    position = state["position"].encode()
    if not dedupe and position:
        position = json.dumps({**json.loads(position), "ring": ""}).encode()
    reading = source(url, position, max_inflight=50)
    while True:
        batch = reading.read(20, 0.5)
        if batch is None:
            continue
        state["seen"] += [int(value) for value in batch.columns["value"]]
        state["skipped"] += batch.skipped
        state["position"] = batch.position.decode()
        new = file.with_suffix(".new")
        new.write_text(json.dumps(state))
        new.replace(file)
        reading.ack(batch.token)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3] == "dedupe")
