"""How memory, disk and speed of ``kyori run`` take many keys (P22).

``python -m benchmarks.keys [--keys 1000000] [--folder DIR]``: every key comes twice, one after the other, so
that with few models in memory each of them is made once and fetched once. The same records go through with
keys that all fit, and with all models in memory.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.process import Daemon, machine, write_config

FEW = 1_000
IN_MEMORY = 10_000
_FEATURES = ["a", "b"]
_LOOK_S = 0.1
_MB = 1e6


class Run(NamedTuple):
    """Records a second; bytes of memory, from start to end; bytes on disk; and the daemon's last word."""

    rate: float
    rss: list[int]
    disk: int
    evicted: int
    fetched: int


def write_records(path: Path, records: int, keys: int) -> None:
    """Write so many records, of each key one after the other."""
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        file.write("time,key,a,b\n")
        for start in range(0, records, 100_000):
            X = rng.normal(20.0, 1.0, (min(100_000, records - start), len(_FEATURES)))
            file.writelines(
                f"{1.6e9 + i:.0f},{i % keys},{a:.4f},{b:.4f}\n" for i, (a, b) in enumerate(X.tolist(), start)
            )


def run(folder: Path, records: int, keys: int, max_keys: int) -> Run:
    """Run a daemon over so many records of so many keys."""
    folder.mkdir()
    write_records(folder / "in.csv", records, keys)
    source = {"type": "file", "paths": ["in.csv"]}
    limits = {"max_keys": max_keys}
    config = write_config(folder, _FEATURES, source, key="{key}", limits=limits)
    daemon = Daemon(config, "--once")
    ready, rss = daemon.wait_for("ready"), []
    while daemon.process.poll() is None:
        with contextlib.suppress(OSError, KeyError):  # it ends just now
            rss.append(daemon.status()["rss"])
        time.sleep(_LOOK_S)
    last = daemon.finish()
    seconds = daemon.wait_for("stopped") - ready
    (database,) = folder.rglob("p.db")
    (folder / "in.csv").unlink()
    size = database.stat().st_size
    database.unlink()
    return Run(records / seconds, rss, size, last["models_evicted"], last["models_fetched"])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="on the disk to be measured; default: that of /tmp")
    arguments = parser.parse_args()
    keys, records = arguments.keys, 2 * arguments.keys
    sys.stdout.write(f"{machine()}; {records:,} records of 2 features\n")
    heads = ("keys", "in memory", "records/s", "ratio", "RSS at 1/3", "2/3", "end, MB", "disk, MB")
    sys.stdout.write("".join(f"{head:>12}" for head in heads) + "  evicted, fetched\n")
    few = 0.0
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for name, n, fit in (("few", FEW, IN_MEMORY), ("evicted", keys, IN_MEMORY), ("all", keys, keys)):
            one = run(Path(folder) / name, records, n, fit)
            few = few or one.rate
            rss = [one.rss[k * (len(one.rss) - 1) // 3] / _MB for k in (1, 2, 3)]
            cells = [f"{n:,}", f"{min(n, fit):,}", f"{one.rate:,.0f}", f"{one.rate / few:.2f}"]
            cells += [f"{mb:,.0f}" for mb in (*rss, one.disk / _MB)]
            line = "".join(f"{cell:>12}" for cell in cells)
            sys.stdout.write(f"{line}  {one.evicted:,}, {one.fetched:,}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
