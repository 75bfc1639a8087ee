"""What the season saves in false alarms at equal recall: ``python -m benchmarks.season --data DIR``.

DIR holds the NAB files. Judged are those that have a season: sine waves of the day and the week explain a
fifth of the variance. For each form, with and without the season, the level from which on an alert opens is
swept; printed are the fewest false alerts (outside of all labelled windows, after the probationary period)
with which so many windows are found.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.data import Series, load
from detector.contracts import Batch, Floats
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

EXPLAINED = 0.2
CLOSED = 10  # calm records close an alert
CONTEXT = {"hour_of_day": 4, "day_of_week": 2}
FORMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one column": ({"detector": {}}, {"detector": {"parts": {"season": False}}}),
    "plain, given hour and day": (
        {"context": CONTEXT, "detector": {"mode": "plain", "learn_from": "all"}},
        {"detector": {"mode": "plain", "learn_from": "all"}},
    ),
}
SHARES = (0.5, 0.6, 0.7, 0.8, 0.9)


def seasonal(series: Series) -> bool:
    """Return whether day and week explain enough of a file."""
    angles = [2 * np.pi * k * series.time / 86400.0 for k in (1, 2, 3, 4)]
    angles += [2 * np.pi * k * series.time / 604800.0 for k in (1, 2)]
    waves = np.column_stack([np.ones(len(series.time)), *map(np.sin, angles), *map(np.cos, angles)])
    x = series.X[:, 0]
    rest = x - waves @ np.linalg.lstsq(waves, x, rcond=None)[0]
    return bool(np.var(rest) < (1 - EXPLAINED) * np.var(x))


def strength(series: Series, how: dict[str, Any]) -> Floats:
    """Return how strange each record is: the level over a threshold of 1."""
    settings = Settings.model_validate(
        {
            "record": {"features": ["value"], "context": how.get("context", {})},
            "detector": {**how["detector"], "threshold": {"kind": "fixed", "value": 1.0}},
        }
    )
    batch = Batch({"value": series.X[:, 0].copy()}, series.time, np.full(len(series.time), "", object))
    return np.nan_to_num(Pipeline("season", settings).process(batch).scores.level)


def openings(level: Floats, limit: float) -> NDArray[np.int64]:
    """Return the rows at which an alert opens; it closes after calm records."""
    above = np.flatnonzero(level >= limit)
    return above[np.diff(above, prepend=-CLOSED - 2) > CLOSED]


def sweep(files: list[Series], levels: list[Floats]) -> list[tuple[int, int]]:
    """Return (windows found, false alerts) for each limit."""
    out = []
    for limit in np.unique(np.quantile(np.concatenate(levels), 1 - np.geomspace(1e-5, 0.05, 200))):
        found, false = 0, 0
        for series, level in zip(files, levels, strict=True):
            rows = openings(level, limit)
            rows = rows[rows >= series.warm]
            inside = np.zeros(len(rows), bool)
            for first, last in series.windows:
                here = (rows >= first) & (rows <= last)
                found += bool(here.any())
                inside |= here
            false += int((~inside).sum())
        out.append((found, false))
    return out


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="directory with the folder nab")
    files = [one for one in load(parser.parse_args().data, "nab") if seasonal(one)]
    windows = sum(len(one.windows) for one in files)
    print(f"{len(files)} files with a season, {windows} windows, {sum(len(one.X) for one in files)} records")
    wanted = [int(np.ceil(share * windows)) for share in SHARES]
    print(f"{'fewest false alerts to find':42}" + "".join(f"{n:>8}" for n in wanted))
    for form, variants in FORMS.items():
        for name, how in zip(("with season", "without"), variants, strict=True):
            curve = sweep(files, [strength(one, how) for one in files])
            least = [min((false for found, false in curve if found >= n), default=-1) for n in wanted]
            print(f"{form + ', ' + name:42}" + "".join(f"{'-' if n < 0 else n:>8}" for n in least))


if __name__ == "__main__":
    main()
