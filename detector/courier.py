"""One thread a sink: takes alerts out of the outbox, delivers them, and notes that it did.

A sink that is slow or away holds up nobody else; its alerts wait on disk.
"""

from __future__ import annotations

import threading
import time

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set
from tenacity.wait import wait_random_exponential

from detector.contracts import Sink
from detector.errors import SinkUnavailable, StateError
from detector.failpoints import failpoint
from detector.store import Store

log = structlog.get_logger()

_AT_ONCE = 500


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
    grouped : bool
        Whether the sink wants the alerts that are grouped, too.
    """

    def __init__(self, name: str, sink: Sink, store: Store, *, grouped: bool = True) -> None:
        super().__init__(name=f"sink {name}", daemon=True)
        self.sink_name = name
        self.failure: BaseException | None = None
        self._sink = sink
        self._store = store
        self._grouped = grouped
        self._wake = threading.Event()
        self._stop_when_empty = threading.Event()
        self._give_up = threading.Event()
        self._written: tuple[int, bytes, int] | None = None

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
                    pass
                if ending:
                    return
                self._wake.wait()
        except (SinkUnavailable, StateError):
            pass  # told to give up while retrying: the alerts stay in the outbox
        except BaseException as error:
            self.failure = error
            log.exception("sink_died", sink=self.sink_name)
        finally:
            self._sink.close()

    def _open(self) -> None:
        self._sink.open(self._store.resume(self.sink_name))

    def _deliver(self) -> bool:
        """Deliver one portion; return whether there was any.

        What the sink has taken is not given to it again while the store cannot note that down.
        """
        if self._written is None:
            waiting = self._store.pending(self.sink_name, _AT_ONCE)
            if not waiting or self._give_up.is_set():
                return False
            wanted = [alert for _, alert in waiting if self._grouped or not alert.grouped]
            resume = self._sink.write(wanted) if wanted else self._store.resume(self.sink_name)
            self._written = waiting[-1][0], resume, len(waiting) - len(wanted)
            failpoint("after_write")
        self._store.delivered(self.sink_name, *self._written)
        self._written = None
        failpoint("after_delivered")
        return True

    def _pause(self, seconds: float) -> None:
        self._give_up.wait(seconds)

    def _retrying(self) -> Retrying:
        """Try again after 1 to 30 s with full jitter, until told to give up."""
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
            wait=wait_random_exponential(multiplier=1, max=30),
            sleep=self._pause,
            stop=stop_when_event_set(self._give_up),
            before_sleep=tell,
            reraise=True,
        )
