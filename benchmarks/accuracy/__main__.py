"""The command line of `benchmarks.accuracy`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy import bundled, data, ours, page, peers, report, simple
from benchmarks.accuracy.data import Series
from benchmarks.accuracy.figures import Cache, Figures, measure
from benchmarks.accuracy.output import Output
from benchmarks.accuracy.peers import PEERS
from benchmarks.accuracy.summary import Group

OURS = "ours"
_QUICK_ROWS, _QUICK_FILES = 300, 2


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says."""

    folder: Path | None
    groups: list[str]
    detectors: list[str]
    halves: list[str]
    quick: bool
    kept: bool
    cache: Cache


def files(asked: Asked, group: str) -> list[Series]:
    """Return the series of a group that are to be run."""
    found = bundled.load(group) if asked.folder is None else data.load(asked.folder, group)
    if asked.halves == ["A"]:
        found = [one for one in found if one.half == "A"]
    if asked.quick:
        found = [one.first(_QUICK_ROWS) for one in found[:_QUICK_FILES]]
    return found


def figures(asked: Asked, detector: str, series: Series) -> dict[int, Figures]:
    """Return the figures of a detector on a file, by delay; empty where there is no way to have them."""
    run: dict[str, Callable[[Series], Output]] = {OURS: ours.run, **simple.RUNS}
    if detector in run:
        return {0: measure(series, run[detector](series))}
    peer, by_delay = PEERS[detector], {}
    if peers.skips(peer, series.group):
        return {}
    version = peers.installed(peer)
    for delay in peer.delays:
        make = partial(peers.run, peer, series, delay) if version and not asked.kept else None
        kept = asked.cache.get(f"{detector}, delay {delay}", f"{peer.package} {version}", series, make)
        if kept is not None:
            by_delay[delay] = kept
    return by_delay


def collect(asked: Asked) -> report.Results:
    """Run everything that is asked for."""
    results: report.Results = {detector: {} for detector in asked.detectors}
    for group in asked.groups:
        found = files(asked, group)
        for detector in asked.detectors if found else []:
            by_delay: dict[int, dict[str, Figures]] = {}
            for series in found:
                for delay, one in figures(asked, detector, series).items():
                    by_delay.setdefault(delay, {})[series.name] = one
            complete = {delay: by_name for delay, by_name in by_delay.items() if len(by_name) == len(found)}
            if complete:
                results[detector][group] = Group(found, complete)
                print(f"{group}: {detector}, {results[detector][group].seconds:.1f} s", file=sys.stderr)
            else:
                print(f"{group}: {detector} is too slow, or neither installed nor kept", file=sys.stderr)
    return {detector: by_group for detector, by_group in results.items() if by_group}


def numbers(results: report.Results) -> dict[str, Any]:
    """Return the figures of all halves as plain numbers."""
    out: dict[str, Any] = {}
    for detector, by_group in results.items():
        for name, group in by_group.items():
            place = out.setdefault(detector, {}).setdefault(name, {"seconds": group.seconds})
            if name == "nab":
                place["score"] = asdict(group.nab())
                place["alerts"] = {half: group.nab_alerts(half) for half in ("A", "B", "all")}
            else:
                place["ranked"] = {half: asdict(group.ranked(half)) for half in ("A", "B", "all")}
                place["files"] = {file: asdict(one) for file, one in group.by_file().items()}
    return out


def main() -> int:
    """Measure and print."""
    known = [OURS, *simple.RUNS, *PEERS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy")
    parser.add_argument("--data", type=Path, help="directory of skab, asd, smd, msl, smap, adbench, nab")
    parser.add_argument("--groups", help="separated by commas; default: all that are there")
    parser.add_argument("--detectors", help=f"names or their beginnings, by commas: {'; '.join(known)}")
    parser.add_argument("--half", choices=["A", "B", "all"], default="all", help="A runs half A alone")
    parser.add_argument("--quick", action="store_true", help="two files a group and 300 rows of each")
    parser.add_argument("--cache", type=Path, help="JSON file that keeps the figures of the peers")
    parser.add_argument("--kept", action="store_true", help="run no peer; take what the cache has of them")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    parser.add_argument("--docs", type=Path, help="write the page of the documentation there as well")
    given = parser.parse_args()
    wanted = tuple(word.strip().lower() for word in (given.detectors or "").split(","))
    detectors = [name for name in known if name.lower().startswith(wanted)]
    if given.docs is not None and (given.half == "A" or OURS not in detectors):
        parser.error("--docs needs ours, and half B")
    asked = Asked(
        folder=given.data,
        groups=(given.groups or ",".join(bundled.READERS if given.data is None else data.READERS)).split(","),
        detectors=detectors,
        halves=["all", "A", "B"] if given.half == "all" else [given.half],
        quick=given.quick,
        kept=given.kept,
        cache=Cache(given.cache),
    )
    results = collect(asked)
    print("\n".join(report.everything(results, asked.halves)))
    if given.json is not None:
        given.json.write_text(json.dumps(numbers(results), indent=1) + "\n")
    if given.docs is not None:
        given.docs.write_text(page.write(results, asked.halves, asked.cache.versions, OURS))
    return 0


if __name__ == "__main__":
    sys.exit(main())
