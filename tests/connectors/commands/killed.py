"""A process that takes commands and dies in the middle of the first: ``python -m ... URL FILE MODE``.

MODE: ``properly`` as it is, ``early`` acknowledged before it is carried out (the negative control); with
``-and-lives`` it does not die.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from connectors.commands.mqtt import Command, MqttCommands
from connectors.mqtt.inbox import Token
from tests.connectors.commands.asker import Notes, connected


def main(url: str, file: str, mode: str) -> None:
    notes = Notes(Path(file))

    def die() -> None:
        time.sleep(0.5)  # long enough for an acknowledgement to have gone out
        os.kill(os.getpid(), signal.SIGKILL)

    if not mode.endswith("-and-lives"):
        notes.failure = die
    if mode.startswith("early"):
        properly = MqttCommands._carry_out

        def early(self: Any, command: Command) -> None:
            self._inbox.ack(Token(command.epoch, (command.mid,)), self._link.ack, self._link.ask)
            properly(self, command)

        MqttCommands._carry_out = early  # type: ignore[method-assign]
    connected(url, notes)
    print("connected", flush=True)  # noqa: T201
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
