"""Five daemons and one broker: what each learns, all know; a sixth begins with it; nothing counts twice."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.contracts import Alert, Batch
from detector.fleet.gathered import Gathered
from detector.fleet.giving import shape_of
from detector.pipeline import Pipeline
from detector.registry import load_config
from detector.snapshot import Moments, moments
from tests.brokers import Broker, broker, needs_mosquitto, wait_until
from tests.connectors.mqtt_help import Subscriber
from tests.daemon.process import FEATURES, records, write_csv
from tests.daemon.running import Process, lines, write_config

__all__ = ["broker"]

PATIENCE_S = 240.0

PLAIN: dict[str, Any] = {
    "mode": "plain", "learn_from": "all", "covariance": {"shrink": "off", "floor": 0.0},
    "threshold": {"kind": "radius"},
}  # fmt: skip
"""What learns every record for good: then the moments of two units are those of all their records."""


class Unit:
    """A daemon at the edge, with records of its own."""

    def __init__(self, folder: Path, name: str, broker: Broker, X: np.ndarray) -> None:
        self.folder, self.name, self.X = folder / name, name, X
        self.folder.mkdir()
        write_csv(self.folder / "in.csv", X)
        fleet = {"type": "mqtt", "url": broker.url, "client_id": name, "publish_every": "1s"}
        sources = {"in": {"type": "file", "paths": ["in.csv"]}}
        self.config = write_config(self.folder, sources, detector=PLAIN, file={"fleet": fleet})

    def start(self) -> Process:
        return Process(self.folder, str(self.config))


class Listener:
    """Hears what the units give, as another unit would."""

    def __init__(self, broker: Broker, unit: Unit) -> None:
        pipeline = Pipeline("p", load_config(unit.config).pipelines["p"])
        self.gathered = Gathered("p", shape_of(pipeline))
        self._subscriber = Subscriber(broker.port, "kyori/fleet/p/+")
        self._taken = 0

    def records(self) -> dict[str, float]:
        """Return how many records each unit has given the moments of by now."""
        for message in self._subscriber.messages[self._taken :]:
            self._taken += 1
            self.gathered.take(message.topic.rpartition("/")[2], message.payload)
        return {unit: one.records for unit, one in self.gathered.units.items()}

    def moments(self) -> Moments:
        charts = self.gathered.start("", by_key=False)
        assert charts is not None
        return moments(charts[0], len(FEATURES), full=True)

    def close(self) -> None:
        self._subscriber.close()


def assert_are_those_of(found: Moments, X: np.ndarray) -> None:
    """Mean and covariance, to a part in 10^12 of each column's standard deviation."""
    sd = X.std(axis=0)
    assert found.records == len(X)
    np.testing.assert_allclose(found.mean / sd, X.mean(axis=0) / sd, rtol=0, atol=1e-12)
    cov = np.cov(X.T, ddof=0) / np.outer(sd, sd)
    np.testing.assert_allclose(found.covariance / np.outer(sd, sd), cov, rtol=0, atol=1e-12)


def alone(unit: Unit) -> list[Alert]:
    """Return what a unit would tell that belongs to no fleet."""
    columns = {feature: unit.X[:, j].copy() for j, feature in enumerate(FEATURES)}
    batch = Batch(columns, 1.6e9 + np.arange(len(unit.X)), np.full(len(unit.X), "", object))
    return list(Pipeline("p", load_config(unit.config).pipelines["p"]).process(batch).alerts)


@needs_mosquitto
@pytest.mark.crash
def test_five_units_learn_one_reference_and_a_sixth_begins_with_it(tmp_path: Path, broker: Broker) -> None:
    base = records(5400, seed=3, faults=0)
    X = [part + 0.1 * i for i, part in enumerate(np.split(base[:4400], [400, 900, 3200, 3900]))]
    units = [Unit(tmp_path, f"unit-{i}", broker, part) for i, part in enumerate(X)]
    listener = Listener(broker, units[0])
    expected = {unit.name: float(len(unit.X)) for unit in units}
    with ExitStack() as running:
        running.callback(listener.close)
        first, *_ = [running.enter_context(unit.start()) for unit in units if unit.name != "unit-2"]
        cut = running.enter_context(units[2].start())
        cut.wait_for("ready", PATIENCE_S)
        cut.process.kill()  # in the midst of reading, or of giving
        cut.finish()
        again = running.enter_context(units[2].start())
        wait_until(lambda: listener.records() == expected, PATIENCE_S)
        assert_are_those_of(listener.moments(), np.concatenate(X))

        first.stop()  # what it gave stays; started again it gives the same, which is not added to it
        again.stop()
        running.enter_context(units[0].start()).wait_for("fleet_given", PATIENCE_S)
        assert listener.records() == expected
        assert_are_those_of(listener.moments(), np.concatenate(X))

        # A new unit that is broken from its first record on: by itself it takes that for normal.
        far = base[4400:4800] + 6 * np.std(base, axis=0)
        new = Unit(tmp_path, "unit-5", broker, far)
        assert not alone(new)
        sixth = running.enter_context(new.start())
        assert sixth.wait_for("model_begins_warm", PATIENCE_S)["units"] == 5
        wait_until(lambda: listener.records() == expected | {"unit-5": 400.0}, PATIENCE_S)
        wait_until(lambda: lines(new.folder / "out.jsonl"), PATIENCE_S)
        assert '"record": 103' in lines(new.folder / "out.jsonl")[0]  # 3 of 5 after a warm-up of 100
        assert_are_those_of(listener.moments(), np.concatenate([*X, far]))
