"""The daemon without the memory of what it has committed: the negative control of the crash test."""

from __future__ import annotations

from connectors.mqtt.inbox import Inbox, Message
from detector.cli import main

_take = Inbox.take


def _forget(self: Inbox, epoch: int | None = None) -> Message | None:
    message = _take(self, epoch)
    if message is not None:
        message.repeated = False
    return message


if __name__ == "__main__":
    Inbox.take = _forget  # type: ignore[method-assign]
    main()
