"""Options of made-up connectors, with one of everything that real ones have, and a config that is right."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from detector.config.load import load_text
from detector.config.models import Config
from detector.errors import ConfigError
from detector.written import Duration


class Base(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileOptions(Base):
    paths: tuple[str, ...] = Field(min_length=1, description="files to read, with wildcards")
    format: Literal["csv", "jsonl"] = Field(default="csv", description="form of the lines")


class Tls(Base):
    ca: Path | None = None


class MqttOptions(Base):
    type: Literal["mqtt"]
    url: str = Field(description="mqtt://host:port")
    topics: dict[str, int] = Field(min_length=1)
    client_id: str = ""
    password: SecretStr | None = None
    port: int = Field(default=1883, ge=1, le=65535)
    share: float = 1.0
    retain: bool = False
    keepalive: Duration = 60.0
    tls: Tls | None = None

    @field_validator("url")
    @classmethod
    def _url(cls, url: str) -> str:
        if not url.startswith("mqtt"):
            raise ValueError(f"{url} is not for me; write mqtt://host:port")
        return url

    @model_validator(mode="after")
    def _promises(self) -> MqttOptions:
        if 1 in self.topics.values() and not self.client_id:
            raise ValueError("QoS 1 needs a client_id; give it one of its own")
        return self


class SinkOptions(Base):
    path: str
    base: str = ""

    @field_validator("base")
    @classmethod
    def _base(cls, value: str, info: ValidationInfo) -> str:
        return str(info.context["base"]) if info.context else value


SOURCES: dict[str, type[BaseModel]] = {"file": FileOptions, "mqtt": MqttOptions}
SINKS: dict[str, type[BaseModel]] = {"file": SinkOptions}
DISTANCES = ("mahalanobis", "euclidean", "manhattan", "minkowski")

GOOD = """\
version: 1
name: plant-a
state_dir: ./state
pipelines:
  pumps:
    sources: [history]
    outputs: [alerts]
    key: "{site}/{pump}"
    record:
      time: {field: ts, max_skew: 30s}
      features:
        - {name: flow, unit: l/min, valid: [0, 500]}
        - temp
    detector:
      distance: minkowski:3
      memory: 2000 records
      threshold: {value: 0.1 %}
    alert: {open_after: 3 of 5, repeat_every: 4h}
sources:
  history: {type: file, paths: ["in/*.csv"]}
outputs:
  alerts: {type: file, path: out/alerts.jsonl}
log: {level: debug}
dead_letter: ./out/dead.jsonl
"""


def load(text: str, base: Path | None = None, **environ: str) -> Config:
    return load_text(text, "config.yaml", SOURCES, SINKS, DISTANCES, base=base, environ=environ)


def errors(text: str, base: Path | None = None, **environ: str) -> list[str]:
    """Return the lines of the error that `text` must raise."""
    try:
        config = load(text, base, **environ)
    except ConfigError as error:
        return str(error).splitlines()
    raise AssertionError(f"{config} was accepted")
