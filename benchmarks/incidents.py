"""What the default verdict finds on labelled servers: ``python -m benchmarks.incidents --data DIR``.

DIR holds .npz files with `X` (n, d) and labels `y` (n,), five minutes apart, as the Application Server
Dataset. Nothing is tuned here; without --data the bundled server is judged alone. --kind is the threshold's.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import numpy as np

from detector.contracts import Batch, Floats
from detector.demo.run import examples
from detector.demo.summary import Span, Summary, read_incidents, summarise, timestamp
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

STEP_S = 300.0


def judge(X: Floats, time: Floats, incidents: list[Span], kind: str) -> Summary:
    """Return what the defaults, but for the threshold's kind, make of a server's records."""
    names = [f"metric_{j:02d}" for j in range(X.shape[1])]
    settings = {"record": {"features": names}, "detector": {"threshold": {"kind": kind}}}
    pipeline = Pipeline("server", Settings.model_validate(settings))
    columns = {name: X[:, j].copy() for j, name in enumerate(names)}
    result = pipeline.process(Batch(columns, time, np.full(len(X), "", object)))
    spans: dict[str, Span] = {}
    for alert in result.alerts:
        spans[alert.id] = (alert.opened, alert.time if alert.status == "closed" else float(time[-1]))
    return summarise(len(X), float(time[0]), float(time[-1]), incidents, list(spans.values()))


def labelled(path: Path, kind: str) -> Summary:
    """Judge one .npz file."""
    with np.load(path, allow_pickle=False) as data:
        X, y = data["X"].astype(float), data["y"].astype(int)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], y, [0]])))
    incidents = [
        (a * STEP_S, (b - 1) * STEP_S) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)
    ]
    return judge(X, np.arange(len(X)) * STEP_S, incidents, kind)


def bundled(kind: str) -> Summary:
    """Judge the server of the demo."""
    folder = examples() / "asd"
    with (folder / "omi-2.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    X = np.array([row[1:] for row in rows], dtype=float)
    time = np.array([timestamp(row[0]) for row in rows])
    return judge(X, time, read_incidents(folder / "omi-2.incidents.csv"), kind)


def main() -> None:
    """Print one line a server."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="directory of labelled .npz files")
    parser.add_argument("--kind", default="false_alarm_rate", help="false_alarm_rate or radius")
    asked = parser.parse_args()
    if asked.data is None:
        servers = {"omi-2 (bundled)": bundled(asked.kind)}
    else:
        servers = {path.stem: labelled(path, asked.kind) for path in sorted(asked.data.glob("*.npz"))}
    print(f"{'server':<18}{'found':>9}{'false alerts a day':>21}{'time in alarm':>15}")
    for name, one in servers.items():
        found = f"{len(one.found)} of {len(one.incidents)}"
        print(f"{name:<18}{found:>9}{one.false_alerts_per_day:>21.2f}{one.in_alarm:>15.1%}")


if __name__ == "__main__":
    main()
