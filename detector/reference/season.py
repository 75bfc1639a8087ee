"""The course of a day and of a week, learned: recursive least squares [1]_ on sine waves of the time.

What was learned fades; a wave that nothing excites would let its uncertainty grow without bound, so that is
capped. State is a block of `SIZE` floats: the weights, then the packed lower half of their covariance.

.. [1] Ljung (1999), System identification: theory for the user, section 11.2.
"""

from __future__ import annotations

import math

from detector.jit import jit

DAYS, WEEKS = 4, 2  # harmonics
TERMS = 1 + 2 * DAYS + 2 * WEEKS
SIZE = TERMS + TERMS * (TERMS + 1) // 2
DAY, WEEK = 86400.0, 604800.0
CALENDAR = 1e8  # a stream's time below this counts records, and tells no season
PRIOR = 1.0  # variance of a weight beforehand: what is explained is in standard deviations


@jit()
def begin(state):  # type: ignore[no-untyped-def]
    """Know nothing of the weights' errors but the prior."""
    place = TERMS
    for i in range(TERMS):
        for j in range(i + 1):
            state[place] = PRIOR if i == j else 0.0
            place += 1


@jit()
def put_waves(terms, at, harmonics, angle):  # type: ignore[no-untyped-def]
    """Write sine and cosine of the angle's multiples."""
    s1, c1 = math.sin(angle), math.cos(angle)
    s, c = 0.0, 1.0
    for h in range(harmonics):
        s, c = s * c1 + c * s1, c * c1 - s * s1
        terms[at + 2 * h], terms[at + 2 * h + 1] = s, c


@jit()
def expect(state, clock, terms):  # type: ignore[no-untyped-def]
    """Return the value expected at a time, in unix seconds; write the terms that it was worked out from.

    Without a calendar only the mean is left. `terms` has `TERMS` places.
    """
    terms[:] = 0.0
    terms[0] = 1.0
    if clock >= CALENDAR:
        put_waves(terms, 1, DAYS, 2.0 * math.pi / DAY * (clock % DAY))
        put_waves(terms, 1 + 2 * DAYS, WEEKS, 2.0 * math.pi / WEEK * (clock % WEEK))
    expected = 0.0
    for i in range(TERMS):
        expected += state[i] * terms[i]
    return expected


@jit()
def learn(state, terms, gain, error, lam):  # type: ignore[no-untyped-def]
    """Learn how far a value lay from what was expected; what was known before fades by `lam`.

    `gain` has `TERMS` places and is used up.
    """
    gain[:] = 0.0
    place = TERMS
    for i in range(TERMS):
        for j in range(i):
            gain[i] += state[place] * terms[j]
            gain[j] += state[place] * terms[i]
            place += 1
        gain[i] += state[place] * terms[i]
        place += 1
    own = 0.0
    for i in range(TERMS):
        own += terms[i] * gain[i]
    if not own >= 0.0:  # rounding, over months, has made the covariance impossible
        begin(state)
        return
    place, largest = TERMS, 0.0
    for i in range(TERMS):
        k = gain[i] / (lam + own)
        state[i] += k * error
        for j in range(i + 1):
            state[place] = (state[place] - k * gain[j]) / lam
            place += 1
        largest = max(largest, state[place - 1])
    if largest > 2.0 * PRIOR:
        for place in range(TERMS, SIZE):
            state[place] *= 2.0 * PRIOR / largest
