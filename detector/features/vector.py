"""From columns to vectors: pick the fields, drop the impossible, take logarithm, change, mean or residual.

The steps of a feature come in this order: unit, valid range, logarithm, difference, outliers, smoothing,
forecast. From the difference on they remember something from record to record; they keep it at the end of the
model's row, and so do lags.

Context comes first in the vector: the kernel judges the columns after it, given these.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from operator import add
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.contracts import LARGEST, Floats
from detector.features import season, steps
from detector.features.forecast import Forecast
from detector.features.hampel import Outliers
from detector.settings import Feature, Record

DISPLAY = {"unit", "valid", "field", "direction", "ignore_below", "stuck_after"}
"""What may change without making what was learned useless."""


class Carried(NamedTuple):
    """What the steps that remember something have to say.

    Attributes
    ----------
    forecast : (n, d) or None
        What was taken from X as forecast; None: nothing was.
    waits : (n,) bool
        Records of a first season, of which there is no forecast yet: not for a model to learn.
    faults : dict of (reason, field) to int
        Values that were outliers, or came at no known time.
    """

    forecast: Floats | None
    waits: NDArray[np.bool_]
    faults: dict[tuple[str, str], int]


class Vector:
    """The columns of a pipeline, in their fixed order.

    They are: context fields, sine waves of the day, of the week, lags, and then what is judged.

    Parameters
    ----------
    record : Record
        What to take from a record, and how.

    Attributes
    ----------
    features : tuple of Feature
        What is judged: the last columns.
    context : int
        Number of columns before them.
    columns : ndarray of int
        The column of each of `record.fields`.
    labels : tuple of str
        What a person calls each column, as in "at this hour".
    missed : ndarray of bool
        Of which of the features what a forecast missed is judged, not the value.
    extra : int
        Places needed at the end of a model's row.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self.features = record.judged
        given, fields = record.context.given, record.fields
        self._fields = fields
        lags = [_lags(record, j) for j in range(len(fields))]
        waves = ["hour"] * (2 * record.context.hour_of_day) + ["weekday"] * (2 * record.context.day_of_week)
        before = [f"recent {fields[j].name}" for j in range(len(fields)) for _ in range(lags[j])]
        head = [*(field.name for field in given), *waves, *before]
        self.context = len(head)
        self.labels = (*head, *(feature.name for feature in self.features))
        self._waves = len(given)
        self.columns = np.array([*range(len(given)), *range(self.context, len(self.labels))])
        self._lags = np.array(lags)
        self._difference = np.array([field.difference for field in fields])
        self._alpha = np.array([2.0 / (field.smooth + 1.0) for field in fields])
        self._stepped = bool(self._difference.any() or (self._alpha < 1.0).any())
        self._outliers = Outliers(fields, record.clean.hampel, self.columns)
        judged = zip(self.columns[len(given) :].tolist(), self.features, strict=True)
        self.missed = np.array([feature.name in record.forecast for feature in self.features])
        missed = {j: feature.source for j, feature in judged if feature.name in record.forecast}
        self._forecast = Forecast(record.residual, missed, record.zone)
        self._forecast_at = (2 * len(fields) if self._stepped else 0) + sum(lags) + self._outliers.extra
        self.extra = self._forecast_at + self._forecast.extra

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def names(self) -> tuple[str, ...]:
        """What each judged column is, with what was done to it: ``bytes:log:difference``."""
        missed = (":residual" if missed else "" for missed in self.missed)
        return tuple(map(add, map(described, self.features), missed))

    @property
    def told(self) -> tuple[Feature, ...]:
        """What is judged, by names that say so where it is not the value: ``flow:residual``."""
        return tuple(
            feature.model_copy(update={"name": f"{feature.name}:residual"}) if missed else feature
            for feature, missed in zip(self.features, self.missed, strict=True)
        )

    @property
    def meaning(self) -> dict[str, Any]:
        """What the columns are, as plain data: a model that learned others is of no use for these."""
        dump = self.record.model_dump(
            include={"features", "context"},
            exclude={
                "features": {"__all__": DISPLAY},
                "context": {"features": {"__all__": DISPLAY}, "tz": True},
            },
        )
        context = self.record.context
        more: dict[str, Any] = {}
        if self._outliers.extra:
            more["hampel"] = self.record.clean.hampel.model_dump()
        if self._forecast.extra:
            more["residual"] = [self.record.residual.model_dump(), self.record.forecast, self.record.zone]
        return {
            **dump,
            **more,
            "zone": self.record.zone if context.hour_of_day or context.day_of_week else "",
        }

    def point(self, values: Mapping[str, float]) -> Floats:
        """Return the vector of the features' values in their own units; needs a context of none."""
        given = [(feature, values[feature.name]) for feature in self.features]
        return np.array([math.log(value) if feature.log else value for feature, value in given])

    def read(self, columns: Mapping[str, Floats], time: Floats) -> tuple[Floats, dict[tuple[str, str], int]]:
        """Return X, without its lags, and how many values of which field were refused, by reason.

        Parameters
        ----------
        columns : mapping of str to (n,) float64
            Numbers by field name; a field that is not there is missing throughout.
        time : (n,) float64
            Unix seconds, NaN where there is none.

        Returns
        -------
        X : ndarray of shape (n, d)
            NaN = missing.
        faults : dict of (reason, field) to int
        """
        X = np.full((len(time), len(self)), np.nan)
        faults: dict[tuple[str, str], int] = {}
        for j, feature in zip(self.columns.tolist(), self._fields, strict=True):
            values = columns.get(feature.source)
            if values is None:
                continue
            X[:, j] = values
            if feature.convert is not None:
                X[:, j] = feature.convert.into(values)
                _refuse(X[:, j], np.abs(X[:, j]) > LARGEST, "out_of_range", feature.source, faults)
            if feature.valid is not None:
                low, high = feature.valid
                _refuse(X[:, j], (X[:, j] < low) | (X[:, j] > high), "not_valid", feature.source, faults)
            if feature.log:
                _refuse(X[:, j], X[:, j] <= 0, "no_logarithm", feature.source, faults)
                X[:, j] = np.log(X[:, j])
        days, weeks = self.record.context.hour_of_day, self.record.context.day_of_week
        if days or weeks:
            season.waves(season.local(time, self.record.zone), days, weeks, X, self._waves)
        return X, faults

    def carry(
        self,
        X: Floats,
        rows: Floats,
        slots: NDArray[np.int64],
        at: int,
        time: Floats,
        held: NDArray[np.bool_],
    ) -> Carried:
        """Apply the steps that remember something, and fill in lags.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            As `read` returned it; changed in place.
        rows : ndarray of shape (n_models, width)
            What is remembered stands in them from `at`; changed in place, NaN = nothing yet.
        slots : ndarray of shape (n,)
            Row of each record.
        time : ndarray of shape (n,)
            Unix seconds, NaN where there is none.
        held : ndarray of shape (n,)
            Which records are not learned: a forecast leaves them out, the other steps go on.
        """
        columns, end = self.columns, at + self._forecast_at
        faults: dict[tuple[str, str], int] = {}
        forecast, waits = None, np.zeros(len(X), np.bool_)
        if self._stepped:
            steps.difference(X, rows, slots, at, columns, self._difference)
        if self._outliers.extra:
            faults |= self._outliers.find(X, rows, slots, end - self._outliers.extra)
        if self._stepped:
            steps.smooth(X, rows, slots, at + len(columns), columns, self._alpha)
            at += 2 * len(columns)
        if self._forecast.extra:
            forecast, waits, timeless = self._forecast.miss(X, rows, slots, end, time, held)
            faults |= timeless
        if self._lags.any():
            first = self.context - int(self._lags.sum())
            steps.lag(X, rows, slots, at, columns, self._lags, first)
        return Carried(forecast, waits, faults)

    def begin_live(self, rows: Floats, at: int) -> None:
        """Forget what is remembered from record to record, but the course of a season."""
        end = at + self._forecast_at
        rows[:, at:end] = np.nan
        self._forecast.begin_live(rows, end)


def described(feature: Feature) -> str:
    """Return a feature's name with what is done to its values: two of one name may be something else.

    >>> described(Feature(name="bytes", log=True, smooth=5))
    'bytes:log:smooth=5'
    """
    done = (":log" * feature.log, ":difference" * feature.difference)
    return feature.name + "".join(done) + (f":smooth={feature.smooth:g}" if feature.smooth > 1 else "")


def _lags(record: Record, j: int) -> int:
    """Return how many lags the j-th field has; the context's own apply to what is judged."""
    own = record.fields[j].lags
    if own is not None:
        return own
    return record.context.lags if j >= len(record.context.given) else 0


def _refuse(
    column: Floats,
    bad: NDArray[np.bool_],
    reason: str,
    field: str,
    faults: dict[tuple[str, str], int],
) -> None:
    count = int(bad.sum())
    if count:
        column[bad] = np.nan
        faults[reason, field] = faults.get((reason, field), 0) + count
