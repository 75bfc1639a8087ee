"""The options of the MQTT command topic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.mqtt.options import Connection
from connectors.options import Duration

_NAME = "{name}"


class MqttCommandOptions(Connection):
    """Where labels are sent to while the daemon runs."""

    type: Literal["mqtt"] = "mqtt"
    topic: str = Field(
        default=f"kyori/{_NAME}/cmd/label", description="where labels are sent to; {name} is this detector's"
    )
    session_expiry: Duration = Field(
        default=86400.0,
        ge=1,
        le=0xFFFFFFFF,
        description="how long the broker keeps labels while we are away; with MQTT 3.1.1 it decides itself",
    )

    @field_validator("topic")
    @classmethod
    def _usable(cls, topic: str) -> str:
        rest = topic.replace(_NAME, "x")
        if set(rest) & set("+#{}\0") or not rest.isprintable():
            raise ValueError("a single topic, without + and #; only {name} may stand in braces")
        if not rest or rest.startswith("$") or len(rest.encode("utf-8", "surrogatepass")) > 1000:
            raise ValueError("a topic of at most 1000 bytes that does not begin with $")
        return topic

    @model_validator(mode="after")
    def _keeps_its_promises(self) -> MqttCommandOptions:
        if not self.client_id:
            raise ValueError("commands need a client_id, under which the broker keeps labels for us")
        return self

    def topic_of(self, name: str) -> str:
        """Return the topic of the detector of this name."""
        return self.topic.replace(_NAME, name)
