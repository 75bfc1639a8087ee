"""The loop of the default detector: a series is watched over a few records, independent rows one by one.

::

    x ─ average of 3 ─▶ chart ─▶ S ─▶ S + echo ────────────▶ score   (a series)
    x ───────────────▶ chart ─▶ S ─▶ S · nearest neighbour ▶ score   (independent rows)

S is a Student score: the sum of log(1 + z²/ν) over the whitened deviations z, up to constants minus twice the
log of a density. One wild column cannot drown the others, as it does in D² = Σ z². `docs/detector.md`
says what each part is worth.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.jit import Bools2, Floats1, Floats2, borrow
from detector.kernel import chart as charts
from detector.kernel import independent, series
from detector.kernel.judge import decide, forgetting, patience_of
from detector.kernel.moved import MOVES, follow
from detector.kernel.plan import ALL, AUTO, FROZEN, IN, INDEPENDENT, NEVER, OUT, PARTS, PAUSED, PLAN, RULE
from detector.kernel.start import start_anew
from detector.reference import moments
from detector.row import (
    CLOCK,
    DIRTY,
    EXCESS,
    EXCESS_SIZE,
    FORM,
    HEAD,
    HELD,
    LEARNED,
    PRIOR,
    SEEN,
    SMOOTHED,
    VECTORS,
    WEIGHT,
)
from detector.verdict import excess

GROSS = (
    3.0  # times the threshold: a record of a series so far out is never learned; the hold keeps the others
)


@borrow()
def deviations(chart, f, d, at, floor, v, z, precision, least, usable):  # type: ignore[no-untyped-def]
    """Write the whitened deviations of f, capped; return the number of usable columns."""
    k = moments.centre(chart, f, v, usable, d)
    moments.floor_squares(chart, least, d, floor)
    charts.cap(chart, d, at, v, least)
    charts.whiten(chart, d, at, k, v, z, precision, least, usable)
    return k


@borrow()
def squeeze(chart, d, at, v, least, usable, u):  # type: ignore[no-untyped-def]
    """Write asinh of each capped deviation in standard deviations; NaN where it is missing."""
    own = charts.own_at(at, d)
    weight = 1.0 / max(chart[WEIGHT] + chart[PRIOR], 1.0)
    for j in range(d):
        far = abs(v[j]) / math.sqrt(chart[own + j] * weight + least[j])
        squeezed = math.copysign(math.log(far + math.sqrt(far * far + 1.0)), v[j])  # faster than math.asinh
        u[j] = squeezed if usable[j] else math.nan


@borrow()
def judge_form(row, parts, x, seen, d, tail):  # type: ignore[no-untyped-def]
    """Find out whether the stream's records hang together; when the answer changes, its scores start anew."""
    serial = row[parts.serial : parts.serial + 4 * d]
    form = INDEPENDENT if independent.looks_independent(serial, seen, d) else AUTO
    if form != row[FORM]:
        row[FORM] = form
        excess.restart(tail)
    independent.note_serial(serial, x, seen, d)


@borrow(inline=True)
def waiting_at(parts, number, d):  # type: ignore[no-untyped-def]
    """Return where in the buffer the record of this number is."""
    return parts.buffer + number % parts.capacity * d


@borrow(inline=True)
def learn_series(  # type: ignore[no-untyped-def]
    row,
    chart,
    f,
    x,
    d,
    at,
    clock,
    seen,
    wanted,
    held,
    warm,
    plan,
    parts,
    v,
    z,
    precision,
    least,
    usable,
    fresh,
):
    """Learn a record of a series: at once while young, later aged, and never out of an excursion.

    The buffer holds the records of the start as they came. Once the series is settled it holds, of those that
    wait, the ones whose turn will come, by the number of the turn; without values if not to be learned.
    """
    now, every, settled = int(seen), int(series.EVERY), max(series.SETTLED, parts.start)
    aged, w, by_records, rounds = f, 1.0, plan.by_records, 1.0
    if seen < parts.start:
        at_start = waiting_at(parts, now, d)
        for j in range(d):
            row[at_start + j] = x[j]
    if seen >= settled:
        until = now + parts.quarantine
        if until % every == 0:
            last = waiting_at(parts, until // every, d)
            for j in range(d):
                row[last + j] = f[j] if wanted else math.nan
        first = waiting_at(parts, now // every, d)
        aged, w, by_records = row[first : first + d], series.EVERY, plan.by_records / series.EVERY
        rounds = series.ROUNDS
        wanted = now % every == 0 and seen - parts.quarantine >= settled and moments.learnable(aged, 0.0, d)
        wanted = wanted and (warm or plan.mode != NEVER)
    if wanted and not held:
        lam = forgetting(chart, clock, d, by_records, plan.by_seconds)
        charts.learn(
            chart, aged, d, at, clock, lam, w, plan.floor, plan.prior, v, z, precision, least,
            usable, fresh,
        )  # fmt: skip
        if chart[LEARNED] % rounds == 0.0:
            axis = int(chart[LEARNED] / rounds) % d
            charts.ridge(chart, d, at, axis, w * rounds * d * series.RIDGE, v)


@borrow((types.int64, *IN, PLAN, PARTS, RULE, RULE, Floats1, *OUT, *MOVES, Floats2, Bools2, Floats1, Floats1))
def loop(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915 - calls from a loop cost more than they tell
    first, rows, slots, X, clock, plan, parts, rule, rule_alone, widen, bias, asked, out, anomalies, values,
    shares, expected, sd, moves, radius, told, why, room, flags, apart, spare,
):  # fmt: skip
    """Take the records from the `first` on as `run` says; stop behind one that completes a start.

    Return how many are taken, and whether a start is complete. The last four arguments are room to work in.
    """
    d = X.shape[1]
    at = VECTORS + 4 * d
    width = at + d * (d + 1) // 2 + 2 * d
    v, z, precision, least, u = room[0], room[1], room[2], room[3], room[4]
    usable, fresh = flags[0], flags[1]
    patience, learns = patience_of(plan), plan.mode != PAUSED
    apart32 = apart.view(np.float32)
    for i in range(first, X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            for j in range(row.size):
                spare[j] = row[j]
            row = spare
        tail, x, seen = row[EXCESS : EXCESS + EXCESS_SIZE], X[i], row[SEEN]
        chart, single = row[HEAD : HEAD + width], row[parts.single : parts.single + width]
        f, neighbours = row[parts.average : parts.average + d], row[parts.near :].view(np.float32)
        both = parts.form == AUTO and seen < independent.DECIDED
        if both:
            judge_form(row, parts, x, seen, d, tail)
        alone = parts.form == INDEPENDENT or (parts.form == AUTO and row[FORM] == INDEPENDENT)
        score, judged, q, q_single = 0.0, False, 0.0, 0.0
        if both or not alone:
            series.average(f, x, chart, d)
            k = deviations(chart, f, d, at, plan.floor, v, z, precision, least, usable)
            if k < d:
                series.put_back(z, precision, usable, k, d)
            context = charts.leading(usable, plan.context)
            scale, missing = chart[width - d :], d - plan.context - k + context
            score, q = series.student(
                chart,
                z,
                precision,
                scale,
                usable,
                plan.context,
                d,
                missing,
                learns and chart[HELD] == 0.0,
                seen,
                u,
            )
            score = series.echo(row, score, excess.in_force(tail, rule, widen, chart[WEIGHT]))
            judged = k > context
        if both or alone:
            k = deviations(single, x, d, at, plan.floor, v, z, precision, least, usable)
            context = charts.leading(usable, plan.context)
            plain, q_single = independent.student(
                single, z, precision, context, k, d - plan.context - k + context
            )
            squeeze(single, d, at, v, least, usable, u)
            nearest = independent.near(row, single, neighbours, u, plain, d, plan.context, apart32, learns)
            lone = plain * nearest
            if seen < independent.FIRST:
                single[SMOOTHED] = plain + 1.0
            elif learns:
                independent.follow(single, SMOOTHED, plain, seen)
            if alone:
                score, judged = lone, k > context
        score = score if judged else 0.0
        warm = seen < plan.warmup
        limit = excess.in_force(
            tail, rule_alone if alone else rule, widen, (single if alone else chart)[WEIGHT]
        )
        told_score, gated = score * bias[i, 0], score * bias[i, 1]
        anomaly = told_score >= limit and judged and not warm
        out[i, 0], out[i, 1] = told_score, limit if judged and not warm else math.nan
        out[i, 2] = excess.tail_p(tail, rule_alone if alone else rule, told_score)
        anomalies[i] = anomaly
        if anomaly or asked[i]:
            for j in range(d):
                values[i, j] = x[j] if alone else f[j]
            charts.explain(
                single if alone else chart, values[i], d, at, plan.context, plan.floor, shares[i],
                expected[i], sd[i],
            )  # fmt: skip
        if plan.mode == FROZEN:
            continue
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        observed = single if alone else chart
        if judged and observed[LEARNED] >= 2 * moments.young_until(d):
            raised = score * max(bias[i, 0], 1.0)
            excess.observe(
                tail, rule_alone if alone else rule, widen, raised, clock[i], warm, observed[WEIGHT], patience
            )
        gross = gated >= GROSS * limit
        wanted = decide(row, gross and judged and not warm, warm, plan.mode, plan.accept) and not (
            warm and gross and row[DIRTY] == 1.0
        )
        if both or not alone:
            before = chart[HELD]
            held = not learns or series.hold(chart, q, seen, parts.hold and plan.mode != ALL, plan.accept)
            if chart[HELD] < before and series.accepted(chart) and not alone:
                excess.restart(tail)
            learn_series(
                row, chart, f, x, d, at, clock[i], seen, wanted and moments.learnable(f, q, d), held, warm,
                plan, parts, v, z, precision, least, usable, fresh,
            )  # fmt: skip
        if both or alone:
            w = 0.0
            if wanted or not alone:  # a fault shall not look usual, however long it lasts
                w = independent.weight_of(single, q_single, seen)
            if plan.mode == ALL:
                w = 1.0
            if (
                w > independent.LEAST_WEIGHT
                and (warm or plan.mode != NEVER)
                and moments.learnable(x, q_single, d)
            ):
                lam = forgetting(single, clock[i], d, plan.by_records, plan.by_seconds)
                charts.learn(
                    single, x, d, at, clock[i], lam, w, plan.floor, plan.prior, v, z, precision,
                    least, usable, fresh,
                )  # fmt: skip
        if told.shape[0] > 0:
            follow(row, observed, x, limit, d, clock[i], plan, moves, radius, anomaly, told, why, i)
        if seen + 1.0 == parts.start and (both or not alone):
            return i + 1, True
    return X.shape[0], False


def run(  # type: ignore[no-untyped-def]
    rows, slots, X, clock, plan, parts, rule, rule_alone, widen, bias, asked, out, anomalies, values,
    shares, expected, sd, moves, radius, told, why,
):  # fmt: skip
    """Do the same as `detector.kernel.mahalanobis.run` by the default detector.

    `parts` says where everything is and what is switched on; `rule` is the threshold's for a series,
    `rule_alone` that for independent rows.
    """
    d = X.shape[1]
    room, flags = np.empty((5, d)), np.empty((2, d), np.bool_)
    apart, spare = np.empty(independent.NEIGHBOURS), np.empty(rows.shape[1])
    taken = 0
    while taken < len(X):
        taken, complete = loop(
            taken, rows, slots, X, clock, plan, parts, rule, rule_alone, widen, bias, asked, out, anomalies,
            values, shares, expected, sd, moves, radius, told, why, room, flags, apart, spare,
        )  # fmt: skip
        if complete:
            start_anew(rows[slots[taken - 1]], clock[taken - 1], plan, parts, room, flags)
