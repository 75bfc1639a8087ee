"""Received and not yet acknowledged: what makes at-least-once delivery count each message once.

Words used here. An *epoch* is one connection; an acknowledgement is only valid in the epoch in which
its message came. A *session* is what the broker keeps for our client id, packet ids included, and
lives through many epochs. The *window* is how many QoS 1 messages may be unacknowledged. A message
is *settled* when the broker is known to have read its acknowledgement: it has answered something that was
sent after it.

A QoS 1 message is in one of these states when the connection breaks and comes back with the session
still there. The broker then sends everything again that it has no acknowledgement for, with the DUP flag:

- waiting in the queue, unread: dropped from the queue, its second copy is read instead;
- read, whether committed or not: its packet id and hash are in the ring, so the second copy is
  recognised, counted as skipped, and acknowledged with the batch it came in. It is committed by then,
  because batches are committed in order; if it never is, the process ends and the next bullet holds;
- read and lost with the process: the ring is part of the committed position, so it lists exactly the
  messages that are part of the committed state. All others are read anew.

When the session is gone (`up` with ``session_present=False``), no second copy will come: the queue is
kept, the ring is emptied (packet ids start anew and mean nothing now), and acknowledgements of the
old session do nothing, as its packet ids may already name new, unprocessed messages.

The ring is asked only for messages with DUP set: a first delivery under a packet id of the ring is a
new message. If such a first delivery is dropped unread, the ring forgets that packet id too, else its
second copy would be taken for the older message.

Brokers overrun the window: MQTT 3.1.1 has none in the protocol, and Mosquitto 2.0.11 sends several
times the Receive Maximum of MQTT 5 while acknowledgements are under way (measured: 7 times; its issue 2301).
Therefore no more messages than the window are taken unacknowledged, however many wait.

An acknowledgement that was sent may never be read. A broker drops what it has not read of a connection
when we are back before it gets there, and take our session over; or when the system resets the connection,
because we ended with messages unread in the socket. Mosquitto 2.0.11, which reads one packet of each client
in turn, drops hundreds so under load, and thousands if it was held up. So the ring holds what was taken
and is not settled, however much that is; in any case two windows, and at least `RING_LEAST` messages. The
broker is asked for an answer whenever a quarter of these was acknowledged. Of an earlier connection the
ring holds all until a message comes that was never sent before: a broker sends in order, so that all
that it had to send again has come by then.

If even `CAPACITY` is exceeded, messages are shed: what does not fit is not kept, nor anything after it,
and once all that was kept is acknowledged, a new connection makes the broker send the rest again. Nothing
blocks, memory stays bounded, and nothing is lost.

What is left: a broker that gives a packet id out again soon, and for a message with the very same topic
and payload, while we are killed before we read that message, makes us take it for the older one.
"""

from __future__ import annotations

import base64
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import orjson

from connectors.mqtt.ring import Ring

CAPACITY = 20_000
CAPACITY_BYTES = 32 * 2**20
"""What may wait to be read, or be read and unacknowledged. QoS 0 messages beyond it are dropped and
counted as ``qos0_dropped``, QoS 1 messages are shed."""

RING_WINDOWS = 2
RING_LEAST = 1000
"""The ring has room for two windows: one on its way to us, one whose acknowledgements are on their way to
the broker. A small window is given more, so that the broker is not asked all the time."""


@dataclass(slots=True)
class Message:
    """One message as it waits to be read.

    `topic` is None where it was not UTF-8; `payload` may be cut, `size` is what it was; `ignored`:
    only to be acknowledged. `repeated` is set by `Inbox.take`.
    """

    mid: int
    qos: int
    dup: bool
    topic: str | None
    payload: bytes
    size: int
    digest: bytes
    ignored: bool = False
    epoch: int = 0
    session: int = 0
    repeated: bool = False


@dataclass(slots=True)
class Token:
    """What acknowledges one batch, once: packet ids, and the epoch they are valid in."""

    epoch: int
    mids: tuple[int, ...]


def digest(topic: bytes, payload: bytes) -> bytes:
    """Return 6 bytes that tell two messages with the same packet id apart."""
    return blake2b(topic + b"\0" + payload, digest_size=6).digest()


class Inbox:
    """The queue between paho's thread, which calls `up`, `down` and `put`, and the reader's.

    Parameters
    ----------
    window : int
        How many QoS 1 messages the broker was asked to leave unacknowledged at most.

    Attributes
    ----------
    counts : Counter
        ``stale_acks, shed, qos0_dropped``.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        self.counts: Counter[str] = Counter()
        self.ready = threading.Condition()
        self._queue: deque[Message] = deque()
        self._bytes = 0
        self._ring = Ring()
        self._ring_size = max(RING_WINDOWS * window, RING_LEAST)
        self._asked: deque[tuple[int, int]] = deque()
        self._epoch = self._session = self._unacked = self._taken = 0
        self._unsettled = self._unasked = self._earlier = 0
        self._live = self._shedding = self._changed = False

    # --- paho's thread

    def up(self, *, session_present: bool) -> None:
        """Begin an epoch."""
        with self.ready:
            self._epoch += 1
            self._unacked = self._taken = self._unsettled = self._unasked = 0
            self._asked.clear()
            self._live, self._shedding = True, False
            if session_present:
                self._drop_unread()
                self._earlier = len(self._ring)
                return
            self._session += 1
            self._changed = self._changed or len(self._ring) > 0
            self._ring = Ring()
            self._earlier = 0
            self.ready.notify_all()

    def down(self) -> None:
        """End the epoch: from here on acknowledgements of it are stale."""
        with self.ready:
            self._live = False

    def put(self, message: Message) -> None:
        """Take a message in, or leave it to the broker; never block."""
        with self.ready:
            if not self._fits(message):
                return
            message.epoch, message.session = self._epoch, self._session
            self._queue.append(message)
            self._bytes += len(message.payload)
            self.ready.notify()

    def settle(self, asked: int) -> None:
        """Note the broker's answer: whatever was acknowledged before that was asked will not come again."""
        with self.ready:
            if self._asked and self._asked[0][0] == asked:
                self._unsettled -= self._asked.popleft()[1]

    def wake(self) -> None:
        """Make `wait` look again at what it was asked to watch."""
        with self.ready:
            self.ready.notify_all()

    def _fits(self, message: Message) -> bool:
        full = len(self._queue) >= CAPACITY or self._bytes + len(message.payload) > CAPACITY_BYTES
        if message.qos == 0:
            self.counts["qos0_dropped"] += full
            return not full
        if full or self._shedding or self._unacked >= CAPACITY:
            self._shedding = True
            self.counts["shed"] += 1
            return False
        self._unacked += 1
        return True

    def _drop_unread(self) -> None:
        kept: deque[Message] = deque()
        for message in self._queue:
            if message.qos == 0 or message.session != self._session:
                kept.append(message)
                continue
            self._bytes -= len(message.payload)
            if not message.dup:
                self._ring.forget(message.mid)
        self._queue = kept

    # --- the reader's thread

    def wait(self, timeout_s: float, otherwise: Callable[[], bool]) -> bool:
        """Wait until there is something to read, or `otherwise` is true; tell whether there is.

        It does not wait while only an acknowledgement can bring more: so the reader commits at once.
        """
        with self.ready:
            self.ready.wait_for(
                lambda: self._readable() or self._changed or self._spent() or otherwise(), timeout_s
            )
            return self._readable() or self._changed

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be read, nor at the broker for an acknowledgement of ours."""
        return not self._queue and not self._spent()

    def _readable(self) -> bool:
        return bool(self._queue) and (self._queue[0].qos == 0 or self._taken < self.window)

    def _spent(self) -> bool:
        return self._live and self._taken >= self.window

    def take(self, epoch: int | None = None) -> Message | None:
        """Return the next message of that epoch (None: of any), noted in the ring.

        `Message.repeated` tells that it is a redelivery of one that was taken before.
        """
        with self.ready:
            if not self._readable() or epoch not in (None, self._queue[0].epoch):
                return None
            message = self._queue.popleft()
            if message.qos and message.epoch == self._epoch:
                self._taken += 1
            self._bytes -= len(message.payload)
            if message.qos and message.session == self._session:
                message.repeated = message.dup and self._ring.has(message.mid, message.digest)
                self._ring.add(message.mid, message.digest)
                self._trim(message)
            return message

    def _trim(self, newest: Message) -> None:
        if not newest.dup:
            self._earlier = 0
        may_come_again = self._earlier + self._taken + self._unsettled
        self._ring.keep(max(self._ring_size, may_come_again))

    def ack(
        self, token: Token, send: Callable[[Sequence[int]], object], ask: Callable[[], int | None]
    ) -> None:
        """Call `send` with the packet ids, if the token is of the living epoch, and now and then `ask`.

        `ask` asks the broker for an answer, and returns what `settle` will be called with. Both run under
        the lock that `down` needs: else the connection could be replaced between the look at the epoch
        and the sending, and the packet id would acknowledge another message.
        """
        with self.ready:
            mids, token.mids = token.mids, ()
            if not self._live or token.epoch != self._epoch:
                self.counts["stale_acks"] += len(mids)
                return
            self._unacked -= len(mids)
            self._taken -= len(mids)
            send(mids)
            self._unsettled += len(mids)
            self._unasked += len(mids)
            if self._unasked >= self._ring_size // 4 and (asked := ask()) is not None:
                self._asked.append((asked, self._unasked))
                self._unasked = 0

    def starved(self) -> bool:
        """Tell whether messages were shed and all that was kept is done: time for a new connection."""
        with self.ready:
            return self._live and self._shedding and not self._queue and self._unacked == 0

    # --- the position

    def position(self, **about: object) -> bytes:
        """Return what `restore` takes: the ring, and whatever else the source wants to know again."""
        with self.ready:
            self._changed = False
            ring = self._ring.packed()
        return orjson.dumps({"v": 1, **about, "ring": base64.b64encode(ring).decode()})

    def restore(self, ring: str) -> None:
        """Fill the ring from a position."""
        self._ring = Ring(base64.b64decode(ring, validate=True))
