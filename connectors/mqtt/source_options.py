"""The options of the MQTT source, and which of them would lose messages."""

from __future__ import annotations

import importlib.util
import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.mqtt.options import Connection
from connectors.mqtt.topics import TopicFilter, find_overlap
from connectors.options import Duration, Precision, Size

_SPARKPLUG = "spBv1.0"
PLACE = r"\{([A-Za-z_][A-Za-z0-9_]*)\}"
"""A label in the name of a field."""


class MqttSourceOptions(Connection):
    """Where to subscribe, and how."""

    type: Literal["mqtt"] = "mqtt"
    topics: dict[str, int] = Field(
        min_length=1,
        description="topic filter: QoS, as plant/+site/telemetry: 1; the wildcard +site makes the label site",
    )
    session_expiry: Duration = Field(
        default=86400.0,
        le=0xFFFFFFFF,
        description="how long the broker keeps messages while we are away; with MQTT 3.1.1 it decides itself",
    )
    payload: Literal["json", "csv", "influx", "number", "sparkplug_b"] = Field(
        default="json",
        description="json: an object, or an array of them; influx: line protocol; number: one, as the field "
        "value; sparkplug_b: its metrics by name, and timestamp (needs the extra sparkplug)",
    )
    field: str = Field(
        default="value",
        min_length=1,
        description="what to call the field value; as {sensor}, where topics have +sensor",
    )
    request_rebirth: bool = Field(
        default=False,
        description="sparkplug_b: ask an edge node whose aliases are not known for a BIRTH, once a minute",
    )
    columns: tuple[str, ...] = Field(default=(), description="names of a csv payload's cells")
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="between a csv payload's cells"
    )
    precision: Precision = "ns"
    allow_loss: bool = Field(default=False, description="needed for QoS 0, where messages get lost unseen")
    allow_retained: bool = Field(
        default=False,
        description="use retained messages: old values that come at the start (MQTT 3.1.1: at each start)",
    )
    max_payload: Size = Field(
        default=256 * 2**10, le=2**24, description="a larger payload is rejected; as 256 KiB"
    )
    max_inflight: int = Field(
        default=1000, ge=1, le=5000, description="messages that may be under way to us unacknowledged"
    )
    on_start_error: Literal["retry", "fail"] = Field(
        default="retry", description="when the first connection fails: retry with growing pauses, or fail"
    )

    @field_validator("topics")
    @classmethod
    def _usable_topics(cls, topics: dict[str, int]) -> dict[str, int]:
        for text, qos in topics.items():
            TopicFilter(text)
            if qos == 2:
                raise ValueError(
                    f"{text!r}: QoS 2 loses messages when this process is killed, as its handshake is "
                    "kept in memory only; write 1, where each message is still counted once"
                )
            if qos not in (0, 1):
                raise ValueError(f"{text!r}: {qos} is no QoS; write 1")
        pair = find_overlap(map(TopicFilter, topics))
        if pair is not None:
            raise ValueError(
                f"{pair[0].text!r} and {pair[1].text!r} match the same topics, and a broker may "
                "send such a message twice; keep one of them"
            )
        return topics

    @model_validator(mode="after")
    def _keeps_its_promises(self) -> MqttSourceOptions:
        if 0 in self.topics.values() and not self.allow_loss:
            raise ValueError("QoS 0 loses messages; write QoS 1, or accept it with allow_loss: true")
        if self.persistent and not self.client_id:
            raise ValueError("QoS 1 needs a client_id, under which the broker keeps messages for us")
        if self.persistent and self.session_expiry < 1:
            raise ValueError("session_expiry 0 loses what comes while we are away; write 1d")
        if (self.payload == "csv") != bool(self.columns):
            raise ValueError("columns: give the names of the cells with payload: csv, and only with it")
        return self

    @model_validator(mode="after")
    def _can_name_the_field(self) -> MqttSourceOptions:
        if set(re.sub(PLACE, "", self.field)) & set("{}"):
            raise ValueError("field: only labels may stand in braces, as {sensor}")
        for text in self.topics:
            lacking = [name for name in re.findall(PLACE, self.field) if name not in TopicFilter(text).names]
            if lacking:
                raise ValueError(
                    f"field: {text!r} has no label {lacking[0]}; write +{lacking[0]} for a level of it"
                )
        return self

    @model_validator(mode="after")
    def _can_be_sparkplug(self) -> MqttSourceOptions:
        if self.payload != "sparkplug_b":
            if self.request_rebirth:
                raise ValueError("request_rebirth: only with payload: sparkplug_b")
            return self
        if importlib.util.find_spec("google") is None or importlib.util.find_spec("google.protobuf") is None:
            raise ValueError("sparkplug_b needs protobuf; add it with: pip install 'kyori[sparkplug]'")
        for text in self.topics:
            if not text.startswith(f"{_SPARKPLUG}/"):
                raise ValueError(
                    f"{text!r} is no filter for Sparkplug B; write {_SPARKPLUG}/# or {_SPARKPLUG}/GROUP/#, "
                    "not behind $share, where others get the BIRTHs"
                )
        if self.field != "value":
            raise ValueError("field: with sparkplug_b fields are called as the metrics; leave it out")
        return self

    @property
    def shared(self) -> bool:
        """Whether the broker deals the messages out to several readers."""
        return any(TopicFilter(text).shared for text in self.topics)

    @property
    def persistent(self) -> bool:
        """Whether the broker shall keep a session for us."""
        return 1 in self.topics.values()
