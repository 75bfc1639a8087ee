"""`kyori` in which something goes wrong fifty times while it starts."""

from typing import Any

import structlog

from detector.cli import main
from detector.worker import Worker

restore = Worker._resume


def _noisily(worker: Any) -> None:
    for _ in range(50):
        structlog.get_logger().error("noise", pipeline=worker.pipeline.name)
    restore(worker)


if __name__ == "__main__":  # not when it is only looked into for doctests
    Worker._resume = _noisily  # type: ignore[method-assign]
    main()
