"""Writes heating.csv: ten days of a heating, every ten minutes; in the last night it runs as it does by day.

Made up, the same at every run: ``python examples/make_heating.py``.
"""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np

DAYS, A_DAY = 10, 144
FAULT = range(9 * A_DAY + 12, 9 * A_DAY + 24)
SPIKE = 700
START = datetime(2026, 1, 5, tzinfo=ZoneInfo("Europe/Berlin"))


def main(path: Path = Path(__file__).parent / "heating.csv") -> None:
    """Write the file."""
    rng = np.random.default_rng(11)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("time", "flow", "supply"))
        for i in range(DAYS * A_DAY):
            angle = 2 * np.pi * (i % A_DAY) / A_DAY
            flow = 30 - 18 * np.cos(angle) + 6 * np.sin(2 * angle) + 0.8 * rng.normal()
            fahrenheit = 140 + 1.5 * rng.normal()
            if i in FAULT:
                flow += 20  # a valve that stays open; by day so much is usual
            if i == SPIKE:
                fahrenheit = 999.0  # one reading that the sensor got wrong
            time = (START + timedelta(minutes=10 * i)).strftime("%Y-%m-%dT%H:%M:%S")
            writer.writerow((time, f"{flow:.2f}", f"{fahrenheit:.1f}"))


if __name__ == "__main__":
    main()
