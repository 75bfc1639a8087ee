"""Where alerts are sent by HTTP, who we are there, and in which format."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from connectors.options import Duration
from connectors.sinks.choice import Choice
from connectors.tls import Tls, is_loopback

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_OURS = {"host", "content-length", "content-type", "transfer-encoding", "connection"}
_LABELS = {"alertname", "pipeline", "key", "kind", "severity", "feature"}
_ALERTS_PATH = "/api/v2/alerts"


class WebhookOptions(Choice):
    """One receiver."""

    type: Literal["webhook"] = "webhook"
    url: SecretStr = Field(
        description="http:// or https:// address that takes the alerts; never shown, as it may hold a secret"
    )
    format: Literal["json", "cloudevents", "alertmanager", "pagerduty", "slack", "ntfy"] = Field(
        default="json", description="what the receiver expects"
    )
    method: Literal["POST", "PUT"] = Field(default="POST", description="of the request")
    headers: dict[str, SecretStr] = Field(default={}, description="further headers of each request")
    token: SecretStr | None = Field(default=None, description="sent as `Authorization: Bearer`")
    username: str | None = Field(default=None, description="user, for basic authentication")
    password: SecretStr | None = Field(
        default=None, description="its password; write ${file:/path} or ${VAR}"
    )
    tls: Tls | None = Field(default=None, description="certificates for an https:// url")
    timeout: Duration = Field(
        default=10.0, ge=0.1, le=300, description="how long to wait for the receiver before trying again"
    )
    routing_key: SecretStr | None = Field(
        default=None, description="`pagerduty`: the integration's key, 32 characters"
    )
    topic: SecretStr | None = Field(default=None, description="`ntfy`: the topic to publish to")
    labels: dict[str, str] = Field(
        default={}, description="`alertmanager`: labels that every alert gets, as `{site: north}`"
    )
    resend: Duration = Field(
        default=60.0, ge=1, le=3600, description="`alertmanager`: an open alert is sent again after this"
    )

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("a url is plain ASCII without spaces; write other characters as %XX")
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("not a url; write https://host/path") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
            raise ValueError("not a url of HTTP; write https://host/path")
        if "@" in parts.netloc:
            raise ValueError("leave user and password out of the url; write them as username and password")
        return url

    @field_validator("headers")
    @classmethod
    def _usable_headers(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not _HEADER_NAME.fullmatch(name) or name.lower() in _OURS:
                raise ValueError(f"{name!r} is no header that can be set; leave it out")
            text = value.get_secret_value()
            if not text.isascii() or not text.isprintable():
                raise ValueError(f"the value of {name} must be printable ASCII on one line")
        return headers

    @field_validator("labels")
    @classmethod
    def _usable_labels(cls, labels: dict[str, str]) -> dict[str, str]:
        for name in labels:
            if not _LABEL_NAME.fullmatch(name) or name in _LABELS:
                raise ValueError(f"{name!r} is no label that can be set; write letters, digits and _")
        return labels

    @field_validator("token")
    @classmethod
    def _one_line(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not re.fullmatch(r"[!-~]+", value.get_secret_value()):
            raise ValueError("must be printable ASCII without spaces")
        return value

    @field_validator("routing_key")
    @classmethod
    def _whole(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not re.fullmatch(r"[0-9A-Za-z_-]{32}", key.get_secret_value()):
            raise ValueError(
                "a routing key has 32 letters and digits; copy it from the PagerDuty integration"
            )
        return key

    @field_validator("topic")
    @classmethod
    def _one_topic(cls, topic: SecretStr | None) -> SecretStr | None:
        if topic is not None and not re.fullmatch(r"[-_A-Za-z0-9]{1,64}", topic.get_secret_value()):
            raise ValueError("a topic of ntfy has 1 to 64 letters, digits, - and _")
        return topic

    @model_validator(mode="after")
    def _agrees(self) -> WebhookOptions:
        self._check_credentials()
        self._check_format()
        return self

    def _check_credentials(self) -> None:
        if self.tls is not None and not self.encrypted:
            raise ValueError("tls is given, but the url is not https://; write https://host/path")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together; give both or neither")
        if self.username is not None and self.token is not None:
            raise ValueError("a token and a password are given; give one of them")
        if "authorization" in map(str.lower, self.headers) and (self.token or self.password):
            raise ValueError(
                "headers has Authorization, and there is a token or a password; give one of them"
            )
        if self.username is not None and (":" in self.username or not self.username.isprintable()):
            raise ValueError("username must be printable, without a colon")
        secret = self.token or self.password or self.routing_key
        if secret and not self.encrypted and not is_loopback(self.parts.hostname or ""):
            raise ValueError("a secret would be sent in the clear; write an https:// url")

    def _check_format(self) -> None:
        for name, owner in (("routing_key", "pagerduty"), ("topic", "ntfy")):
            given = getattr(self, name) is not None
            if given != (self.format == owner):
                fault = "is not for this format" if given else "is missing"
                raise ValueError(f"{name} {fault}; {owner} needs it, and no other format takes it")
        if self.format != "alertmanager" and (self.labels or "resend" in self.model_fields_set):
            raise ValueError("labels and resend are for the format alertmanager; leave them out")
        if self.format == "alertmanager" and not self.parts.path.endswith(_ALERTS_PATH):
            raise ValueError(f"url must end with {_ALERTS_PATH} for an Alertmanager; add it")
        if self.format == "ntfy" and self.parts.path.strip("/"):
            raise ValueError("url must have no path for ntfy; write the topic as topic")
        if self.format in ("alertmanager", "pagerduty") and not {"open", "closed"} <= set(self.on):
            raise ValueError(
                f"on needs open and closed for {self.format}, which shows what is open; add them"
            )

    @property
    def parts(self) -> SplitResult:
        """The address, in parts."""
        return urlsplit(self.url.get_secret_value())

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.parts.scheme == "https"
