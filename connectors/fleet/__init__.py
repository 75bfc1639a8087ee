"""How the units of a fleet hear of each other. One file each, registered by one line below."""

from importlib import import_module
from typing import Any

FLEETS = {"mqtt": "connectors.fleet.mqtt:MqttFleet"}
"""The ``type`` of ``fleet`` in the configuration, and where its class is."""


def load(kind: str) -> Any:
    """Return the class of a way between units, importing only what it needs.

    It has a pydantic model as `Options`, and is made by its options and the names of the pipelines. It has
    ``open()``, ``close()``, ``connected``, ``failure`` and ``probe(timeout_s)`` like other connectors, and

    - ``unit``: the name of this unit, which no other may have;
    - ``give(pipeline, data)``: let all others have these bytes, in the place of those given before; called by
      any thread, it never waits;
    - ``complete(pipeline)``: whether all has come that others had given before we were there;
    - ``join(pipeline, hear)``: from now on ``hear(unit, data, retained)`` is called, in a thread of its own,
      with whatever a unit has given for a pipeline before (`retained`) or gives, we too; b"": that
      is gone;
    - ``leave(pipeline)``: no more.
    """
    module, name = FLEETS[kind].split(":")
    return getattr(import_module(module), name)
