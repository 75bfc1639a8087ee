"""The daemon, told once: a silence of every key, and that somebody has seen the alert that is open."""

from __future__ import annotations

from detector.cli import main
from detector.worker import Worker

UNTIL = 1.6e9 + 1900.0
"""When the silence is over, by the stream's time."""

_listen = Worker._listen


def tell(worker: Worker) -> None:
    """Say both, unless that is stored already; the first commit of the run has it then."""
    pipeline = worker.pipeline
    if not pipeline.silences():
        pipeline.silence("s1", "*", UNTIL, "new pump", "ann")
        for alert in pipeline.open_alerts.values():
            pipeline.ack(alert.id, "ann", 1.6e9)
        worker._pending.commit(always=True)
    _listen(worker)


if __name__ == "__main__":
    Worker._listen = tell  # type: ignore[method-assign]
    main()
