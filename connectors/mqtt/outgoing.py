"""A message on its way out, and what MQTT 5 lets us say of it."""

from __future__ import annotations

from typing import NamedTuple

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors.mqtt.client import make_properties


class Outgoing(NamedTuple):
    """A message to be published.

    Attributes
    ----------
    topic, payload : str
        As they are.
    expiry_s : int or None
        The broker drops it after so long. This and `user` only MQTT 5 can tell.
    user : tuple of (str, str)
        Names and values for whoever reads it.
    """

    topic: str
    payload: str
    expiry_s: int | None = None
    user: tuple[tuple[str, str], ...] = ()

    @property
    def properties(self) -> Properties:
        """What MQTT 5 lets us say of it."""
        kind = "application/json" if self.payload.startswith("{") else "text/plain"
        return make_properties(
            PacketTypes.PUBLISH,
            ContentType=kind,
            MessageExpiryInterval=self.expiry_s,
            UserProperty=list(self.user) or None,
        )
