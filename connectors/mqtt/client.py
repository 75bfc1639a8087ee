"""Makes paho's client: version, session, user, TLS."""

from __future__ import annotations

import contextlib
import logging
import math
import socket
import ssl
import time
from collections.abc import Callable
from typing import Any

import structlog
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from connectors import tls
from connectors.mqtt.buffered import Buffered, BufferedClient
from connectors.mqtt.options import Connection
from detector.errors import KyoriError

log = structlog.get_logger()

MAX_OUTGOING = 1000
"""Messages that may wait for the broker's acknowledgement; further ones are refused."""


ACCEPTED_WITHIN_S = 5.0
"""A broker that has not accepted us by then is let go, as one that cannot be reached."""

TICK_S = 0.25
"""How often paho's thread looks at the time."""


class LinkError(KyoriError):
    """A file of the TLS settings cannot be used."""


class _LastError(logging.Handler):
    text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class WatchedClient(BufferedClient):
    """paho's client, whose thread cannot end unnoticed: `on_end` is told why."""

    on_end: Callable[[str], None]
    _asked = math.inf

    def keep_errors(self) -> None:
        """Keep the text of the last error of the socket, which paho's callbacks do not tell."""
        self._kept = _LastError(logging.ERROR)
        logger = logging.Logger("paho", logging.ERROR)  # nobody else shall hear it
        logger.addHandler(self._kept)
        self.enable_logger(logger)

    def last_error(self) -> str:
        """Return that text and forget it; "" where there was none."""
        text, self._kept.text = self._kept.text, ""
        return text

    def break_off(self) -> None:
        """Break the connection, so that the thread makes a new one."""
        sock = self.socket()
        if isinstance(sock, Buffered | socket.socket):
            with contextlib.suppress(OSError):  # it is broken already
                sock.shutdown(socket.SHUT_RDWR)

    def reconnect(self) -> MQTTErrorCode:
        """Connect, and note when the broker was asked to accept us."""
        result = super().reconnect()
        self._asked = time.monotonic()
        return result

    def loop_read(self, max_packets: int = 1) -> MQTTErrorCode:
        """Read; whatever comes shows that the broker is there.

        While we send acknowledgements, paho would insist on the answer to its ping, which may wait behind
        thousands of messages.
        """
        self._ping_t = 0.0
        return super().loop_read(max_packets)

    def loop_misc(self) -> MQTTErrorCode:
        """Look at the time; paho would wait a whole keepalive for a broker that never accepts us."""
        if self.is_connected():
            self._asked = math.inf
        elif time.monotonic() - self._asked > ACCEPTED_WITHIN_S:
            self.break_off()
        return super().loop_misc()

    def loop_forever(self, timeout: float = TICK_S, retry_first_connection: bool = False) -> MQTTErrorCode:
        """Run in paho's thread until it ends, for whatever reason."""
        reason = "it ended by itself"
        try:
            return super().loop_forever(timeout, retry_first_connection)
        except Exception as error:  # what paho lets through, as a malformed packet may make it do
            log.exception("mqtt_thread_died")
            reason = f"{type(error).__name__}: {error}"
            return MQTTErrorCode.MQTT_ERR_UNKNOWN
        finally:
            self.on_end(reason)


def make_client(options: Connection, *, clean: bool) -> WatchedClient:
    """Return a client that is not connected yet; `clean`: MQTT 3.1.1 begins and leaves no session."""
    v5 = options.protocol == 5
    client = WatchedClient(
        CallbackAPIVersion.VERSION2,
        client_id=options.client_id,
        clean_session=None if v5 else clean,
        protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
        manual_ack=True,
    )
    client.keep_errors()
    if options.username is not None:
        password = options.password.get_secret_value() if options.password else None
        client.username_pw_set(options.username, password)
        if not options.encrypted:
            log.warning("mqtt_password_in_clear", url=options.url, remedy="use an mqtts:// url")
    if options.encrypted:
        client.tls_set_context(_tls(options))
    client.max_queued_messages_set(MAX_OUTGOING)
    return client


def ask_after(keepalive: float) -> int:
    """Return after how many silent seconds paho has to ask the broker whether it is there.

    It gives up when the answer takes as long again; both together stay within 1.5 times the keepalive.
    """
    return max(1, int(0.75 * keepalive - TICK_S))


def connect_options(
    options: Connection, session_s: int, window: int | None, max_packet: int | None
) -> dict[str, Any]:
    """Return what paho is to ask for when it connects; see `connectors.mqtt.link.Link`."""
    asked: dict[str, Any] = {"keepalive": ask_after(options.keepalive)}
    if options.protocol == 5:
        # Said outright: paho's default begins each run of ours with a new session, and loses the old one.
        asked["clean_start"] = session_s == 0
        asked["properties"] = make_properties(
            PacketTypes.CONNECT,
            SessionExpiryInterval=session_s,
            ReceiveMaximum=window,
            MaximumPacketSize=max_packet,
        )
    return asked


def make_properties(packet: int, **values: object) -> Properties:
    """Return MQTT 5 properties of a kind of packet; a value that is None is left out."""
    properties = Properties(packet)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        if value is not None:
            setattr(properties, name, value)
    return properties


def _tls(options: Connection) -> ssl.SSLContext:
    try:
        return tls.context(options.tls)
    except (OSError, ValueError) as error:
        raise LinkError(f"the tls files of {options.url} cannot be used: {error}") from error
