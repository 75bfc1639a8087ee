"""Where a Kafka is, who we are to it, and what is read of it."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.extras import lacking
from connectors.keyfile import closed
from connectors.options import Options, Precision, Size
from connectors.tls import Tls

_BROKER = re.compile(r"(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}")
_TOPIC = re.compile(r"[A-Za-z0-9._-]{1,249}")


class KafkaConnection(Options):
    """One connection to a cluster."""

    # What was written may hold a password in the wrong place: no error message may repeat it.
    model_config = ConfigDict(hide_input_in_errors=True)

    brokers: tuple[str, ...] = Field(
        min_length=1, description="some of the cluster's brokers, as host:9092; they name the others"
    )
    username: str | None = Field(default=None, description="user at the cluster")
    password: SecretStr | None = Field(
        default=None, description="its password; write ${file:/path} or ${VAR}"
    )
    mechanism: Literal["SCRAM-SHA-512", "SCRAM-SHA-256", "PLAIN"] = Field(
        default="SCRAM-SHA-512", description="how the password is proved; PLAIN needs tls"
    )
    tls: Tls | None = Field(default=None, description="{} for TLS with the system's authorities")

    @field_validator("brokers")
    @classmethod
    def _usable(cls, brokers: tuple[str, ...]) -> tuple[str, ...]:
        if not all(_BROKER.fullmatch(broker) for broker in brokers):
            raise ValueError(
                "not all are brokers; write each as host:port, without a scheme, user or password"
            )
        return brokers

    @model_validator(mode="after")
    def _agrees(self) -> KafkaConnection:
        problem = lacking("confluent_kafka", "kafka", "kafka")
        if problem is not None:
            raise ValueError(problem)
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; give both or neither")
        if self.password is not None and self.mechanism == "PLAIN" and self.tls is None:
            raise ValueError("PLAIN sends the password as it is; add tls: {}, or write SCRAM-SHA-512")
        return self

    def client(self) -> dict[str, Any]:
        """Return what librdkafka calls it; raises `OSError` or `ValueError` where a key is of no use."""
        security = ("SASL_" if self.password else "") + ("SSL" if self.tls else "PLAINTEXT")
        made: dict[str, Any] = {
            "bootstrap.servers": ",".join(self.brokers),
            "client.id": "kyori",
            "security.protocol": security,
            "log.connection.close": False,
        }
        if self.password is not None:
            made["sasl.mechanism"] = self.mechanism
            made["sasl.username"] = self.username
            made["sasl.password"] = self.password.get_secret_value()
        if self.tls is not None:
            files = {"ca": self.tls.ca, "certificate": self.tls.cert, "key": closed(self.tls.key)}
            made |= {f"ssl.{name}.location": str(path) for name, path in files.items() if path is not None}
        return made


def check_topic(topic: str) -> str:
    """Return the name of a topic; raises `ValueError` where there can be none of that name."""
    if not _TOPIC.fullmatch(topic) or topic in (".", ".."):
        raise ValueError("not a topic; write letters, digits, '.', '_' and '-', at most 249")
    return topic


class KafkaSourceOptions(KafkaConnection):
    """Options of the source ``kafka``."""

    type: Literal["kafka"] = "kafka"
    topics: tuple[str, ...] = Field(min_length=1, description="names of topics")
    group: str = Field(
        default="kyori",
        min_length=1,
        max_length=249,
        description="under this name the cluster shows how far we have read; no other reader may have it",
    )
    start_at: Literal["saved_or_beginning", "saved_or_end"] = Field(
        default="saved_or_beginning", description="where to begin in a partition that is new to us"
    )
    payload: Literal["json", "csv", "influx", "number"] = Field(
        default="json",
        description="json: an object, or an array of them; influx: line protocol; number: as the field value",
    )
    columns: tuple[str, ...] = Field(default=(), description="names of a csv payload's cells")
    delimiter: str = Field(
        default=",", min_length=1, max_length=1, description="between a csv payload's cells"
    )
    precision: Precision = "ns"
    max_payload: Size = Field(default=2**20, le=2**26, description="a larger payload is rejected; as 1 MiB")

    @field_validator("topics")
    @classmethod
    def _usable_topics(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(topics)) < len(topics):
            raise ValueError("a topic is named twice; name each once")
        for topic in topics:
            try:
                check_topic(topic)
            except ValueError as error:
                raise ValueError(f"{topic!r} is {error}") from None
        return topics

    @model_validator(mode="after")
    def _names_cells(self) -> KafkaSourceOptions:
        if (self.payload == "csv") != bool(self.columns):
            raise ValueError("columns: give the names of the cells with payload: csv, and only with it")
        return self
