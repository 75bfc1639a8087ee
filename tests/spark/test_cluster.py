"""On two real worker processes Spark gives what the daemon gives, bit for bit, and takes up its state."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from detector.contracts import Batch
from detector.engines import job as jobs
from detector.engines.keyed import Kept, Keyed
from detector.engines.session import session
from detector.errors import KyoriError
from detector.settings import Pipeline as Settings
from tests.spark import devices

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.timeout(900)]
MASTER = "local-cluster[2,1,1024]"


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    with session(MASTER, "tests", partitions=2) as made:
        yield made


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the daemon has gone over all six files."""
    folder = tmp_path_factory.mktemp("known")
    devices.write(folder)
    devices.daemon(folder)
    return folder


@pytest.fixture(scope="module")
def ran(spark: SparkSession, known: Path) -> Path:
    """The same folder, when Spark has gone over them too, and its state was handed back."""
    job = devices.job(known, MASTER)
    jobs.score(job, spark)
    jobs.hand_back(job, spark, known / "handed")
    return known


def test_scores_are_the_daemons_bit_for_bit(ran: Path) -> None:
    rows = [row for row in devices.spark_rows(ran / "output") if row["key"]]
    found = {(row["key"], row["record"]): devices.numbers(row) for row in rows}
    assert len(rows) == len(found) == devices.DEVICES * devices.RECORDS
    assert len(list((ran / "output").glob("batch=*"))) == devices.FILES
    assert devices.bits(found) == devices.bits(devices.scores(ran))


def test_models_and_alerts_are_the_daemons(ran: Path) -> None:
    assert devices.models(ran / "handed") == devices.models(ran / "state")
    assert len(devices.models(ran / "state")) == devices.DEVICES
    told = devices.spark_alerts(ran / "output")
    ours = [json.dumps(one["alert"]) for one in told]
    theirs = (ran / "alerts.jsonl").read_text().splitlines()
    assert devices.notices(ours) == devices.notices(theirs)
    assert len(theirs) > 3
    (query,) = {one["query"] for one in told}
    assert query
    assert len({(one["batch"], one["key"], one["seq"]) for one in told}) == len(told)


def test_a_torn_line_is_refused_and_nothing_else(ran: Path) -> None:
    refused = [row for row in devices.spark_rows(ran / "output") if row["refused"] is not None]
    assert [(row["key"], row["refused"], row["score"]) for row in refused] == [("", "no_key", None)]


def test_other_features_are_refused(ran: Path, spark: SparkSession) -> None:
    settings = Settings.model_validate({"key": "{dev}", "record": {"features": ["flow", "pressure"]}})
    job = devices.job(ran, MASTER)
    with pytest.raises(KyoriError, match=r"with schema \w+, and the settings are .*another --checkpoint"):
        jobs.score(jobs.Job(**{**vars(job), "settings": settings}), spark)
    with pytest.raises(KyoriError, match="has the batches of another checkpoint"):
        jobs.score(devices.job(ran, MASTER, checkpoint=ran / "new"), spark)


def test_a_daemons_state_goes_on_in_spark_and_at_home(
    known: Path, spark: SparkSession, tmp_path: Path
) -> None:
    """Two files each: by the daemon, by Spark, by a daemon with what Spark hands back."""
    devices.write(tmp_path, [0, 1])
    devices.daemon(tmp_path)
    (tmp_path / "spark" / "0.jsonl").unlink()
    (tmp_path / "spark" / "1.jsonl").unlink()
    devices.write(tmp_path, [2, 3])
    for number in (0, 1):
        (tmp_path / "daemon" / f"{number}.jsonl").unlink()
    job = devices.job(tmp_path, MASTER, seed=tmp_path / "state", files=10)
    jobs.score(job, spark)
    home = tmp_path / "home"
    home.mkdir()
    jobs.hand_back(job, spark, home / "state")
    devices.write(home, [4, 5])
    devices.daemon(home)
    assert devices.models(home / "state") == devices.models(known / "state")
    told = [json.dumps(one["alert"]) for one in devices.spark_alerts(tmp_path / "output")]
    for folder in (tmp_path, home):
        told += (folder / "alerts.jsonl").read_text().splitlines()
    assert devices.notices(told) == devices.notices((known / "alerts.jsonl").read_text().splitlines())


@dataclass(frozen=True)
class Seen(Keyed):
    """Leaves the worker's process and its parent's behind, and waits for those of another."""

    folder: str = ""

    def step(self, key: str, kept: Kept, batch: Batch) -> Any:
        folder, end = Path(self.folder), time.monotonic() + 60.0
        (folder / f"{os.getppid()}-{os.getpid()}").touch()
        while len({one.name.split("-")[0] for one in folder.iterdir()}) < 2 and time.monotonic() < end:
            time.sleep(0.05)
        return Keyed.step(self, key, kept, batch)


def test_two_worker_processes_share_the_keys(known: Path, spark: SparkSession, tmp_path: Path) -> None:
    import sys  # noqa: PLC0415

    from pyspark import cloudpickle  # noqa: PLC0415

    from detector.engines.spark import score_stream  # noqa: PLC0415

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # the tests are not installed there
    job = devices.job(known, MASTER)
    fields = job.settings.layout.numbers
    rows = [row for row in devices.records()[0] if row["seq"] < 5]
    shape = f"dev string, seq long, {', '.join(f'{name} double' for name in fields)}"
    df = spark.createDataFrame([tuple(row[one] for one in ("dev", "seq", *fields)) for row in rows], shape)
    seen = Seen(devices.NAME, job.settings, folder=str(tmp_path))
    try:
        scored = score_stream(df, seen, key="dev", order_by="seq", fields=fields).collect()
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    assert len(scored) == len(rows) == 5 * devices.DEVICES
    found = [one.name.split("-") for one in tmp_path.iterdir()]
    assert len({pid for _, pid in found}) >= 2
    assert len({parent for parent, _ in found}) == 2  # each worker's own


def test_moments_over_partitions_are_those_of_all(spark: SparkSession) -> None:
    from detector.engines.spark import fit_global  # noqa: PLC0415

    rng = np.random.default_rng(0)
    X = (rng.normal(size=(3000, 4)) * (1.0, 10.0, 0.1, 3.0)) @ (np.eye(4) + 0.4) + (5.0, 100.0, -3.0, 0.0)
    X[::97, 1] = np.nan
    rows = [tuple(row) for row in X.tolist()]
    df = spark.createDataFrame(rows, "a double, b double, c double, d double").repartition(7)
    whole = X[np.isfinite(X).all(axis=1)]
    found = fit_global(df, ["a", "b", "c", "d"])
    covariance = np.cov(whole.T, bias=True)
    sd = np.sqrt(np.diag(covariance))
    assert found.records == len(whole)
    assert np.abs((found.covariance - covariance) / np.outer(sd, sd)).max() < 1e-12
    assert np.abs((found.mean - whole.mean(axis=0)) / sd).max() < 1e-12
    with pytest.raises(KyoriError, match="no record has a number"):
        fit_global(df.where("a > 1e9"), ["a"])
