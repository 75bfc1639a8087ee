"""Makes the golden states of this version: ``python -m tests.golden.make`` (once, when it is released).

A directory a version: ``records.csv``, and for each form of the detector the state file that the daemon left
after the first records, and what the others must come to, as JSON.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from detector.contracts import Batch
from detector.daemon import Daemon
from detector.pipeline import Pipeline
from detector.registry import load_config
from detector.settings import Pipeline as Settings
from tests.daemon.running import write_config

HERE = Path(__file__).parent
FIRST = 800
"""So many records are in the state."""
_FEATURES = ("flow", "pressure", "current")
_PUMPS = ("a", "b")
FORMS: dict[str, dict[str, Any]] = {
    "default": {"record": {"time": "time", "features": list(_FEATURES)}},
    "univariate": {"record": {"time": "time", "features": ["flow"]}},
    "plain": {"record": {"time": "time", "features": list(_FEATURES)}, "detector": {"mode": "plain"}},
}


def main() -> None:
    folder = HERE / version("kyori")
    folder.mkdir(exist_ok=True)
    (folder / "records.csv").write_text(_records())
    for name, form in FORMS.items():
        settings = form | {"key": "{pump}"}
        _make_state(folder, name, settings)
        told = score(new(settings), read(folder / "records.csv", 0))
        (folder / f"{name}.json").write_text(
            json.dumps({"settings": settings} | {one: values[FIRST:] for one, values in told.items()}) + "\n"
        )


def _records() -> str:
    """1,000 correlated records of two pumps, in series, with faults before and after the state is taken."""
    rng = np.random.default_rng(44)
    lines = [",".join(("time", "pump", *_FEATURES))]
    state, mixing = np.zeros((2, 3)), rng.normal(size=(3, 3))
    for i in range(1_000):
        pump = i % 2
        state[pump] = 0.6 * state[pump] + rng.normal(size=3)
        x = 20 + state[pump] @ mixing
        x[i % 3] += 9.0 if i % 250 >= 240 else 0.0
        lines.append(",".join((str(1.6e9 + i), _PUMPS[pump], *(f"{value:.4f}" for value in x))))
    return "\n".join(lines) + "\n"


def _make_state(folder: Path, name: str, settings: dict[str, Any]) -> None:
    """Let the daemon itself make it."""
    with tempfile.TemporaryDirectory() as place:
        head = (folder / "records.csv").read_text().splitlines(keepends=True)[: FIRST + 1]
        (Path(place) / "in.csv").write_text("".join(head))
        source = {"in": {"type": "file", "paths": ["in.csv"]}}
        Daemon(load_config(write_config(Path(place), source, **settings))).run(once=True)
        shutil.copy(Path(place) / "state" / "p.db", folder / f"{name}.db")


def new(settings: dict[str, Any]) -> Pipeline:
    return Pipeline("p", Settings.model_validate(settings))


def read(file: Path, start: int) -> Batch:
    """Return the records of a file from the one of this number on."""
    table = np.genfromtxt(file, delimiter=",", names=True, dtype=None, encoding="utf-8")[start:]
    columns = {name: table[name].astype(float) for name in _FEATURES}
    return Batch(columns, table["time"].astype(float), table["pump"].astype(object))


def score(pipeline: Pipeline, batch: Batch) -> dict[str, list[float]]:
    scores = pipeline.process(batch).scores
    return {"score": scores.score.tolist(), "level": scores.level.tolist()}


if __name__ == "__main__":
    main()
