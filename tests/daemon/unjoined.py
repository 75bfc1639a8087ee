"""The daemon that forgets, when it is killed, what waits to be joined: the negative control."""

from __future__ import annotations

from typing import Any

from connectors.decode.join import Joiner
from detector.cli import main


def _nothing(self: Joiner) -> dict[str, Any]:
    return {"when": self.join.when, "keys": {}}


if __name__ == "__main__":
    Joiner.waiting = _nothing  # type: ignore[method-assign]
    main()
