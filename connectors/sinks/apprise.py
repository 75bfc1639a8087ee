"""Alerts to whatever apprise can reach: one address an output, one notification an alert.

apprise tells only whether it has worked; the reason is in what it logs, which is caught here and told without
the parts of the address, most of which are secrets.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from connectors.sinks.choice import Choice
from connectors.sinks.text import details, printable, shorten, title
from detector.contracts import Alert
from detector.errors import SinkUnavailable

MISSING = "apprise is not installed; add it with: pip install 'kyori[apprise]'"


class AppriseOptions(Choice):
    """One address."""

    type: Literal["apprise"] = "apprise"
    url: SecretStr = Field(description="address as apprise writes it; write ${file:/path} or ${VAR}")

    @field_validator("url")
    @classmethod
    def _usable_url(cls, url: SecretStr) -> SecretStr:
        with _said():
            if _notifier(url) is None:
                raise ValueError("apprise does not know such an address; see what it writes for the service")
        return url


class AppriseSink:
    """See the module's description; `detector.contracts.Sink` tells what the methods promise."""

    Options = AppriseOptions
    at_once = 1

    def __init__(self, name: str, options: AppriseOptions) -> None:
        self.name = name
        self.options = options
        self._notifier: Any = None

    def wants(self, alert: Alert) -> bool:
        """Return whether to tell of it."""
        return self.options.wants(alert)

    def open(self, resume: bytes) -> None:
        """Make the notifier; it connects when it has something to tell."""
        with _said():
            self._notifier = _notifier(self.options.url)

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Send one notification for each."""
        for alert in alerts:
            self._notify(alert)
        return b""

    def close(self) -> None:
        """Let go of the notifier."""
        self._notifier = None

    def _notify(self, alert: Alert) -> None:
        if self._notifier is None:
            raise SinkUnavailable(f"sink {self.name}: it is not open")
        kind = (
            "success"
            if alert.status == "closed"
            else "failure"
            if alert.severity == "critical"
            else "warning"
        )
        with _said() as said:
            try:
                done = self._notifier.notify(
                    body=details(alert), title=title(alert), notify_type=kind, body_format="text"
                )
            except Exception as error:  # whatever a plugin of apprise lets through
                said.append(f"{type(error).__name__}: {error}")
                done = False
        if not done:
            reason = hide("; ".join(said), self.options.url.get_secret_value())
            raise SinkUnavailable(
                f"sink {self.name}: apprise could not deliver: {reason or 'no reason given'}"
            )


def _notifier(url: SecretStr) -> Any:
    """Return what sends to an address, or None if there is no such; apprise is imported only here."""
    try:
        import apprise  # noqa: PLC0415
    except ModuleNotFoundError:
        raise ValueError(MISSING) from None
    # The service itself: `Apprise.notify` would call it in another thread, where what it says is not caught.
    return apprise.Apprise.instantiate(url.get_secret_value())


class _Kept(logging.Handler):
    """Keeps what apprise says in this thread; other outputs use it in theirs."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []
        self._thread = threading.get_ident()

    def emit(self, record: logging.LogRecord) -> None:
        if record.thread == self._thread:
            self.said.append(record.getMessage())


@contextmanager
def _said() -> Iterator[list[str]]:
    """Catch what apprise logs, which may hold secrets, and let nobody else hear it."""
    logger, kept = logging.getLogger("apprise"), _Kept()
    logger.propagate = False
    logger.addHandler(kept)
    try:
        yield kept.said
    finally:
        logger.removeHandler(kept)


def hide(text: str, url: str) -> str:
    """Mask in a text every part of an address.

    >>> hide("no route to hooks/T0KEN", "json://me:secret@host/T0KEN")
    'no route to hooks/***'
    """
    for part in sorted(re.split(r"[^0-9A-Za-z_.-]+", url), key=len, reverse=True):
        if len(part) > 3:
            text = text.replace(part, "***")
    return shorten(printable(text), 200)
