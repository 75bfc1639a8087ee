"""What the daemon serves by HTTP: where it listens, who may read, and who may change anything."""

from __future__ import annotations

import ipaddress
import re
import stat
from pathlib import Path

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator

from detector.settings.base import Settings

PORT = 8480
SHORTEST_TOKEN = 16
_LISTEN = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):(?P<port>\d{1,5})")
_HOST = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")


class ServerTls(Settings):
    """The certificate, for https."""

    cert: Path = Field(description="PEM file of our certificate, and those that it hangs on")
    key: Path = Field(description="PEM file of its key, not encrypted, and closed to others")

    @field_validator("cert", "key")
    @classmethod
    def _absolute(cls, path: Path, info: ValidationInfo) -> Path:
        return Path((info.context or {}).get("base", ".")) / path

    @model_validator(mode="after")
    def _usable(self) -> ServerTls:
        try:
            if self.key.stat().st_mode & stat.S_IRWXO:
                raise ValueError(f"others may use the key {self.key}; chmod 600 {self.key}")
            _try_certificate(self.cert, self.key)
        except OSError as error:  # ssl's own are of this kind
            raise ValueError(
                f"the certificate cannot be used: {error}; give PEM files that belong together, the key "
                "not encrypted"
            ) from None
        return self


class Server(Settings):
    """The page, the API, metrics and health, by HTTP."""

    model_config = ConfigDict(hide_input_in_errors=True)

    listen: str = Field(
        default=f"127.0.0.1:{PORT}",
        description="HOST:PORT or [::1]:PORT to listen on; 0.0.0.0 for all addresses, with a token; "
        "port 0: any that is free",
    )
    token: SecretStr | None = Field(
        default=None,
        description="what clients must prove to know, also to read; write ${VAR} or ${file:/path}. "
        "Default: reading is free on this machine, for changes a new one is made at each start",
    )
    hosts: tuple[str, ...] = Field(
        default=(),
        description="further names by which it is asked for, as that of a reverse proxy; others are refused",
    )
    page: bool = Field(default=True, description="the page for people, at /")
    metrics: bool = Field(default=True, description="figures for Prometheus, at /metrics")
    tls: ServerTls | None = Field(default=None, description="certificate, for https")

    @field_validator("listen")
    @classmethod
    def _an_address(cls, listen: str) -> str:
        found = _LISTEN.fullmatch(listen.strip())
        if found is None or int(found["port"]) > 65535:
            raise ValueError(f"not an address; write HOST:PORT, as 127.0.0.1:{PORT} or [::1]:{PORT}")
        return listen.strip()

    @field_validator("token")
    @classmethod
    def _long_enough(cls, token: SecretStr | None) -> SecretStr | None:
        secret = token.get_secret_value() if token is not None else None
        if secret is not None and len(secret) < SHORTEST_TOKEN:
            raise ValueError(
                f"the token is shorter than {SHORTEST_TOKEN} characters; make one with: openssl rand -hex 32"
            )
        if secret is not None and not (secret.isascii() and secret.isprintable() and " " not in secret):
            raise ValueError(
                "the token has characters that no header can carry; make one with: openssl rand -hex 32"
            )
        return token

    @field_validator("hosts")
    @classmethod
    def _names(cls, hosts: tuple[str, ...]) -> tuple[str, ...]:
        for host in hosts:
            if not _HOST.fullmatch(host):
                raise ValueError(f"{host!r} is no name of a host; write it without scheme, port and path")
        return tuple(host.lower() for host in hosts)

    @model_validator(mode="after")
    def _closed_to_strangers(self) -> Server:
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"whoever reaches {self.host} could read and change everything; "
                f"give a token, or listen on 127.0.0.1:{self.port}"
            )
        return self

    @property
    def host(self) -> str:
        """The name or address to listen on, without brackets."""
        found = _LISTEN.fullmatch(self.listen)
        assert found is not None  # noqa: S101 - the model has checked it
        return found["six"] or found["host"]

    @property
    def port(self) -> int:
        """The port to listen on."""
        return int(self.listen.rpartition(":")[2])


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach it.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _try_certificate(cert: Path, key: Path) -> None:
    import ssl  # noqa: PLC0415 - only where there is one

    def no_password() -> str:
        """Stand in for OpenSSL's question at the terminal, which would hold up the start for ever."""
        raise OSError("the key is encrypted")

    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(cert, key, no_password)
