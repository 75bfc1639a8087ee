"""The options of the MQTT sink."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.mqtt.home_assistant import HomeAssistantOptions
from connectors.mqtt.options import Connection
from connectors.mqtt.topics import check_template
from connectors.options import Duration


class MqttOptions(Connection):
    """Where alerts are published."""

    type: Literal["mqtt"] = "mqtt"
    topic: str = Field(
        default="kyori/{pipeline}/{key}", description="topic of an alert; {pipeline} and {key} are filled in"
    )
    timeout: Duration = Field(
        default=10.0, gt=0, description="how long to wait for the broker before trying again"
    )
    status_topic: str | None = Field(
        default=None,
        description="retained there: online, or offline, which the broker tells if we cannot; default: none",
    )
    expiry: Duration | None = Field(
        default=None,
        ge=1,
        le=0xFFFFFFFF,
        description="the broker drops an alert nobody took for so long, as 1d; MQTT 5 only; default: never",
    )
    state_topic: str | None = Field(
        default=None,
        description="retained there: how it stands with each key now; {pipeline} and {key} are filled in; "
        "default: none",
    )
    state_every: Duration = Field(
        default=5.0, gt=0, description="seconds between two scores of a key; what goes wrong is told at once"
    )
    state_expiry: Duration | None = Field(
        default=None,
        ge=1,
        le=0xFFFFFFFF,
        description="the broker drops the state of a key that is silent for so long, as 30d; MQTT 5 only; "
        "default: never",
    )
    learning_topic: str | None = Field(
        default=None,
        description="retained there: ON, or OFF while learning is paused; {pipeline} is filled in; "
        "default: none",
    )
    home_assistant: HomeAssistantOptions | None = Field(
        default=None, description="announce the pipeline to Home Assistant; default: not"
    )
    grouped: bool = Field(
        default=False, description="also the alerts that a summary stands for (alert.max_per_minute)"
    )
    quiet: bool = Field(
        default=False, description="also the alerts that are quiet (alert.quiet, silences, acknowledged ones)"
    )

    @field_validator("topic", "state_topic", "learning_topic")
    @classmethod
    def _usable(cls, topic: str | None) -> str | None:
        if topic is not None:
            check_template(topic)
        return topic

    @field_validator("status_topic")
    @classmethod
    def _single(cls, topic: str | None) -> str | None:
        if topic is not None:
            check_template(topic)
            if "{" in topic:
                raise ValueError("nothing is filled in here; write the topic itself")
        return topic

    @model_validator(mode="after")
    def _has_a_name(self) -> MqttOptions:
        if self.status_topic is not None and not self.client_id:
            raise ValueError(
                "status_topic needs a client_id, so that no two connections speak for each other"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> MqttOptions:
        for name, expiry in (("expiry", self.expiry), ("state_expiry", self.state_expiry)):
            if expiry is not None and self.protocol != 5:
                raise ValueError(f"{name} is of MQTT 5; write protocol: 5, or leave it out")
        told = [topic for topic in (self.topic, self.state_topic, self.learning_topic) if topic is not None]
        if len(set(told)) < len(told):
            raise ValueError(
                "topic, state_topic and learning_topic must differ; add /alert, /state, /learning"
            )
        house = self.home_assistant
        if house is not None:
            wanted = {"status_topic": self.status_topic, "state_topic": self.state_topic}
            if house.learn_topic is not None:
                wanted["learning_topic"] = self.learning_topic
            missing = [name for name, topic in wanted.items() if topic is None]
            if missing:
                raise ValueError(
                    f"home_assistant needs {' and '.join(missing)}; add it, as in {_EXAMPLES[missing[0]]}"
                )
        return self

    @property
    def expiry_s(self) -> int | None:
        """`expiry` as MQTT has it."""
        return round(self.expiry) if self.expiry is not None else None

    @property
    def state_expiry_s(self) -> int | None:
        """`state_expiry` as MQTT has it."""
        return round(self.state_expiry) if self.state_expiry is not None else None


_EXAMPLES = {
    "status_topic": "status_topic: kyori/plant-a/status",
    "state_topic": "state_topic: kyori/plant-a/{key}/state",
    "learning_topic": "learning_topic: kyori/plant-a/learning",
}
