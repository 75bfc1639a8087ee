"""The source, the output, the distance and the learner of docs/extending.md pass the checks of their kind."""

from __future__ import annotations

import copy
import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import canberra

from connectors.sinks import SINKS
from connectors.sources import SOURCES
from detector.estimators.sklearn_api import MahalanobisDetector
from detector.metric.distances import DISTANCES, distance
from detector.metric.learners import LEARNERS
from tests.brokers import wait_until
from tests.checks import estimators, learners, sinks, sources
from tests.daemon.running import Inside, lines, write_config
from tests.docs.blocks import ROOT, blocks

PAGE = "extending.md"
NAMES = ("queue_source", "queue_harness", "spool_sink", "spool_harness", "canberra", "fisher")
"""Its blocks of Python, in order; a harness belongs to what stands before it."""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ModuleType]]:
    """The blocks as modules, registered as the page says."""
    folder = tmp_path_factory.mktemp("extending")
    found = [one.text for one in blocks((ROOT / "docs" / PAGE).read_text(), PAGE) if one.language == "python"]
    modules: dict[str, ModuleType] = {}
    before: dict[str, Any] = {}
    for name, text in zip(NAMES, found, strict=True):
        (folder / f"{name}.py").write_text(text)
        spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        modules[name] = sys.modules[name] = importlib.util.module_from_spec(spec)
        if name.endswith("_harness"):
            vars(modules[name]).update(before)
        spec.loader.exec_module(modules[name])
        before = {key: value for key, value in vars(modules[name]).items() if key[0] != "_"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(SOURCES, "queue", "queue_source:QueueSource")
        patch.setitem(SINKS, "spool", "spool_sink:SpoolSink")
        patch.setitem(DISTANCES, "canberra", modules["canberra"].canberra)
        patch.setitem(LEARNERS, "fisher", modules["fisher"].LEARNER)
        yield modules
    for name in modules:
        del sys.modules[name]


@pytest.mark.parametrize("check", sources.CHECKS, ids=lambda check: check.__name__)
def test_source(page: dict[str, ModuleType], check: Callable[..., None], tmp_path: Path) -> None:
    check(page["queue_harness"].SOURCE, tmp_path)


@pytest.mark.parametrize("check", sinks.CHECKS, ids=lambda check: check.__name__)
def test_sink(page: dict[str, ModuleType], check: Callable[..., None], tmp_path: Path) -> None:
    check(page["spool_harness"].SINK, tmp_path)


@pytest.mark.parametrize("check", estimators.CHECKS, ids=lambda check: check.__name__)
def test_distance(page: dict[str, ModuleType], check: Callable[..., None]) -> None:
    drivers = dict(estimators.drivers(MahalanobisDetector, ["canberra"]))
    check(copy.deepcopy(drivers["MahalanobisDetector-canberra"]))


def test_distance_is_that_of_scipy(page: dict[str, ModuleType]) -> None:
    rng, shares = np.random.default_rng(0), np.empty(3)
    for x, mean in rng.normal(size=(50, 2, 3)):
        found = distance("canberra").function(x, mean, np.ones(3), 2.0, shares)
        assert found == pytest.approx(canberra(x, mean))
        assert shares.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("check", learners.CHECKS, ids=lambda check: check.__name__)
def test_learner(page: dict[str, ModuleType], check: Callable[[str], None]) -> None:
    check("fisher")


def test_the_daemon_runs_them(page: dict[str, ModuleType], tmp_path: Path) -> None:
    """From the table to the files, with a fault that makes an alert."""
    rng = np.random.default_rng(1)
    records: list[dict[str, Any] | None] = [
        {"time": 1.6e9 + i, **{name: 20 + rng.normal() + 30 * (i > 480) for name in "abcd"}}
        for i in range(500)
    ]
    with page["queue_harness"].queue(tmp_path, records):
        source = {"in": {"type": "queue", "path": "in.db"}}
        output = {"out": {"type": "spool", "path": "spool"}}
        with Inside(write_config(tmp_path, source, output)):
            wait_until(lambda: [*(tmp_path / "spool").glob("*-open-*.json")], 60)
    (opened,) = (tmp_path / "spool").glob("*-open-*.json")
    assert "expected" in lines(opened)[0]
