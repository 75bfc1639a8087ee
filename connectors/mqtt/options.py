"""Where the broker is and who we are to it: the options that the MQTT source and sink share."""

from __future__ import annotations

from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, SecretStr, field_validator, model_validator

from connectors.options import Duration, Options
from connectors.tls import Tls

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Connection(Options):
    """One connection to a broker."""

    # What was written may hold a password in the wrong place: no error message may repeat it.
    model_config = ConfigDict(hide_input_in_errors=True)

    url: str = Field(description="mqtt://host:port, or mqtts://host:port for TLS")
    protocol: Literal[5, "3.1.1"] = Field(default=5, description="version of MQTT: 5 or 3.1.1")
    client_id: str = Field(
        default="", max_length=65535, description="our name at the broker; no two clients may share one"
    )
    username: str | None = Field(default=None, description="user at the broker")
    password: SecretStr | None = Field(
        default=None, description="its password; write ${file:/path} or ${VAR}"
    )
    tls: Tls | None = Field(default=None, description="certificates for an mqtts:// url")
    keepalive: Duration = Field(
        default=60.0, ge=2, le=65535, description="a silent connection is given up after 1.5 times this"
    )

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: str) -> str:
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise ValueError("not a url; write mqtt://host:port or mqtts://host:port") from None
        if "@" in parts.netloc:
            raise ValueError("leave user and password out of the url; write them as username and password")
        if parts.scheme not in _PORTS or not parts.hostname or port == 0:
            raise ValueError("write mqtt://host:port, or mqtts://host:port for TLS")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("nothing may follow the port; topics have their own setting")
        return url

    @field_validator("protocol", mode="before")
    @classmethod
    def _as_text_or_number(cls, value: object) -> object:
        return {"5": 5, "5.0": 5, 5.0: 5}.get(value, value) if isinstance(value, str | float) else value

    @field_validator("client_id")
    @classmethod
    def _plain(cls, client_id: str) -> str:
        if not client_id.isprintable():
            raise ValueError("client_id must not have control characters")
        return client_id

    @model_validator(mode="after")
    def _agrees(self) -> Connection:
        if self.tls is not None and not self.encrypted:
            raise ValueError("tls is given, but the url is not mqtts://; write mqtts://host:port")
        if self.password is not None and not self.username:
            raise ValueError("password needs a username")
        return self

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return self.url.startswith("mqtts:")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.url)
        return parts.hostname or "", parts.port or _PORTS[parts.scheme]
