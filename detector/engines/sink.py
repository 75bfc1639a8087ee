"""Where a Spark job writes: a directory for each batch, which appears under its name when it is complete.

::

    OUTPUT/batch=7/scores/part-*.parquet     a row for each record
    OUTPUT/batch=7/alerts.jsonl              query, batch, key and seq of each alert, and the alert

A batch that is done again after a crash gives the same rows; what is there already stays. What a crash
leaves half done begins with a dot.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from detector.durable import make_folder, sync_folder
from detector.failpoints import failpoint

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

log = structlog.get_logger()


class Sink:
    """Takes the batches of a query; what `foreachBatch` calls.

    Parameters
    ----------
    output : Path
        A directory that all machines see under this path.
    """

    def __init__(self, output: Path) -> None:
        self._output = output

    def __call__(self, batch: DataFrame, number: int) -> None:
        """Write a batch; all partitions are computed, also where it is there already: the state needs it."""
        done, draft = self._output / f"batch={number}", self._output / f".batch={number}"
        make_folder(self._output)
        shutil.rmtree(draft, ignore_errors=True)
        batch.write.parquet(str(draft / "scores"))
        query = batch.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId") or ""
        alerts = self._write_alerts(batch, draft, query, number)
        if done.exists():
            shutil.rmtree(draft)
        else:
            draft.rename(done)
            sync_folder(self._output)
        failpoint("after_rename")
        log.info("spark_batch", batch=number, alerts=alerts)

    def _write_alerts(self, batch: DataFrame, draft: Path, query: str, number: int) -> int:
        """Write the alerts of the batch, read back from its scores: it must not be computed twice."""
        from pyspark.sql import functions as F  # noqa: PLC0415, N812

        scores = batch.sparkSession.read.schema(batch.schema).parquet(str(draft / "scores"))
        found = scores.select("key", F.inline("alerts")).orderBy("key", "seq").collect()
        with (draft / "alerts.jsonl").open("x", encoding="utf-8") as file:
            file.writelines(_line(query, number, row) + "\n" for row in found)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(draft)
        return len(found)


def _line(query: str, number: int, row: Row) -> str:
    about = {"query": query, "batch": number, "key": row["key"], "seq": row["seq"]}
    return json.dumps(about)[:-1] + f', "alert": {row["alert"]}}}'
