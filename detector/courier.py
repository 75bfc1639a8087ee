"""One thread a sink: takes alerts out of the outbox, delivers them, and notes that it did.

A sink that is slow or away holds up nobody else; its alerts wait on disk.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Sequence

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set
from tenacity.wait import wait_random_exponential

from detector.contracts import Alert, Sink
from detector.errors import SinkUnavailable, StateError
from detector.failpoints import failpoint
from detector.heartbeat import KIND
from detector.store import Store

log = structlog.get_logger()

_AT_ONCE = 500
_LOOK = 100
"""Alerts looked at for a sink that takes few at once: those that it does not want cost one note together."""
_LONGEST_WAIT_S = 600.0
"""However long a receiver asks not to be tried again."""


class Courier(threading.Thread):
    """Delivers one pipeline's alerts to one sink, oldest first.

    Parameters
    ----------
    name : str
        The sink's name in the configuration.
    sink : Sink
        Not opened yet; the courier opens and closes it.
    store : Store
        Has the outbox, and knows this sink.
    grouped, quiet : bool
        Whether the sink wants the alerts that are grouped or quiet, too, if it does not say so itself.
    heartbeat : bool
        Whether it is one of those that heartbeats are for.
    """

    def __init__(
        self,
        name: str,
        sink: Sink,
        store: Store,
        *,
        grouped: bool = True,
        quiet: bool = True,
        heartbeat: bool = False,
    ) -> None:
        super().__init__(name=f"sink {name}", daemon=True)
        self.sink_name = name
        self.failure: BaseException | None = None
        self._sink = sink
        self._store = store
        self._grouped, self._quiet, self._heartbeat = grouped, quiet, heartbeat
        self._wake = threading.Event()
        self._stop_when_empty = threading.Event()
        self._give_up = threading.Event()
        self._at_once: int = getattr(sink, "at_once", _AT_ONCE)
        self._wants: Callable[[Alert], bool] = getattr(sink, "wants", self._told)
        self._refused = 0
        self._repeat_every: float = getattr(sink, "repeat_every_s", math.inf)
        self._repeat_at = math.inf
        self._written: tuple[int, bytes, int, int] | None = None

    def wake(self) -> None:
        """There are new alerts in the outbox."""
        self._wake.set()

    def finish(self) -> None:
        """Deliver what is left, and end."""
        self._stop_when_empty.set()
        self._wake.set()

    def give_up(self) -> None:
        """End; what could not be delivered stays in the outbox for the next start.

        A sink that waits for its peer is closed under the courier, lest it should still deliver when
        nobody notes that down any more, and the next start deliver it again.
        """
        self._give_up.set()
        if not getattr(self._sink, "connected", True):
            self._sink.close()

    def run(self) -> None:
        """Deliver until told to finish."""
        try:
            self._retrying()(self._open)
            while not self._give_up.is_set():
                ending = self._stop_when_empty.is_set()
                self._wake.clear()
                while self._retrying()(self._deliver):
                    self._repeat_if_due()
                if ending:
                    return
                self._repeat_if_due()
                wait = self._repeat_at - time.monotonic()
                self._wake.wait(max(wait, 0.0) if math.isfinite(wait) else None)
        except (SinkUnavailable, StateError):
            pass  # told to give up while retrying: the alerts stay in the outbox
        except BaseException as error:
            self.failure = error
            log.exception("sink_died", sink=self.sink_name)
        finally:
            self._sink.close()

    def _open(self) -> None:
        self._sink.open(self._store.resume(self.sink_name))
        if math.isfinite(self._repeat_every):
            self._repeat_at = time.monotonic()  # what was open when we stopped is told at once

    def _deliver(self) -> bool:
        """Deliver one portion; return whether there was any.

        What the sink has taken is not given to it again while the store cannot note that down.
        """
        if self._written is None:
            waiting = self._store.pending(self.sink_name, max(self._at_once, _LOOK))
            if not waiting or self._give_up.is_set():
                return False
            seen, wanted = self._portion(waiting)
            resume = self._sink.write(wanted) if wanted else self._store.resume(self.sink_name)
            refused = getattr(self._sink, "refused", 0) - self._refused
            self._refused += refused
            self._written = waiting[seen - 1][0], resume, seen - len(wanted), refused
            failpoint("after_write")
        self._store.delivered(self.sink_name, *self._written)
        self._written = None
        failpoint("after_delivered")
        return True

    def _portion(self, waiting: Sequence[tuple[int, Alert]]) -> tuple[int, list[Alert]]:
        """Return how many of these to deal with, and which of them to deliver."""
        wanted: list[Alert] = []
        for seen, (_, alert) in enumerate(waiting):
            if len(wanted) == self._at_once:
                return seen, wanted
            if self._beats(alert) if alert.kind == KIND else self._wants(alert):
                wanted.append(alert)
        return len(waiting), wanted

    def _told(self, alert: Alert) -> bool:
        return (self._grouped or not alert.grouped) and (self._quiet or not alert.quiet)

    def _beats(self, alert: Alert) -> bool:
        """Return whether to tell of a heartbeat: one that is late, as the next is due, proves nothing."""
        return self._heartbeat and time.time() - alert.time < alert.threshold

    def _repeat_if_due(self) -> None:
        if time.monotonic() >= self._repeat_at and not self._give_up.is_set():
            self._retrying()(self._sink.repeat)  # type: ignore[attr-defined]
            self._repeat_at = time.monotonic() + self._repeat_every

    def _pause(self, seconds: float) -> None:
        self._give_up.wait(seconds)

    def _retrying(self) -> Retrying:
        """Try again after up to 30 s, with full jitter, or later if asked to, until told to give up."""
        started = time.monotonic()

        def tell(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            log.warning(
                "sink_unavailable",
                sink=self.sink_name,
                error=str(error),
                tries=state.attempt_number,
                since_s=round(time.monotonic() - started),
            )

        return Retrying(
            retry=retry_if_exception_type((SinkUnavailable, StateError)),
            wait=_wait,
            sleep=self._pause,
            stop=stop_when_event_set(self._give_up),
            before_sleep=tell,
            reraise=True,
        )


_jitter = wait_random_exponential(multiplier=1, max=30)


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_after_s if isinstance(error, SinkUnavailable) else 0.0
    return min(asked, _LONGEST_WAIT_S) + _jitter(state)
