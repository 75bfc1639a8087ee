"""Writes app.log: four hours of a service's log, made up, the same at every run.

From minute 200 to 215 its database does not answer in time: there are errors with their stack traces, of
kinds that never were before, requests take long, and fewer are served: ``python examples/make_log.py``.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

START = datetime(2026, 1, 5, tzinfo=UTC)
MINUTES = 240
FAULT = range(200, 215)
TRACE = (
    "Traceback (most recent call last):",
    '  File "/srv/shop/orders.py", line 88, in save',
    "    cursor.execute(INSERT, order)",
    "TimeoutError: canceling statement due to statement timeout",
)


def events(chance: random.Random, minute: int) -> list[str]:
    """Return what the service says in one minute."""
    fault = minute in FAULT
    said = []
    for _ in range(chance.randint(1, 2) if fault else chance.randint(3, 5)):
        took = chance.gauss(2400, 300) if fault else chance.gauss(31, 4)
        user, order = chance.randint(1, 900), chance.randint(10_000, 99_999)
        said.append(f"INFO shop.web order {order} of user {user} served in {took:.0f} ms")
    if chance.random() < 0.1:
        said.append(f"WARN shop.cache {chance.randint(1, 40)} entries evicted")
    if minute % 15 == 0:
        said.append(f"INFO shop.jobs cleaned {chance.randint(1, 9)} carts")
    if fault:
        said.append(f"WARN shop.db pool is exhausted, {chance.randint(5, 30)} waiting")
        said.append(
            "\n".join((f"ERROR shop.orders order {chance.randint(10_000, 99_999)} not saved", *TRACE))
        )
    return said


def main(path: Path = Path(__file__).parent / "app.log") -> None:
    """Write the file."""
    chance = random.Random(7)  # noqa: S311 - nothing is secret here
    lines = []
    for minute in range(MINUTES):
        said = events(chance, minute)
        moments = sorted(chance.uniform(0, 60) for _ in said)
        for second, text in zip(moments, said, strict=True):
            moment = START + timedelta(minutes=minute, seconds=second)
            lines.append(f"{moment:%Y-%m-%d %H:%M:%S},{moment.microsecond // 1000:03} {text}\n")
    path.write_text("".join(lines))


if __name__ == "__main__":
    main()
