"""What a source and a sink must be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from detector.contracts.alert import Alert
from detector.contracts.batch import Batch


@runtime_checkable
class Source(Protocol):
    """Where records come from.

    A source is made with its options and a `Layout`, opened once, and read by one thread.
    """

    finite: bool
    """True when it ends by itself (a file), so that ``--once`` can end too."""

    def open(self, resume: bytes) -> None:
        """Start after `resume`, the position of the last committed batch; b"" for a first start.

        A peer that cannot be reached yet is no error: say so, and keep trying behind `read`.
        """

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return up to `max_rows` rows, or None when there were none within `timeout_s`.

        Nothing that was returned may be returned again before a restart. Raises `EndOfInput` when
        a finite source has given all it has, and `SourceError` when it cannot go on.
        """

    def ack(self, token: object) -> None:
        """Take note that the batch with this token is committed; an earlier connection's does nothing."""

    def close(self) -> None:
        """Let go of everything; safe to call twice, and after a failed `open`."""


@runtime_checkable
class Sink(Protocol):
    """Where alerts go. Called by one thread; what it raises leaves the alerts in the outbox.

    What only some need, and may leave out:

    - ``at_once``, an int: `write` is given so many alerts at most. 1, where each is delivered by itself, so
      that a failure or a crash cannot make those before it come twice.
    - ``wants(alert)``: whether it is to be told of this one; asked when all before it have been written.
      Without it the options ``grouped`` and ``quiet`` decide. It is not asked about a ``heartbeat``.
    - ``refused``, an int: how many alerts the receiver will never take, and `write` has passed over.
    - ``repeat()``, called when it was opened and then about every ``repeat_every_s`` seconds: tell again
      what is still so.
    - ``state_every``, seconds between two scores of a key (None: it does not want them), and
      ``tell(states: States) -> None``, for a sink that shows how it stands now, too. The pipeline's thread
      calls that after a commit, also before `open` and after `close`; it may neither wait nor raise. A newer
      state of a key takes the place of an older one, and nothing is told again: what the sink lost, the next
      state brings.
    """

    def open(self, resume: bytes) -> None:
        """Get ready; `resume` is what the last `write` that was noted down returned, or b""."""

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Deliver all, in order, and return where the sink stands; raise `SinkUnavailable` if not."""

    def close(self) -> None:
        """Let go of everything; safe to call twice, and after a failed `open`."""
