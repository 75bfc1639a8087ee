"""Writes pumps.csv: three pumps over five hours, of which one gets a fault that no single value shows.

Made up, the same at every run: ``python examples/make_pumps.py``.
"""

from __future__ import annotations

import csv
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

MINUTES = 300
FAULT = range(230, 270)
START = datetime(2026, 1, 5, tzinfo=UTC)


def main(path: Path = Path(__file__).parent / "pumps.csv") -> None:
    """Write the file."""
    rng = np.random.default_rng(7)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("time", "pump", "flow", "pressure", "current", "vibration"))
        load = 0.8 + 0.15 * rng.normal(size=3)
        for minute in range(MINUTES):
            load += 0.05 * (0.8 - load) + 0.03 * rng.normal(size=3)
            time = (START + timedelta(minutes=minute)).strftime("%Y-%m-%dT%H:%M:%SZ")
            for number in range(3):
                flow = 40 * load[number] + 0.3 * rng.normal()
                pressure = 2 + 3 * load[number] ** 2 + 0.04 * rng.normal()
                current = 4 + 6 * load[number] + 0.1 * rng.normal()
                vibration = 1 + 0.5 * load[number] + 0.05 * rng.normal()
                if number == 1 and minute in FAULT:
                    # A leak behind the pump: more flow at less pressure. Each value by itself is usual.
                    flow, pressure = 1.08 * flow, 0.9 * pressure
                values = [f"{value:.2f}" for value in (flow, pressure, current, vibration)]
                writer.writerow((time, f"p{number + 1}", *values))


if __name__ == "__main__":
    main()
