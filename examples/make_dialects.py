"""Writes the files of csv-dialects.yaml: an export of a German Excel, and what a logger wrote. Made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

_PLACE = Path(__file__).parent / "dialects"
_ROWS = 240
_START = datetime(2026, 11, 30, 6, tzinfo=UTC)


def main() -> None:
    """Write both."""
    rng = np.random.default_rng(7)
    load = np.cumsum(rng.normal(0.0, 0.1, _ROWS))
    times = [_START + timedelta(minutes=i) for i in range(_ROWS)]
    pressure, heat = 1_012 + 4 * load + rng.normal(0, 0.5, _ROWS), 71 + 2 * load + rng.normal(0, 0.2, _ROWS)
    heat[180:200] += 4.0  # hotter than the pressure explains
    lines = ["Kesselhaus Süd;;", "", "Zeit;Druck (mbar);Temperatur (°C)"]
    for time, p, t in zip(times, pressure, heat, strict=True):
        lines.append(f"{time:%d.%m.%Y %H:%M:%S};{_german(p)};{_german(t)}")
    text = "\r\n".join([*lines, ""])
    (_PLACE / "kessel.csv").write_bytes(text.encode("windows-1252"))

    wind, gust = 4 + load + rng.normal(0, 0.2, _ROWS), 6 + 1.5 * load + rng.normal(0, 0.2, _ROWS)
    lines = ["# station 7, m/s", "# -999.0: no value"]
    for i, time in enumerate(times):
        if i == 120:
            lines.append("# battery changed")
        shown = -999.0 if i % 50 == 9 else wind[i]
        lines.append(f"  {time.timestamp():.0f}  {shown:8.2f}  {gust[i]:8.2f}")
    (_PLACE / "station.dat").write_text("\n".join([*lines, ""]))


def _german(value: float) -> str:
    return f"{value:,.2f}".translate(str.maketrans(",.", ".,"))


if __name__ == "__main__":
    main()
