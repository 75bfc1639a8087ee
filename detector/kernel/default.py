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

from detector.jit import Floats1, jit
from detector.kernel import chart as charts
from detector.kernel import independent, series
from detector.kernel.judge import decide, forgetting
from detector.kernel.moved import MOVES, follow
from detector.kernel.plan import ALL, AUTO, FROZEN, IN, INDEPENDENT, NEVER, OUT, PARTS, PLAN, RULE
from detector.reference import moments
from detector.reference.robust import robust_start
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


@jit()
def deviations(chart, f, d, at, floor, v, z, precision, least, usable):  # type: ignore[no-untyped-def]
    """Write the whitened deviations of f, capped; return the number of usable columns."""
    k = moments.centre(chart, f, v, usable, d)
    moments.floor_squares(chart, least, d, floor)
    charts.cap(chart, d, at, v, least)
    charts.whiten(chart, d, at, k, v, z, precision, least, usable)
    return k


@jit()
def number(usable, columns):  # type: ignore[no-untyped-def]
    """Write which columns are usable."""
    a = 0
    for j in range(usable.size):
        if usable[j]:
            columns[a] = j
            a += 1


@jit()
def squeeze(chart, d, at, v, least, usable, u):  # type: ignore[no-untyped-def]
    """Write asinh of each capped deviation in standard deviations; NaN where it is missing."""
    own = charts.own_at(at, d)
    weight = 1.0 / max(chart[WEIGHT] + chart[PRIOR], 1.0)
    for j in range(d):
        u[j] = math.asinh(v[j] / math.sqrt(chart[own + j] * weight + least[j])) if usable[j] else math.nan


@jit()
def robust(row, chart, f, buffer, d, at, clock, plan, parts, v, z, precision, least, usable, fresh):  # type: ignore[no-untyped-def]
    """Start anew from the records of the start that are clean; return False, and do nothing, if all are."""
    start = buffer[: parts.start * (d + 1)].reshape(parts.start, d + 1)[:, :d].copy()
    weights = robust_start(start, plan.floor)
    series.spare_runs(weights)
    if weights.min() > 0.0:
        return False
    scale = chart[-d:].copy()
    chart[:] = 0.0
    chart[VECTORS + d : VECTORS + 2 * d] = math.nan
    chart[-d:] = scale
    f[:] = math.nan
    for i in range(parts.start):
        if weights[i] > 0.0:
            series.average(f, start[i], chart, d)
            charts.learn(
                chart, f, d, at, clock, 1.0, 1.0, plan.floor, plan.prior, v, z, precision, least,
                usable, fresh,
            )  # fmt: skip
    return True


@jit()
def judge_form(row, parts, x, seen, d, tail):  # type: ignore[no-untyped-def]
    """Find out whether the stream's records hang together; when the answer changes, its scores start anew."""
    serial = row[parts.serial : parts.serial + 4 * d]
    form = INDEPENDENT if independent.looks_independent(serial, seen, d) else AUTO
    if form != row[FORM]:
        row[FORM] = form
        excess.restart(tail)
    independent.note_serial(serial, x, seen, d)


@jit()
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
    tail,
):
    """Learn a record of a series: at once while young, later aged, and never out of an excursion."""
    buffer = row[parts.buffer : parts.buffer + parts.capacity * (d + 1)]
    place = int(seen % parts.capacity) * (d + 1)
    buffer[place : place + d] = x if seen < parts.start else f
    buffer[place + d] = 1.0 if wanted else 0.0
    aged, w, by_records = f, 1.0, plan.by_records
    if seen >= series.SETTLED:
        then = seen - parts.quarantine
        place = int(then % parts.capacity) * (d + 1)
        wanted = seen % series.EVERY == 0.0 and then >= series.SETTLED and buffer[place + d] == 1.0
        wanted = wanted and (warm or plan.mode != NEVER)
        aged, w, by_records = buffer[place : place + d], series.EVERY, plan.by_records / series.EVERY
    if wanted and not held:
        rounds = 1.0 if seen < series.SETTLED else series.ROUNDS
        lam = forgetting(chart, clock, d, by_records, plan.by_seconds)
        charts.learn(
            chart, aged, d, at, clock, lam, w, plan.floor, plan.prior, v, z, precision, least,
            usable, fresh,
        )  # fmt: skip
        if chart[LEARNED] % rounds == 0.0:
            axis = int(chart[LEARNED] / rounds) % d
            charts.ridge(chart, d, at, axis, w * rounds * d * series.RIDGE, v)
    if seen + 1.0 == parts.start and robust(
        row, chart, f, buffer, d, at, clock, plan, parts, v, z, precision, least, usable, fresh
    ):
        row[DIRTY] = 1.0
        excess.restart(tail)


@jit((*IN, PLAN, PARTS, RULE, RULE, Floats1, *OUT, *MOVES))
def run(  # type: ignore[no-untyped-def]  # noqa: PLR0912, PLR0915 - calls from a loop cost more than they tell
    rows,
    slots,
    X,
    clock,
    plan,
    parts,
    rule,
    rule_alone,
    widen,
    asked,
    out,
    anomalies,
    values,
    shares,
    expected,
    sd,
    moves,
    radius,
    told,
    why,
):
    """Do the same as `detector.kernel.mahalanobis.run` by the default detector.

    `parts` says where everything is and what is switched on; `rule` is the threshold's for a series,
    `rule_alone` that for independent rows.
    """
    d = X.shape[1]
    at = VECTORS + 4 * d
    width = at + d * (d + 1) // 2 + 2 * d
    v, z, precision, least, u = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    usable, fresh, columns = np.empty(d, np.bool_), np.empty(d, np.bool_), np.empty(d, np.int64)
    patience = plan.accept if plan.mode != NEVER else math.inf
    for i in range(X.shape[0]):
        row = rows[slots[i]]
        if plan.mode == FROZEN:
            row = row.copy()
        tail, x, seen = row[EXCESS : EXCESS + EXCESS_SIZE], X[i], row[SEEN]
        chart, single = row[HEAD : HEAD + width], row[parts.single : parts.single + width]
        f = row[parts.average : parts.average + d]
        both = parts.form == AUTO and seen < independent.DECIDED
        if both:
            judge_form(row, parts, x, seen, d, tail)
        alone = parts.form == INDEPENDENT or (parts.form == AUTO and row[FORM] == INDEPENDENT)
        score, judged, q, q_single = 0.0, False, 0.0, 0.0
        if both or not alone:
            series.average(f, x, chart, d)
            k = deviations(chart, f, d, at, plan.floor, v, z, precision, least, usable)
            number(usable, columns)
            first = charts.leading(usable, plan.context)
            scale, missing = chart[width - d :], d - plan.context - k + first
            score, q = series.student(
                chart, z, precision, scale, columns, first, k, missing, chart[HELD] == 0.0, seen
            )
            score = series.echo(row, score, excess.in_force(tail, rule, widen, chart[WEIGHT]))
            judged = k > first
        if both or alone:
            k = deviations(single, x, d, at, plan.floor, v, z, precision, least, usable)
            first = charts.leading(usable, plan.context)
            plain, q_single = independent.student(
                single, z, precision, first, k, d - plan.context - k + first
            )
            squeeze(single, d, at, v, least, usable, u)
            lone = plain * independent.near(row, single, row[parts.near :], u, plain, d, plan.context)
            if seen < independent.FIRST:
                single[SMOOTHED] = plain + 1.0
            else:
                independent.follow(single, SMOOTHED, plain, seen)
            if alone:
                score, judged = lone, k > first
        score = score if judged else 0.0
        warm = seen < plan.warmup
        limit = excess.in_force(
            tail, rule_alone if alone else rule, widen, (single if alone else chart)[WEIGHT]
        )
        far = score >= limit
        anomaly = far and judged and not warm
        out[i, 0], out[i, 1] = score, limit if judged and not warm else math.nan
        out[i, 2] = excess.tail_p(tail, rule_alone if alone else rule, score)
        anomalies[i] = anomaly
        if anomaly or asked[i]:
            judge, values[i] = (single, x) if alone else (chart, f)
            charts.explain(judge, values[i], d, at, plan.context, plan.floor, shares[i], expected[i], sd[i])
        if plan.mode == FROZEN:
            continue
        row[CLOCK] = clock[i]
        row[SEEN] += 1.0
        observed = single if alone else chart
        if judged and observed[LEARNED] >= 2 * moments.young_until(d):
            excess.observe(
                tail, rule_alone if alone else rule, widen, score, clock[i], warm, observed[WEIGHT], patience
            )
        gross = score >= GROSS * limit
        wanted = decide(row, anomaly and gross, warm, plan.mode, plan.accept) and not (
            warm and gross and row[DIRTY] == 1.0
        )
        if both or not alone:
            before = chart[HELD]
            held = series.hold(chart, q, seen, parts.hold and plan.mode != ALL, plan.accept)
            if chart[HELD] < before and series.accepted(chart) and not alone:
                excess.restart(tail)
            learn_series(
                row, chart, f, x, d, at, clock[i], seen, wanted and moments.learnable(f, q, d), held, warm,
                plan, parts, v, z, precision, least, usable, fresh, tail,
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
