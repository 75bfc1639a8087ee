"""The options of the MQTT command topic."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.mqtt.options import Connection
from connectors.options import Duration

_NAME = "{name}"


class MqttCommandOptions(Connection):
    """Where commands are sent to while the daemon runs."""

    type: Literal["mqtt"] = "mqtt"
    topic: str = Field(
        default=f"kyori/{_NAME}/cmd/label", description="where labels are sent to; {name} is this detector's"
    )
    learn_topic: str = Field(
        default=f"kyori/{_NAME}/cmd/learn", description="where pause and resume are sent to, for learning"
    )
    reload_topic: str = Field(
        default=f"kyori/{_NAME}/cmd/reload", description="where it is sent to that the file has changed"
    )
    session_expiry: Duration = Field(
        default=86400.0,
        ge=1,
        le=0xFFFFFFFF,
        description="how long the broker keeps commands while we are away; with MQTT 3.1.1 it decides itself",
    )

    @field_validator("topic", "learn_topic", "reload_topic")
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
            raise ValueError("commands need a client_id, under which the broker keeps them for us")
        if len({self.topic, self.learn_topic, self.reload_topic}) < 3:
            raise ValueError("topic, learn_topic and reload_topic must differ")
        return self

    def kinds(self, name: str) -> dict[str, str]:
        """Return which kind of command comes by each topic of the detector of this name."""
        topics = {"label": self.topic, "learn": self.learn_topic, "reload": self.reload_topic}
        return {topic.replace(_NAME, name): kind for kind, topic in topics.items()}
