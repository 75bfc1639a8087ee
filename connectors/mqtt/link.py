"""One connection to a broker, kept up by paho's own thread.

Nothing of paho leaves this package: the source and the sink see `Link`. The thread connects, and after a
failure connects again, with a pause drawn between 0 and 1, 2, 4 ... 30 seconds (full jitter, so that a
hundred clients of a broker that comes back do not all knock at once).

What waiting cannot mend is put in `failure`, which the owner turns into an error of its own:
the network thread ended; another client keeps taking our client id; the first connection failed
although `must_start` asked for it at once.
"""

from __future__ import annotations

import random
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import cast

import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from connectors.mqtt.client import LinkError, WatchedClient, connect_options, make_client
from connectors.mqtt.options import Connection
from connectors.mqtt.outgoing import Outgoing
from connectors.mqtt.status import Status
from connectors.mqtt.takeovers import TAKEN_OVER, Takeovers

log = structlog.get_logger()

_NEVER_SUBSCRIBED = "kyori/never/subscribed"
BACKOFF_S = (1.0, 30.0)
SHORT_LIFE_S = 10.0
"""A connection that broke sooner did not heal anything: the pauses go on growing."""


class Link:
    """A connection to the broker of `options`.

    Parameters
    ----------
    name : str
        Who logs.
    options : Connection
        Where and as whom.
    on_change : callable
        Called without arguments, from paho's thread, whenever `connected` or `failure` changed.
    session_s, window : int
        How long the broker keeps our session; how many unacknowledged messages it may send.
        ``session_s=0``: begin without a session and leave none.
    max_packet : int or None
        The largest packet that the broker may send; only MQTT 5 can tell it.
    must_start : bool
        A first connection that fails is a `failure`.
    status : Status, optional
        Tells others whether we are there.

    Attributes
    ----------
    on_up : callable
        Called with ``session_present`` when connected.
    on_down : callable
        Called when no longer connected, always before the next connection is tried.
    on_message, on_published : callable
        Called with paho's message; with packet id and error text ("" when the broker took it).
    on_subscribed : callable
        Called with the broker's answer to each filter of `subscribe`, in their order.
    on_answer : callable
        Called with the packet id of each `ask` that the broker has answered.
    """

    def __init__(
        self,
        name: str,
        options: Connection,
        on_change: Callable[[], None] = lambda: None,
        *,
        session_s: int = 0,
        window: int | None = None,
        max_packet: int | None = None,
        must_start: bool = False,
        status: Status | None = None,
    ) -> None:
        self.options = options
        self.failure: str | None = None
        self.problem = "not tried yet"
        self.on_up: Callable[[bool], None] = lambda _session_present: None
        self.on_down: Callable[[], None] = lambda: None
        self.on_message: Callable[[MQTTMessage], None] = lambda _message: None
        self.on_published: Callable[[int, str], None] = lambda _mid, _error: None
        self.on_subscribed: Callable[[list[ReasonCode]], None] = lambda _codes: None
        self.on_answer: Callable[[int], None] = lambda _mid: None
        self._v5 = options.protocol == 5
        self._log = log.bind(connector=name, url=options.url, user=options.username)
        self._on_change = on_change
        self._must_start, self._status = must_start, status
        self._session_s, self._window, self._max_packet = session_s, window, max_packet
        self._client: WatchedClient | None = None
        self._up = threading.Event()
        self._ever = self._stopping = self._answered = self._renewing = False
        self._attempts, self._since = 0, 0.0
        self._shown, self._showing = set[int](), threading.Lock()  # packet ids of `show`
        self._takeovers = Takeovers(options.client_id, self._log)

    # --- life

    def start(self) -> None:
        """Begin to connect, and go on until `stop`."""
        self._client = client = self._make_client()
        asked = connect_options(self.options, self._session_s, self._window, self._max_packet)
        client.connect_async(*self.options.address, **asked)
        client.loop_start()

    def stop(self) -> None:
        """Disconnect and end the thread; the broker keeps the session."""
        self._stopping = True
        if self._client is not None:
            if self._status is not None and self.connected:
                self._status.go(self._client)
            self._client.disconnect()
            self._client.loop_stop()
            self._client = None
        self._up.clear()

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us and the connection stands."""
        return self._up.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Wait until connected."""
        return self._up.wait(timeout_s)

    def probe(self, timeout_s: float) -> str | None:
        """Connect once, and return what is wrong, or None."""
        self._must_start = True
        outcome = threading.Event()
        self._on_change = outcome.set
        try:
            self.start()
            outcome.wait(timeout_s)
            return None if self.connected else self.failure or f"no answer from {self.options.url}"
        except LinkError as error:
            return str(error)
        finally:
            self.stop()

    # --- use; each does nothing when there is no connection

    def ack(self, mids: Sequence[int]) -> None:
        """Acknowledge QoS 1 messages."""
        if self._client is not None:
            self._client.ack_all(mids)

    def subscribe(self, filters: dict[str, int], *, retained: bool) -> None:
        """Subscribe to all filters at once; `retained`: the broker may send retained messages first."""
        if self._client is None:
            return
        if not self._v5:
            self._client.subscribe(list(filters.items()))
            return
        # With a session that already has the subscription, retained messages would come again each time.
        known, never = SubscribeOptions.RETAIN_SEND_IF_NEW_SUB, SubscribeOptions.RETAIN_DO_NOT_SEND
        handling = known if retained else never
        wanted = [(text, SubscribeOptions(qos, retainHandling=handling)) for text, qos in filters.items()]
        self._client.subscribe(wanted)

    def unsubscribe(self, filters: list[str]) -> None:
        """Take subscriptions back that an earlier run left in the session."""
        if self._client is not None and filters:
            self._client.unsubscribe(filters)

    def ask(self) -> int | None:
        """Ask the broker for an answer, which shows that it has read all that was sent before.

        Returns its packet id, or None. MQTT lets a client ask with no other effect only by taking back a
        subscription that it does not have.
        """
        return self._client.unsubscribe(_NEVER_SUBSCRIBED)[1] if self._client is not None else None

    def publish(self, message: Outgoing) -> int | None:
        """Hand over a QoS 1 message; None when too many wait already, else its packet id.

        Without a connection it is kept and sent later; `on_published` tells when the broker has it.
        """
        if self._client is None:
            return None
        said = message.properties if self._v5 else None
        info = self._client.publish(message.topic, message.payload, qos=1, properties=said)
        return None if info.rc == MQTTErrorCode.MQTT_ERR_QUEUE_SIZE else info.mid

    def send(self, topic: str, payload: bytes) -> None:
        """Hand over a message for which nobody waits, of QoS 0."""
        if self._client is not None and self.connected:
            self._client.publish(topic, payload)

    def show(self, message: Outgoing, timeout_s: float) -> None:
        """Publish a retained message of QoS 0, and wait until it is on its way.

        Nothing is kept of it: without a connection, or when that breaks, it is lost.
        """
        client = self._client
        if client is None:
            return
        said = message.properties if self._v5 else None
        with self._showing:  # else the thread may tell that it is sent before we know its packet id
            info = client.publish(message.topic, message.payload, qos=0, retain=True, properties=said)
            if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
                return
            self._shown.add(info.mid)
        info.wait_for_publish(timeout_s)

    def reconnect(self) -> None:
        """Break the connection, so that paho's thread makes a new one, without a growing pause."""
        self._renewing = True
        if self._client is not None:
            self._client.break_off()

    def _make_client(self) -> WatchedClient:
        client = make_client(self.options, clean=self._session_s == 0)
        if self._status is not None:
            self._status.promise(client)
        client.on_end = self._ended
        client.on_pre_connect = self._trying
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_message = lambda _client, _data, message: self.on_message(message)
        client.on_subscribe = lambda _client, _data, _mid, codes, _properties: self.on_subscribed(codes)
        client.on_unsubscribe = lambda _client, _data, mid, _codes, _properties: self.on_answer(mid)
        client.on_publish = lambda _client, _data, mid, code, _properties: self._taken(
            mid, str(code) if code.is_failure else ""
        )
        return client

    # --- callbacks, in paho's thread: short, and none of them waits

    def _trying(self, client: Client, _data: object) -> None:
        self._answered = False
        with self._showing:
            self._shown.clear()  # what was not sent on the connection before never will be
        if isinstance(client, WatchedClient):
            client.last_error()  # of the connection before

    def _connected(
        self, client: Client, _data: object, flags: ConnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        self._answered = True
        if code.is_failure:
            self._trouble("mqtt_refused", f"the broker refused user {self.options.username!r}: {code}")
            return
        self._ever, self._since = True, time.monotonic()
        self.problem = ""
        if self._status is not None:
            self._status.come(client)
        self.on_up(flags.session_present)
        self._up.set()
        self._log.info("mqtt_connected", session_present=flags.session_present)
        self._on_change()

    def _taken(self, mid: int, error: str) -> None:
        with self._showing:
            shown = mid in self._shown
            self._shown.discard(mid)
        if not shown and (self._status is None or not self._status.is_ours(mid)):
            self.on_published(mid, error)

    def _unreachable(self, _client: Client, _data: object) -> None:
        # paho calls this while it handles the error, and does not pass it on.
        self._trouble("mqtt_unreachable", str(sys.exc_info()[1]))
        self._pause()

    def _disconnected(
        self, client: Client, _data: object, flags: DisconnectFlags, code: ReasonCode, _properties: object
    ) -> None:
        was_up = self._up.is_set()
        self._up.clear()
        self.on_down()
        lived = time.monotonic() - self._since
        if self._renewing:
            self._renewing, self._attempts = False, 0
            self._log.info("mqtt_reconnecting")
        elif was_up and not self._stopping:
            told = flags.is_disconnect_packet_from_server
            error = client.last_error() if isinstance(client, WatchedClient) else ""
            closed = not told and not error and code.getName() == "Unspecified error"  # paho's word for it
            reason = "closed by the broker" if closed else error or str(code)
            self.problem = f"connection lost: {reason}"
            self._log.warning("mqtt_disconnected", reason=reason, lived_s=round(lived, 1))
            over, soon = told and code.value == TAKEN_OVER, closed and lived < BACKOFF_S[1]
            if fight := self._takeovers.note(told=over, suspected=soon):
                self.failure = f"{self.options.url}: {fight}"
        elif not self._stopping and not self._answered:
            self._trouble(
                "mqtt_no_answer", f"the broker said nothing; does it speak MQTT {self.options.protocol}?"
            )
        if was_up and lived >= SHORT_LIFE_S:
            self._attempts = 0
        self._pause()
        self._on_change()

    def _ended(self, reason: str) -> None:
        if not self._stopping and self.failure is None:
            self.failure = f"the network thread of {self.options.url} stopped: {reason}"
        self._up.clear()
        self._on_change()

    def _trouble(self, event: str, what: str) -> None:
        self.problem = what
        self._log.error(event, reason=what)
        if self._must_start and not self._ever:
            self.failure = f"{self.options.url} (user {self.options.username!r}): {what}"
        self._on_change()

    def _pause(self) -> None:
        first, longest = BACKOFF_S
        pause = random.uniform(0, min(longest, first * 2.0**self._attempts))  # noqa: S311
        self._attempts = min(self._attempts + 1, 10)
        if self._client is not None:
            # Setting the least pause anew is what makes paho's next wait exactly this long.
            self._client.reconnect_delay_set(cast("int", pause), cast("int", longest))
