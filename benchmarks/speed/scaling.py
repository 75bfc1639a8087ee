"""How speed and memory go with columns, keys, batches and messages: ``python -m benchmarks.speed.scaling``.

``--plot FILE`` draws the curves, which takes matplotlib (``make bench-speed`` has it).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from scipy import signal

from benchmarks.process import machine
from benchmarks.speed.kernel import draw
from connectors.decode import DECODERS, DecodeOptions, RowBuilder
from detector import RunningCovariance
from detector.contracts import Batch, Layout
from detector.model import Model
from detector.pipeline import Pipeline
from detector.settings import Detector
from detector.settings import Pipeline as Settings

COLUMNS = (1, 2, 5, 10, 20, 50, 100)
KEYS = (1, 10, 100, 1_000, 10_000, 30_000, 100_000)
_ALONE, _MODES = "distance alone", {"plain": "plain", "default": "auto"}
_TOLD = 10_000
"""Keys from which on the memory that they take can be told from everything else's."""
BATCHES = (1, 10, 100, 1_000, 10_000)
MESSAGES = (1, 3, 10, 30, 100, 300, 1_000)
_D = 5
_BATCH = 10_000
_START = 1.6e9
_SECONDS = 0.3

Curves = dict[str, dict[int, float]]
"""By name: y by x."""


def rate(records: int, call: Callable[[], object]) -> float:
    """Return records a CPU second: the median of as many calls as fit in a moment, three at least."""
    call()
    times: list[float] = []
    while len(times) < 3 or sum(times) < _SECONDS:
        before = time.process_time()
        call()
        times.append(max(time.process_time() - before, 1e-9))
    return records / median(times)


def by_columns() -> Curves:
    """Return records/s of the compiled loops, a batch at a time."""
    curves: Curves = {
        "distance alone": {},
        "plain": {},
        "default, a series": {},
        "default, independent rows": {},
    }
    for d in COLUMNS:
        X = draw(_BATCH, d)
        series = np.asarray(signal.lfilter([1.0], [1.0, -0.8], X - 20, axis=0))
        alone = RunningCovariance([str(j) for j in range(d)])
        curves[_ALONE][d] = rate(_BATCH, lambda alone=alone, X=X: alone.score_learn_many(X))
        for name, mode, records in (
            ("plain", "plain", X),
            ("default, a series", "series", series),
            ("default, independent rows", "iid", X),
        ):
            model = Model(Detector.model_validate({"mode": mode}), d)
            rows, slots, clock = model.fresh()[None, :].copy(), np.zeros(_BATCH, np.int64), np.zeros(_BATCH)
            call = lambda m=model, r=rows, s=slots, x=records, c=clock: m.run(r, s, x, c)  # noqa: E731
            curves[name][d] = rate(_BATCH, call)
    return curves


def pipeline(mode: str, **settings: Any) -> Pipeline:
    """Return a pipeline of `_D` features."""
    record = {"features": [f"f{j}" for j in range(_D)]}
    return Pipeline("p", Settings.model_validate({"record": record, "detector": {"mode": mode}, **settings}))


def batches(n: int, size: int, keys: int = 1) -> list[Batch]:
    """Return n records in batches, their keys in random order."""
    X, rng = draw(n, _D), np.random.default_rng(0)
    names = np.array([f"pump-{k}" for k in range(keys)], object)
    key = names[rng.integers(0, keys, n)]
    return [
        Batch(
            {f"f{j}": np.ascontiguousarray(X[at : at + size, j]) for j in range(_D)},
            np.full(len(X[at : at + size]), np.nan),
            key[at : at + size],
            arrival=_START,
        )
        for at in range(0, n, size)
    ]


def resident() -> int:
    """Return the bytes of memory that this process really has."""
    return resource.getpagesize() * int(Path("/proc/self/statm").read_text().split()[1])


def taken(name: str, keys: int) -> float:
    """Return the bytes of memory that each of so many keys takes; for a process of its own."""
    if name == _ALONE:
        model = RunningCovariance([str(j) for j in range(_D)])
        take: Callable[[Batch], object] = lambda part: model.learn_many(  # noqa: E731
            np.column_stack(list(part.columns.values())), part.key
        )
    else:
        take = pipeline(_MODES[name], limits={"max_keys": 2 * max(KEYS)}).process
    for part in batches(_BATCH, _BATCH):
        take(part)
    before = resident()
    for at in range(0, keys, _BATCH):
        n = min(_BATCH, keys - at)
        (part,) = batches(n, n)
        take(replace(part, key=np.array([f"pump-{k}" for k in range(at, at + n)], object)))
    return (resident() - before) / keys


def by_keys() -> tuple[Curves, Curves]:
    """Return records/s of the whole pipeline, and bytes a key, by the number of keys in random order."""
    speed: Curves = {name: {} for name in _MODES}
    memory: Curves = {name: {} for name in (_ALONE, *_MODES)}
    for keys in KEYS:
        work = batches(max(3 * keys, 50_000), _BATCH, keys)
        for name, mode in _MODES.items():
            made = pipeline(mode, limits={"max_keys": 2 * max(KEYS)})
            for one in work:
                made.process(one)
            speed[name][keys] = rate(len(work) * _BATCH, lambda m=made, w=work: [m.process(one) for one in w])
    for keys in (keys for keys in KEYS if keys >= _TOLD):
        for name, points in memory.items():
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as child:
                points[keys] = child.submit(taken, name, keys).result()
    return speed, memory


def by_batch() -> Curves:
    """Return records/s of the whole pipeline, by the records that come at once."""
    curves: Curves = {"plain": {}, "default": {}}
    for size in BATCHES:
        work = batches(max(min(200 * size, 100_000), 1_000), size)
        for name, mode in _MODES.items():
            made = pipeline(mode)
            curves[name][size] = rate(
                sum(map(len, work)), lambda m=made, w=work: [m.process(one) for one in w]
            )
    return curves


def by_message() -> Curves:
    """Return records/s from the bytes of JSON messages to alerts, by the records in a message."""
    curves: Curves = {"decoded": {}, "decoded and judged": {}}
    layout, options = Layout(tuple(f"f{j}" for j in range(_D))), DecodeOptions()
    decode = DECODERS["json"]
    rows = np.round(draw(max(MESSAGES) * 10, _D), 3).tolist()
    records = [dict(zip(layout.numbers, row, strict=True)) for row in rows]
    for size in MESSAGES:
        messages = [json.dumps(records[at : at + size]).encode() for at in range(0, len(records), size)]
        made = pipeline("auto")
        builder = RowBuilder(layout)

        def read(messages: list[bytes] = messages, builder: RowBuilder = builder) -> Batch:
            for message in messages:
                builder.add_all(decode(message, options), {}, "topic bench", message)
            return builder.batch(arrival=_START, position=b"")

        curves["decoded"][size] = rate(len(records), read)
        curves["decoded and judged"][size] = rate(len(records), lambda m=made, r=read: m.process(r()))
    return curves


def plot(panels: dict[str, tuple[str, str, Curves]], path: Path) -> None:
    """Draw the panels, each with its own axes, both logarithmic."""
    import matplotlib as mpl  # noqa: PLC0415 - not needed to measure

    mpl.use("svg")
    mpl.rcParams["svg.fonttype"], mpl.rcParams["svg.hashsalt"] = "none", "kyori"
    from matplotlib import pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    for axis, (title, (across, up, curves)) in zip(axes.flat, panels.items(), strict=False):
        for name, points in curves.items():
            axis.loglog(list(points), list(points.values()), marker="o", markersize=3, label=name)
        axis.set(title=title, xlabel=across, ylabel=up)
        axis.grid(which="major", alpha=0.3)
        axis.legend(fontsize="small", frameon=False)
    for axis in list(axes.flat)[len(panels) :]:
        axis.set_axis_off()
    figure.savefig(path, metadata={"Date": None})


def shown(title: str, across: str, up: str, curves: Curves) -> Iterable[str]:
    """Return the lines of a table."""
    yield f"\n{title}: {up}, by {across}"
    yield f"{'':28}" + "".join(f"{x:>12,}" for x in next(iter(curves.values())))
    for name, points in curves.items():
        yield f"{name:28}" + "".join(f"{y:12,.0f}" for y in points.values())


def main() -> int:
    """Measure, print, and draw if asked to."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed.scaling", description=str(__doc__).splitlines()[0]
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves, as SVG")
    arguments = parser.parse_args()
    print(f"{machine()}; records a CPU second, one core")
    rates = "records a second"
    panels: dict[str, tuple[str, str, Curves]] = {}

    def add(title: str, across: str, up: str, curves: Curves) -> None:
        panels[title] = (across, up, curves)
        print("\n".join(shown(title, across, up, curves)), flush=True)

    add("Score and learn", "columns", rates, by_columns())
    speed, memory = by_keys()
    add("Keys in random order, 5 columns", "keys", rates, speed)
    add("Memory of a model, 5 columns", "keys", "bytes a key", memory)
    add("The pipeline, 5 columns", "records in a batch", rates, by_batch())
    add("JSON messages, 5 fields", "records in a message", rates, by_message())
    if arguments.json is not None:
        figures = {title: curves for title, (_, _, curves) in panels.items()}
        arguments.json.write_text(json.dumps({"machine": machine(), "curves": figures}, indent=1) + "\n")
    if arguments.plot is not None:
        plot(panels, arguments.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
