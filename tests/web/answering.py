"""A daemon that follows a log of three pumps' records, and is asked by its API."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from detector.web.office import recent_of
from tests.brokers import wait_until
from tests.daemon.running import Inside, write
from tests.web.serving import Serving

FEATURES = ("a", "b", "c")
PUMPS = ("plant/1", "plant/2", "plant/3")
START = 1.7e9
_MIXED = np.array([[1.0, 0.0, 0.0], [0.97, 0.2, 0.0], [0.3, 0.2, 1.0]])
FAULT = np.array([1.5, -1.5, 0.0])
"""Odd for a and b together, and for neither alone."""


def normal(n: int, seed: int = 0) -> np.ndarray:
    """Records whose first two features hang together."""
    return np.round(20.0 + np.random.default_rng(seed).normal(size=(n, 3)) @ _MIXED.T, 6)


def faulty(n: int, at: int, length: int = 12, pump: int = 1, seed: int = 0) -> np.ndarray:
    """The same, with a fault of one pump."""
    X = normal(n, seed)
    rows = np.arange(pump, n, len(PUMPS))
    X[rows[rows >= at][:length]] += FAULT
    return X


def texts(X: np.ndarray, first: int = 0, **more: Any) -> list[str]:
    """Records as lines of JSON, of the pumps by turns, one a second."""
    return [
        json.dumps(
            {"time": START + i, "pump": PUMPS[i % len(PUMPS)], **dict(zip(FEATURES, x, strict=True)), **more}
        )
        for i, x in enumerate(X.tolist(), first)
    ]


def append(folder: Path, lines: Sequence[str]) -> None:
    with (folder / "log.jsonl").open("a") as file:
        file.write("".join(line + "\n" for line in lines))


def config(folder: Path, **pipeline: Any) -> Path:
    file = pipeline.pop("file", {})
    one = {
        "key": "{pump}", "record": {"time": "time", "features": list(FEATURES)},
        "sources": ["log"], "outputs": ["out"],
    }  # fmt: skip
    source = {"type": "tail", "paths": ["log.jsonl"], "start_at": "saved_or_beginning", "poll": "20ms"}
    whole = {
        "server": {"listen": "127.0.0.1:0"}, "pipelines": {"pumps": one | pipeline},
        "sources": {"log": source}, "outputs": {"out": {"type": "file", "path": "out.jsonl"}},
    }  # fmt: skip
    return write(folder, whole | file)


@contextmanager
def answering(folder: Path, **pipeline: Any) -> Iterator[Serving]:
    """Run the daemon; what it has read is still to be waited for."""
    with Inside(config(folder, **pipeline)) as inside:
        one = Serving(folder, inside)
        wait_until(lambda: one.site.url, 30)
        yield one


def fed(one: Serving, lines: Sequence[str]) -> None:
    """Append these lines, and wait until the pipeline has seen them, and their alerts are kept."""
    worker = one.inside.daemon.workers["pumps"]
    recent, progress = recent_of(worker), worker.progress
    before, heard = progress.records, recent.heard()[1]
    delivered = {name: tally.delivered for name, tally in worker.outputs().items()}
    append(one.folder, lines)
    wait_until(lambda: progress.records >= before + len(lines), 30)

    def kept() -> bool:
        made = recent.heard()[1] - heard
        return all(tally.delivered == delivered[name] + made for name, tally in worker.outputs().items())

    wait_until(kept, 30)


def got(one: Serving, path: str, status: int = 200) -> Any:
    answer = one.ask(path)
    assert answer.status == status, answer.body
    return answer.json


def done(one: Serving, path: str, body: Any, status: int = 200) -> Any:
    answer = one.post(path, body)
    assert answer.status == status, answer.body
    return answer.json
