"""All couriers of a pipeline: started, woken, watched and ended together."""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from detector.courier import Courier

log = structlog.get_logger()

_DELIVER_S, _GIVE_UP_S = 5.0, 1.0
"""At the end, for alerts still to deliver, and for sinks to let go."""
_HEAD_START_S = 0.001


class Couriers:
    """One courier for each sink, none of which was started yet."""

    def __init__(self, couriers: Sequence[Courier]) -> None:
        self._couriers = couriers

    @property
    def sinks(self) -> list[str]:
        """Names of the sinks."""
        return [courier.sink_name for courier in self._couriers]

    def start(self) -> None:
        """Begin with what the outbox holds."""
        for courier in self._couriers:
            courier.start()
            courier.wake()

    def wake(self) -> None:
        """There are new alerts in the outbox."""
        for courier in self._couriers:
            courier.wake()
        # They need the interpreter's lock several times until an alert has left, and wait for it each time
        # as long as we go on: for a batch and its commit, most often.
        time.sleep(_HEAD_START_S)

    def check(self) -> None:
        """Raise if a courier has died."""
        dead = next((courier for courier in self._couriers if courier.failure), None)
        if dead is not None:
            raise RuntimeError(f"sink {dead.sink_name} died") from dead.failure

    def finish(self) -> None:
        """Give the sinks some time for what is left, and end."""
        started = [courier for courier in self._couriers if courier.ident is not None]
        for courier in started:
            courier.finish()
        deadline = time.monotonic() + _DELIVER_S
        for courier in started:
            courier.join(max(deadline - time.monotonic(), 0.0))
            if courier.is_alive():
                log.warning("alerts_kept_for_next_start", sink=courier.sink_name)
                courier.give_up()
        # One that still waits for its peer is left alone: a closed store takes nothing from it any more.
        deadline = time.monotonic() + _GIVE_UP_S
        for courier in started:
            courier.join(max(deadline - time.monotonic(), 0.0))
