"""`kyori features`: each column, what they have in common, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.study.columns import Column, describe
from detector.study.history import History
from detector.study.redundancy import SAME, TOGETHER, Redundancy, redundancy
from detector.study.text import number, percent, share

_SPARSE = 0.2
_LOUD = 0.9
_WILD = 0.01
_INFLATED = 100.0
_ILL = 1e6
_TELLS = 0.8
_COARSE = 1.0


@dataclass(frozen=True, slots=True)
class Profile:
    """What was found out about the columns of a history.

    Attributes
    ----------
    columns : list of Column
        In the order of the features.
    common : Redundancy
        What they have in common.
    rows : (n,) int
        Place of each record in the input, from 1.
    """

    columns: list[Column]
    common: Redundancy
    rows: NDArray[np.int64]

    @property
    def loudest(self) -> tuple[str, float]:
        """The column with the largest variance, and its share of the sum."""
        variance = np.nan_to_num([column.variance for column in self.columns])
        total = float(variance.sum())
        j = int(np.argmax(variance))
        return self.columns[j].name, float(variance[j]) / total if total > 0.0 else 0.0


def matrix(history: History) -> tuple[Floats, NDArray[np.int64]]:
    """Return the (n, d) numbers as the sensors speak them, impossible ones missing, and the key of each."""
    fields = history.settings.record.fields
    X = np.column_stack([history.columns[field.source] for field in fields])
    for j, field in enumerate(fields):
        if field.valid is not None:
            low, high = field.valid
            X[(X[:, j] < low) | (X[:, j] > high), j] = np.nan
    _, key = np.unique(history.key.astype(str), return_inverse=True)
    return X, key.astype(np.int64)


def profile(history: History) -> Profile:
    """Describe every column of a history."""
    X, key = matrix(history)
    columns = [
        describe(field.name, np.ascontiguousarray(X[:, j]), key, history.truth)
        for j, field in enumerate(history.settings.record.fields)
    ]
    return Profile(columns, redundancy(X, key), history.row)


def advice(found: Profile) -> list[str]:
    """Return what to do, in sentences; the gravest first."""
    said = [line for column in found.columns for line in _alone(column, found.rows)]
    said += _together(found)
    name, part = found.loudest
    if len(found.columns) > 1 and part > _LOUD:
        said.append(
            f"{name} has {percent(part)} of the variance: euclidean, manhattan, chebyshev and minkowski "
            "would measure little else; use mahalanobis or standardized"
        )
    said += _telling(found)
    return said or ["nothing stands out: every column varies, and none repeats another"]


def _alone(column: Column, rows: NDArray[np.int64]) -> list[str]:
    """Return what there is to say of a column by itself."""
    name, said = column.name, []
    if column.distinct == 0:
        return [f"{name} has no number at all: leave it out"]
    if column.distinct == 1:
        return [f"{name} never changes: leave it out, unless its first change is what you wait for"]
    if column.missing > _SPARSE:
        said.append(f"{name} is missing in {percent(column.missing)} of the records")
    if column.rises:
        said.append(f"{name} only ever rises, as a counter does: write {{name: {name}, difference: true}}")
    if column.stuck:
        runs = f"{column.stuck} times" if column.stuck > 1 else "once"
        said.append(
            f"{name} stood still {runs}, at the longest for {column.longest_run} records from row "
            f"{rows[column.longest_at]}: a stuck sensor?"
        )
    if column.outliers > _WILD and column.distinct > 2:
        said.append(
            f"{name} has {percent(column.outliers)} of its values far out (5 robust sd): if they are "
            "impossible, give it valid: [lowest, highest]"
        )
    if column.step > _COARSE * column.sd and column.distinct > 2:
        said.append(
            f"{name} is coarse: its steps of {number(column.step)} exceed its sd, so a single one may alarm"
        )
    return said


def _together(found: Profile) -> list[str]:
    """Return what there is to say of columns that repeat others."""
    names, common = [column.name for column in found.columns], found.common
    same, near = common.groups(SAME), common.groups(TOGETHER)
    said = [
        f"{_named(group, found)} say the same ({_how(group, found, SAME)}): keep one, unless you watch one "
        "sensor by the other"
        for group in same
    ]
    said += [
        f"{_named(group, found)} move together ({_how(group, found, TOGETHER)}): mahalanobis sees when they "
        "no longer do; the other distances count the same thing twice"
        for group in near
        if group not in same
    ]
    told = {j for group in near for j in group}
    said += [
        f"{names[j]} follows from the others (variance inflation {number(inflation)}): a sum or a difference?"
        for j, inflation in enumerate(common.inflation.tolist())
        if inflation > _INFLATED and j not in told
    ]
    if common.condition > _ILL:
        said.append(
            f"the columns are nearly dependent (condition {number(common.condition)}): leave out what "
            "repeats others before you trust a mahalanobis distance"
        )
    return said


def _named(group: list[int], found: Profile) -> str:
    *names, last = (found.columns[j].name for j in group)
    return f"{', '.join(names)} and {last}"


def _how(group: list[int], found: Profile, least: float) -> str:
    """Return the correlation of two columns, or what that of more of them is at least."""
    if len(group) == 2:
        return f"r = {share(float(found.common.correlation[group[0], group[1]]))}"
    return f"|r| of neighbours above {share(least)}"


def _telling(found: Profile) -> list[str]:
    """Return what the labels say of the columns."""
    known = [column for column in found.columns if not np.isnan(column.auc)]
    if not known:
        return []
    best = max(known, key=lambda column: column.auc)
    if best.auc >= _TELLS:
        side = {"both": "on both sides", "above": "above", "below": "below"}[best.side]
        return [f"{best.name} tells best by itself (AUC {share(best.auc)}): anomalies lie {side}"]
    return [
        f"no column tells by itself (the best, {best.name}, has AUC {share(best.auc)}): if the anomalies "
        "show at all, then in how columns move together, or over several records"
    ]
