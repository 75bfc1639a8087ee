"""One record of one model, with hardly anything to hand over.

A call from Python of a loop with its two dozen arrays and tuples costs twenty times what the loop does with
one record. Here the settings come as one array of numbers, and the room to work in as another.
"""

from __future__ import annotations

from detector.jit import Bools2, Floats1, Floats2, Ints1, borrow
from detector.kernel import default as defaults
from detector.kernel import mahalanobis, univariate
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
_AT_WIDEN = _AT_ALONE + len(Rule._fields)
SCORE, BIAS, CLOCK, _OWN = 0, 3, 5, 6
"""Places in the room: score, threshold and tail probability are written, the others given."""
_ARGUMENTS = (Floats2, Ints1, Floats2, Floats1, Floats1, Bools2)


def room(d: int, width: int) -> int:
    """Return how many places `run_default` and `run_plain` need to work in, with rows of that width."""
    return _OWN + (4 + WORK) * d + NEIGHBOURS + width


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
def run_default(rows, slots, X, numbers, room, flags):  # type: ignore[no-untyped-def]
    """Score, judge and learn one record by the default detector; return whether it completes a start.

    Parameters
    ----------
    rows, slots, X
        As `detector.kernel.mahalanobis.run` takes them, of one record.
    numbers
        Plan, parts, the rule of a series, that of independent rows, and `widen`, one after the other.
    room
        Of `room` places.
    flags : (4, d)
        To work in; at the beginning of the third, whether to explain the record; of the fourth the verdict.
    """
    d = X.shape[1]
    own = room[_OWN : _OWN + (4 + WORK) * d].reshape((4 + WORK, d))
    rest, nothing = room[_OWN + (4 + WORK) * d :], room[:0]
    _, complete = defaults.loop(
        0, rows, slots, X, room[CLOCK:_OWN], plan_of(numbers), parts_of(numbers[_AT_PARTS:]),
        rule_of(numbers[_AT_RULE:]), rule_of(numbers[_AT_ALONE:]), numbers[_AT_WIDEN:],
        room[BIAS:CLOCK].reshape((1, 2)), flags[2, :1], room[SCORE:BIAS].reshape((1, 3)), flags[3, :1],
        own[0:1], own[1:2], own[2:3], own[3:4], no_moves(), nothing.reshape((0, 0)), nothing.reshape((0, 6)),
        nothing.reshape((0, 2, 5, d)), own[4:], flags[:2],
        rest[:NEIGHBOURS], rest[NEIGHBOURS:],
    )  # fmt: skip
    return complete


@borrow(_ARGUMENTS)
def run_plain(rows, slots, X, numbers, room, flags):  # type: ignore[no-untyped-def]
    """Do the same by one plain chart, which measures from its mean; nothing completes a start."""
    d = X.shape[1]
    own = room[_OWN : _OWN + (4 + WORK) * d].reshape((4 + WORK, d))
    nothing = room[:0]
    mahalanobis.loop(
        rows, slots, X, room[CLOCK:_OWN], plan_of(numbers), Point(MEAN, 0, nothing),
        rule_of(numbers[_AT_RULE:]), numbers[_AT_WIDEN:], room[BIAS:CLOCK].reshape((1, 2)), flags[2, :1],
        room[SCORE:BIAS].reshape((1, 3)), flags[3, :1], own[0:1], own[1:2], own[2:3], own[3:4], no_moves(),
        nothing.reshape((0, 0)), nothing.reshape((0, 6)), nothing.reshape((0, 2, 5, d)), own[4:], flags[:2],
        room[_OWN + (4 + WORK) * d + NEIGHBOURS :],
    )  # fmt: skip
    return False


@borrow(_ARGUMENTS)
def run_alone(rows, slots, X, numbers, room, flags):  # type: ignore[no-untyped-def]
    """Do the same for one column; in the place of parts stand the two numbers that its loop takes."""
    own = room[_OWN : _OWN + 4].reshape((4, 1))
    univariate.run(
        rows, slots, X, room[CLOCK:_OWN], plan_of(numbers), int(numbers[_AT_PARTS]),
        numbers[_AT_PARTS + 1] != 0.0, rule_of(numbers[_AT_RULE:]), numbers[_AT_WIDEN:],
        room[BIAS:CLOCK].reshape((1, 2)), flags[2, :1], room[SCORE:BIAS].reshape((1, 3)), flags[3, :1],
        own[0:1], own[1:2], own[2:3], own[3:4],
    )  # fmt: skip
    return False
