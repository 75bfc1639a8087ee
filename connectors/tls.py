"""TLS with the options of a connector; the peer's certificate is always checked."""

from __future__ import annotations

import re
import ssl

from connectors.keyfile import closed
from connectors.mqtt.options import Tls


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
