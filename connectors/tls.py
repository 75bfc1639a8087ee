"""TLS with the options of a connector; the peer's certificate is always checked."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

from pydantic import Field, model_validator

from connectors.keyfile import closed
from connectors.options import Options


class Tls(Options):
    """How the server proves who it is, and how we do. There is no way to skip the check."""

    ca: Path | None = Field(
        default=None,
        description="PEM file of the authority that signed the server's certificate; default: the system's",
    )
    cert: Path | None = Field(
        default=None, description="PEM file of our own certificate, if the server wants one"
    )
    key: Path | None = Field(
        default=None, description="PEM file of our certificate's key, not encrypted, and closed to others"
    )

    @model_validator(mode="after")
    def _pair(self) -> Tls:
        if (self.cert is None) != (self.key is None):
            raise ValueError("tls: cert and key belong together; give both or neither")
        return self


def context(tls: Tls | None) -> ssl.SSLContext:
    """Return what a client needs; raises `OSError` or `ValueError` where a file cannot be used."""
    made = ssl.create_default_context(cafile=None if tls is None else tls.ca)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    if tls is not None and tls.cert is not None and tls.key is not None:
        made.load_cert_chain(tls.cert, closed(tls.key), _no_password)
    return made


def _no_password() -> str:
    """Stand in for OpenSSL's question at the terminal, which would hold up the start for ever."""
    raise ValueError("the key is encrypted; store it decrypted, with mode 600")


def is_loopback(host: str) -> bool:
    """Return whether the name is one of this machine's own, which needs no TLS.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("10.0.0.1")
    (True, True, False)
    """
    return host in ("localhost", "::1") or re.fullmatch(r"127(\.\d{1,3}){3}", host) is not None
