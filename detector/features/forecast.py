"""What a forecast missed: level, trend and season by additive Holt-Winters [1]_, or the season alone.

With e = y - (level + trend + season), what a forecast of one record missed::

    level  += trend + alpha e
    trend  += alpha beta e
    season += gamma e

(the component form in [1]_, solved for the error). The season's course is told by knots with straight
lines between [2]_: a record changes the two beside it, by how near they are. A season that is counted in
records has one knot a record, and is then that of the textbook. While a knot is young its share is that of a
mean, 1 / n, so that the first season is not taken at its word. A profile is the season alone: no level, no
trend.

A fault must not become what is expected, a season later for instance. So an error counts for at most `clip`
times its usual size when level, trend and season learn from it, the Huber function of [3]_; the usual size is
a running mean of these errors, so a new level is followed after a while. What a knot learns in its first
seasons is not limited, since it may have begun with a fault.

The first season is only learned: there is no forecast, and so no residual. The level begins as the mean of
its knots, the trend at 0.

.. [1] Hyndman and Athanasopoulos (2021), Forecasting: principles and practice, 3rd ed., section 8.3.
.. [2] Linear B-splines, as in Harvey and Koopman (1993), Forecasting hourly electricity demand using
   time-varying splines, J. Am. Stat. Assoc. 88.
.. [3] Gelper, Fried and Croux (2010), Robust forecasting with exponential and Holt-Winters smoothing,
   J. Forecast. 29.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numba import types
from numpy.typing import NDArray

from detector.contracts import Floats
from detector.features import season
from detector.jit import Bools1, Floats1, Floats2, Ints1, jit
from detector.settings import Residual

# places of each feature, before its knots
_BEGUN = 0  # place in time of its first value, NaN = none yet
_RUNS = 1  # 1 = the first season is over
_LEVEL = 2
_TREND = 3
_CROWD = 4  # records a knot, in the first season
_ERRORS = 5  # how many there were
_USUAL = 6  # their usual size
_HEAD = 7

_YOUNG = 3.0  # seasons
_FADES = 0.02  # part of an error's size that is new in the usual one
_ROUNDING = 1e-9  # of the value: errors so small are none


class Forecast:
    """Takes from features what was forecast of them.

    Parameters
    ----------
    settings : Residual
        The model of the course.
    fields : mapping of int to str
        Columns of the vector that it holds for, and the field of each.
    zone : str
        Time zone of days and weeks.

    Attributes
    ----------
    extra : int
        Places needed in a model's row: the number of records, then for each column the state, the knots and
        their weights.
    """

    def __init__(self, settings: Residual, fields: Mapping[int, str], zone: str) -> None:
        self._fields, self._zone = fields, zone
        self._columns = np.array(list(fields), np.int64)
        self._counted = settings.by_records
        self._season, self._knots = float(settings.season), settings.points
        profile = settings.model == "profile"
        clip = np.inf if settings.clip is None else settings.clip
        self._gains = np.array([0.0 if profile else settings.alpha, settings.beta, settings.gamma, clip])
        self.extra = (1 + len(fields) * (_HEAD + 2 * self._knots)) if fields else 0

    def miss(
        self,
        X: Floats,
        rows: Floats,
        slots: NDArray[np.int64],
        at: int,
        time: Floats,
        held: NDArray[np.bool_],
    ) -> tuple[Floats, NDArray[np.bool_], dict[tuple[str, str], int]]:
        """Make the columns what the forecast missed, NaN where there is no forecast.

        Parameters
        ----------
        X : ndarray of shape (n, d)
            Vectors; changed in place.
        rows, slots, at
            The models' rows, of which record which, and where the places are.
        time : ndarray of shape (n,)
            Unix seconds, NaN where there is none.
        held : ndarray of shape (n,)
            Which records are not learned.

        Returns
        -------
        forecast : ndarray of shape (n, d)
            What X lacks now; 0 in the other columns.
        waits : ndarray of shape (n,)
            Which records belong to the first season of their key.
        faults : dict of (reason, field) to int
            Values that came at no known time.
        """
        clock = season.local(time, self._zone)
        forecast, waits = np.zeros(X.shape), np.zeros(len(X), np.bool_)
        faults: dict[tuple[str, str], int] = {}
        if not self._counted and np.isnan(clock).any():
            blind = ~np.isnan(X) & np.isnan(clock)[:, None]
            for j, name in self._fields.items():
                faults["no_time", name] = faults.get(("no_time", name), 0) + int(blind[:, j].sum())
        _miss(
            X, rows, slots, at, clock, held, self._counted, self._season, self._knots, self._columns,
            self._gains, forecast, waits,
        )  # fmt: skip
        return forecast, waits, faults

    def begin_live(self, rows: Floats, at: int) -> None:
        """Keep the course that a history taught, if the clock tells the place in it."""
        if self._counted:
            rows[:, at : at + self.extra] = np.nan


@jit()
def _begin(state, knots, level):  # type: ignore[no-untyped-def]
    """End the first season: take the mean of the knots out of them, if there is a level to hold it."""
    seen, total, weight = 0, 0.0, 0.0
    for k in range(_HEAD, _HEAD + knots):
        if state[k + knots] > 0.0:
            seen += 1
            total += state[k]
            weight += state[k + knots]
    state[_RUNS] = 1.0
    state[_CROWD] = max(weight / seen, 1.0)
    if level:
        state[_LEVEL] = total / seen
        for k in range(_HEAD, _HEAD + knots):
            state[k] -= total / seen


@jit()
def _clipped(state, error, clip, nothing):  # type: ignore[no-untyped-def]
    """Return an error as far as it counts, and learn the usual size of what counts."""
    usual = state[_USUAL]
    counted = error
    if usual > nothing:
        counted = min(max(error, -clip * usual), clip * usual)
    state[_ERRORS] += 1.0
    state[_USUAL] += max(_FADES, 1.0 / state[_ERRORS]) * (abs(counted) - usual)
    return counted


@jit()
def _learn(state, knot, knots, share, error, least):  # type: ignore[no-untyped-def]
    """Move a knot by its share of an error; a young one by that of a mean."""
    if share > 0.0:
        state[knot + knots] += share
        state[knot] += share * max(least, 1.0 / state[knot + knots]) * error


@jit()
def _follow(state, now, season, knots, value, gains, learns):  # type: ignore[no-untyped-def]
    """Return what is forecast, NaN while that is not known, then learn the value, which may be missing."""
    missing = math.isnan(value)
    if math.isnan(state[_BEGUN]):
        if missing or not learns:
            return math.nan
        state[:] = 0.0
        state[_BEGUN] = now
    if state[_RUNS] == 0.0 and abs(now - state[_BEGUN]) >= season:
        _begin(state, knots, gains[0] > 0.0)
    place = (now % season) * knots / season
    near = min(int(place), knots - 1)
    far = (near + 1) % knots
    share = place - near
    a, b = _HEAD + near, _HEAD + far
    base = state[_LEVEL] + state[_TREND]
    known = state[_RUNS] == 1.0 and state[a + knots] > 0.0 and (share == 0.0 or state[b + knots] > 0.0)
    expected = (1.0 - share) * state[a] + share * state[b]
    forecast = base + expected if known else math.nan
    if not learns:
        return forecast
    state[_LEVEL] = base
    if missing:
        return forecast
    if not known:  # the values themselves, until there is a level to take from them
        _learn(state, a, knots, 1.0 - share, value - base - state[a], 0.0)
        _learn(state, b, knots, share, value - base - state[b], 0.0)
        return forecast
    error = value - forecast
    counted = _clipped(state, error, gains[3], _ROUNDING * abs(value))
    state[_LEVEL] += gains[0] * counted
    state[_TREND] += gains[0] * gains[1] * counted
    least, young = gains[2] / state[_CROWD], _YOUNG * state[_CROWD]
    _learn(state, a, knots, 1.0 - share, error if state[a + knots] < young else counted, least)
    _learn(state, b, knots, share, error if state[b + knots] < young else counted, least)
    return forecast


@jit(
    types.void(
        Floats2, Floats2, Ints1, types.int64, Floats1, Bools1, types.boolean, types.float64, types.int64,
        Ints1, Floats1, Floats2, Bools1,
    )
)  # fmt: skip
def _miss(X, rows, slots, at, clock, held, counted, season, knots, columns, gains, forecast, waits):  # type: ignore[no-untyped-def]
    size = _HEAD + 2 * knots
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        now = clock[i]
        if counted:
            now = 0.0 if math.isnan(row[at]) else row[at]
            row[at] = now + 1.0
        begun, running = False, False
        for f in range(columns.shape[0]):
            j = columns[f]
            start = at + 1 + f * size
            if math.isnan(now):
                forecast[i, j] = math.nan
            else:
                state = row[start : start + size]
                forecast[i, j] = _follow(state, now, season, knots, X[i, j], gains, not held[i])
            X[i, j] -= forecast[i, j]
            begun |= not math.isnan(row[start + _BEGUN])
            running |= row[start + _RUNS] == 1.0
        waits[i] = begun and not running
