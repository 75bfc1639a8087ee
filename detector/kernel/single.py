"""One record of one model, with hardly anything to hand over.

A call from Python of a loop with its two dozen arrays and tuples costs twenty times what the loop does with
one record. Here the settings come as one array of numbers, and the room to work in as another.
"""

from __future__ import annotations

from detector.jit import Bools1, Bools2, Floats1, Floats2, Ints1, borrow
from detector.kernel import default as defaults
from detector.kernel import mahalanobis
from detector.kernel.independent import NEIGHBOURS
from detector.kernel.moved import Moves
from detector.kernel.plan import Parts, Plan
from detector.reference.point import MEAN, Point
from detector.verdict.rule import Rule

WORK = 5
"""Rows of d places that a loop works in; values, shares, expectations and their ± take another four."""
PARTS = len(Parts._fields)
_AT_PARTS = len(Plan._fields)
_AT_RULE = _AT_PARTS + PARTS
_AT_ALONE = _AT_RULE + len(Rule._fields)
_ARGUMENTS = (Floats2, Ints1, Floats2, Floats1, Floats1, Floats1, Bools2, Bools1, Floats1)


def room(d: int, width: int) -> int:
    """Return how many places `run_default` and `run_plain` need to work in, with rows of that width."""
    return 3 + (4 + WORK) * d + 2 * NEIGHBOURS + width


@borrow(inline=True)
def plan_of(n):  # type: ignore[no-untyped-def]
    """Return the plan at the beginning of the numbers."""
    return Plan(int(n[0]), int(n[1]), n[2], n[3], n[4], n[5], n[6], int(n[7]))


@borrow(inline=True)
def parts_of(n):  # type: ignore[no-untyped-def]
    """Return the parts at the beginning of these numbers."""
    return Parts(
        int(n[0]), n[1] != 0.0, int(n[2]), int(n[3]), int(n[4]), int(n[5]), int(n[6]), int(n[7]), int(n[8]),
        int(n[9]),
    )  # fmt: skip


@borrow(inline=True)
def rule_of(n):  # type: ignore[no-untyped-def]
    """Return the rule at the beginning of these numbers."""
    return Rule(int(n[0]), n[1], n[2], n[3], n[4], n[5], n[6], int(n[7]), int(n[8]), n[9], n[10])


@borrow(inline=True)
def no_moves():  # type: ignore[no-untyped-def]
    """Return what the loops take where nothing slower than a record is looked at."""
    return Moves(0, 0, 0.0, 0, 0, 0.0, 0.0, 0.0, 0, 0)


@borrow(_ARGUMENTS)
def run_default(rows, slots, X, numbers, widen, room, flags, marks, out):  # type: ignore[no-untyped-def]
    """Score, judge and learn one record by the default detector; return whether it completes a start.

    Parameters
    ----------
    rows, slots, X
        As `detector.kernel.mahalanobis.run` takes them, of one record.
    numbers
        Plan, parts, the rule of a series and that of independent rows, one after the other.
    widen
        As there.
    room
        Of `room` places; the first three are what labels say of the record, and its time.
    flags : (2, d)
    marks : (2,)
        Whether to explain the record; written: the verdict.
    out : (3,)
        Written: score, threshold and tail probability.
    """
    d = X.shape[1]
    rule, alone = rule_of(numbers[_AT_RULE:]), rule_of(numbers[_AT_ALONE:])
    why, work = room[3 : 3 + 4 * d].reshape((4, d)), room[3 + 4 * d : 3 + (4 + WORK) * d].reshape((WORK, d))
    rest = room[3 + (4 + WORK) * d :]
    nothing = room[:0]
    _, complete = defaults.loop(
        0, rows, slots, X, room[2:3], plan_of(numbers), parts_of(numbers[_AT_PARTS:]), rule, alone, widen,
        room[:2].reshape((1, 2)), marks[:1], out.reshape((1, 3)), marks[1:], why[0:1], why[1:2], why[2:3],
        why[3:4], no_moves(), nothing.reshape((0, 0)), nothing.reshape((0, 6)),
        nothing.reshape((0, 2, 5, d)), work, flags, rest[: 2 * NEIGHBOURS].reshape((2, NEIGHBOURS)),
        rest[2 * NEIGHBOURS :],
    )  # fmt: skip
    return complete


@borrow(_ARGUMENTS)
def run_plain(rows, slots, X, numbers, widen, room, flags, marks, out):  # type: ignore[no-untyped-def]
    """Do the same by one plain chart, which measures from its mean; nothing completes a start."""
    d = X.shape[1]
    why, work = room[3 : 3 + 4 * d].reshape((4, d)), room[3 + 4 * d : 3 + (4 + WORK) * d].reshape((WORK, d))
    nothing = room[:0]
    mahalanobis.loop(
        rows, slots, X, room[2:3], plan_of(numbers), Point(MEAN, 0, nothing), rule_of(numbers[_AT_RULE:]),
        widen, room[:2].reshape((1, 2)), marks[:1], out.reshape((1, 3)), marks[1:], why[0:1], why[1:2],
        why[2:3], why[3:4], no_moves(), nothing.reshape((0, 0)), nothing.reshape((0, 6)),
        nothing.reshape((0, 2, 5, d)), work, flags, room[3 + (4 + WORK) * d + 2 * NEIGHBOURS :],
    )  # fmt: skip
    return False
