"""The pipeline on Spark Structured Streaming: a key's records in order, its state in Spark's state store.

Here is no mathematics: a batch's records of a key are gathered, sorted and given to `detector.engines.keyed`.
Importing this needs the extra ``spark``; a session needs Java 17 too, see `detector.engines.session`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it
from pyspark.sql.streaming.stateful_processor import StatefulProcessor, StatefulProcessorHandle
from pyspark.sql.types import DoubleType, StringType, StructType

from connectors.decode.times import Times
from connectors.decode.values import in_range
from detector.contracts import Batch, Floats
from detector.engines.keyed import Kept, Keyed
from detector.errors import KyoriError
from detector.pipeline import Pipeline
from detector.result import Result
from detector.scored import top
from detector.settings import Pipeline as Settings
from detector.snapshot import Moments, measured, united

STATE = "model"
"""Name of the state variable; its value is `Kept.to_bytes`."""
SEED = "key string, state binary"
_OUT = (
    "key string, {order}, record long, score double, level double, p double, anomaly boolean, top string, "
    "refused string, alerts array<struct<seq: bigint, alert: string>>"
)


def score_stream(
    df: DataFrame,
    detector: Settings | Keyed,
    *,
    key: str,
    order_by: str,
    fields: Sequence[str],
    seed: DataFrame | None = None,
) -> DataFrame:
    """Return a row for each record of a stream, as `kyori score` writes it, with the alerts that it caused.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Streaming or not, with the columns that are named here, and that of the settings' time.
    detector : detector.settings.Pipeline or Keyed
        How to score; settings alone make alerts of a pipeline called ``spark``.
    key : str
        Column of the model's name. A record without one is refused.
    order_by : str
        Column that sorts the records of a key within a batch. Of equal ones, the fields decide which is
        first: the shuffle keeps no order, and what is done again after a crash must come out the same.
    fields : sequence of str
        Columns with the numbers that the settings name; null and NaN are missing values.
    seed : pyspark.sql.DataFrame, optional
        Of columns ``key`` and ``state``: what to begin with, at the first batch of the first start.

    Returns
    -------
    pyspark.sql.DataFrame
        ``key``; ``order``: what it was sorted by; ``record``: its number among all of the key, from 1;
        ``score``, ``level``, ``p``, ``anomaly``, ``top`` as of `kyori score`; ``refused``: why it was not
        scored, or null; ``alerts``: those of the whole batch, at the last record of a key, each with ``seq``,
        its number among all of the key, and ``alert`` in JSON.

    Raises
    ------
    KyoriError
        A column is missing, or the settings need what a stream of tables does not have.
    """
    keyed = detector if isinstance(detector, Keyed) else Keyed("spark", detector)
    layout = keyed.settings.layout
    if layout.waves or layout.join:
        raise KyoriError("waveforms and record.join are not for Spark: give it records with numbers")
    lacking = [name for name in layout.numbers if name not in fields]
    if lacking:
        raise KyoriError(f"the settings need {', '.join(lacking)}, which is not among the fields")
    wanted = [key, order_by, *layout.numbers, *([layout.time] if layout.time else [])]
    unknown = [name for name in wanted if name not in df.columns]
    if unknown:
        raise KyoriError(f"the table has no column {', '.join(unknown)}; it has: {', '.join(df.columns)}")
    taken = [
        F.coalesce(F.trim(F.col(f"`{key}`").cast(StringType())), F.lit("")).alias("key"),
        F.col(f"`{order_by}`").alias("order"),
        (F.col(f"`{layout.time}`") if layout.time else F.lit(None).cast(DoubleType())).alias("time"),
        *(F.col(f"`{name}`").cast(DoubleType()).alias(f"f{i}") for i, name in enumerate(layout.numbers)),
    ]
    records = df.select(*taken)
    order = f"order {records.schema['order'].dataType.simpleString()}"
    initial = seed.groupBy("key") if seed is not None else None
    return records.groupBy("key").transformWithStateInPandas(
        _Processor(keyed, order_by == layout.time), _OUT.format(order=order), "Append", "None", initial
    )


def fit_global(df: DataFrame, fields: Sequence[str]) -> Moments:
    """Return mean and covariance of whole records over all partitions, and how many there are.

    Each partition gives its own, which are merged on the driver [1]_. A record that lacks a field, or has
    a value that is no number, does not count.

    Parameters
    ----------
    df : pyspark.sql.DataFrame
        Not streaming.
    fields : sequence of str
        Its columns.

    Raises
    ------
    KyoriError
        There is no whole record.

    References
    ----------
    .. [1] Chan, Golub, LeVeque (1983), Algorithms for computing the sample variance.
    """
    d = len(fields)

    def of_partition(parts: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        found = [measured(part.to_numpy(np.float64)) for part in parts]
        whole = reduce(united, found, Moments(np.zeros(d), np.zeros((d, d)), 0.0))
        yield pd.DataFrame([{"n": whole.records, "mean": whole.mean, "covariance": whole.covariance.ravel()}])

    columns = [F.col(f"`{name}`").cast(DoubleType()).alias(f"f{i}") for i, name in enumerate(fields)]
    shape = "n double, mean array<double>, covariance array<double>"
    found = df.select(*columns).mapInPandas(of_partition, shape).collect()
    parts = [Moments(np.array(r.mean), np.array(r.covariance).reshape(d, d), r.n) for r in found]
    whole = reduce(united, parts, Moments(np.zeros(d), np.zeros((d, d)), 0.0))
    if whole.records == 0.0:
        raise KyoriError(f"no record has a number in each of: {', '.join(fields)}")
    return whole


class _Processor(StatefulProcessor):
    """What Spark calls for each key of a batch; `timed`: the order is that of the times, however written."""

    def __init__(self, keyed: Keyed, timed: bool) -> None:
        self._keyed = keyed
        self._first = ["time", "order"] if timed else ["order", "time"]

    def init(self, handle: StatefulProcessorHandle) -> None:
        self._state = handle.getValueState(STATE, StructType().add("state", "binary"))

    def handleInitialState(self, key: Any, initialState: pd.DataFrame, timerValues: Any) -> None:  # noqa: N802
        self._state.update((bytes(initialState["state"].iloc[0]),))

    def handleInputRows(  # noqa: N802
        self, key: Any, rows: Iterator[pd.DataFrame], timerValues: Any
    ) -> Iterator[pd.DataFrame]:
        (name,) = key
        records = pd.concat(list(rows), ignore_index=True)
        layout = self._keyed.settings.layout
        faults: Counter[tuple[str, str]] = Counter()
        if layout.time:
            times = Times(layout.time_format, layout.timezone)
            records["time"] = times.column(_plain(records["time"]), layout.time, faults)
        numbers = [f"f{i}" for i in range(len(layout.numbers))]
        records = records.sort_values([*self._first, *numbers], kind="stable", ignore_index=True)
        if not name:
            yield _table(name, records, 0)
            return
        columns: dict[str, Floats] = {
            field: in_range(records[column].to_numpy(np.float64, copy=True), field, faults)
            for field, column in zip(layout.numbers, numbers, strict=True)
        }
        time = records["time"].to_numpy(np.float64, na_value=np.nan)
        batch = Batch(columns, time, np.full(len(records), name, object), faults=faults)
        kept = self._kept()
        pipeline, result, after = self._keyed.step(name, kept, batch)
        self._state.update((after.to_bytes(),))
        table = _table(name, records, kept.records)
        _fill(table, result, pipeline)
        table["alerts"] = _told(result, len(records), kept.alerts)
        yield table

    def _kept(self) -> Kept:
        found = self._state.get()
        return Kept.from_bytes(bytes(found[0])) if found is not None else Kept()


def _table(key: str, records: pd.DataFrame, before: int) -> pd.DataFrame:
    """Return the rows of records that say nothing yet."""
    n = len(records)
    table = pd.DataFrame({"key": [key] * n, "order": records["order"]})
    table["record"] = np.arange(before + 1, before + n + 1)
    for name in ("score", "level", "p"):
        table[name] = np.full(n, np.nan)
    table["anomaly"] = np.zeros(n, np.bool_)
    table["top"] = ""
    table["refused"] = "no_key" if not key else None
    table["alerts"] = [[] for _ in range(n)]
    return table


def _fill(table: pd.DataFrame, result: Result, pipeline: Pipeline) -> None:
    """Write what the pipeline says of the records that it used, and why it did not use the others."""
    scores, used = result.scores, result.used
    for name in ("score", "level", "p", "anomaly"):
        column = table[name].to_numpy(copy=True)
        column[used] = getattr(scores, name)
        table[name] = column
    named, refused = table["top"].to_list(), table["refused"].to_list()
    context = pipeline.vector.context
    for i in np.flatnonzero(scores.anomaly).tolist():
        named[used[i]] = top(scores.shares[i, context:], pipeline)
    for rejected in result.rejected:
        refused[rejected.row] = rejected.reason
    table["top"], table["refused"] = named, refused


def _told(result: Result, n: int, before: int) -> list[list[dict[str, Any]]]:
    """Return the alerts of each of n records, numbered on."""
    told: list[list[dict[str, Any]]] = [[] for _ in range(n)]
    for seq, alert in enumerate(result.alerts, before + 1):
        told[-1].append({"seq": seq, "alert": alert.to_json()})
    return told


def _plain(column: pd.Series) -> list[Any]:
    """Return values as a decoder of records has them, None where there is none."""
    return [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
