"""How commands come while the daemon runs. One file each, registered by one line below."""

from importlib import import_module
from typing import Any

COMMANDS = {"mqtt": "connectors.commands.mqtt:MqttCommands"}
"""The ``type`` of ``commands`` in the configuration, and where its class is."""


def load(kind: str) -> Any:
    """Return the class of a way for commands, importing only what it needs.

    It has a pydantic model as `Options`, and is made by ``(name, options, handles)``: the detector's name,
    its options, and what carries out each kind of command: ``label``, ``learn`` and ``reload``. A handle
    takes the command and returns the answer, both as bytes. When it returns, the command is carried out for
    good, and may be acknowledged. What of `detector.errors` it raises may pass: the command is kept, and
    tried again.

    Like a source it has ``open()``, ``close()``, ``connected`` and ``probe(timeout_s)``. Handles are called
    in a thread of its own, one command at a time; ``failure`` tells why that ended, else it is None.
    """
    module, name = COMMANDS[kind].split(":")
    return getattr(import_module(module), name)
