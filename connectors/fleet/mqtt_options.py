"""The options of a fleet over MQTT."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from connectors.mqtt.options import Connection
from connectors.options import Duration

_NAME = "{pipeline}"


class MqttFleetOptions(Connection):
    """Where units give away what they have learned, and find what others have; as retained messages."""

    type: Literal["mqtt"] = "mqtt"
    topic: str = Field(
        default=f"kyori/fleet/{_NAME}",
        description="below it each unit has its own, by its client_id; {pipeline} is the pipeline's name",
    )
    publish_every: Duration = Field(
        default=3600.0, ge=1, description="from one publication to the next, while new records come"
    )
    warm_start: bool = Field(
        default=True, description="a key without a model begins with what the fleet has learned"
    )
    match: Literal["all", "key"] = Field(
        default="all",
        description="all: one reference of all keys of all units; key: one of each key, by its name",
    )
    wait: Duration = Field(
        default=10.0, ge=0, description="a pipeline without any model waits for the fleet so long at most"
    )
    expiry: Annotated[Duration, Field(ge=60, le=0xFFFFFFFF)] | None = Field(
        default=30 * 86400.0,
        description="a unit that is silent for so long counts no more: the broker drops what it gave "
        "(MQTT 5 only); null = never",
    )

    @field_validator("topic")
    @classmethod
    def _usable(cls, topic: str) -> str:
        rest = topic.replace(_NAME, "x")
        if set(rest) & set("+#{}\0") or not rest.isprintable():
            raise ValueError("a single topic, without + and #; only {pipeline} may stand in braces")
        if rest.startswith("$") or rest.endswith("/") or len(rest.encode("utf-8", "surrogatepass")) > 1000:
            raise ValueError("a topic of at most 1000 bytes that does not begin with $ or end with /")
        return topic

    @model_validator(mode="after")
    def _has_a_name(self) -> MqttFleetOptions:
        if not self.client_id or set(self.client_id) & set("/+#{}$"):
            raise ValueError(
                "fleet needs a client_id without / + # { } and $: it is this unit's name among the others"
            )
        if self.expiry is not None and self.expiry < 2 * self.publish_every:
            raise ValueError(
                "expiry must be at least twice publish_every; else the unit is dropped between the two"
            )
        return self

    def base(self, pipeline: str) -> str:
        """Return the topic below which the units of a pipeline stand."""
        return self.topic.replace(_NAME, pipeline)
