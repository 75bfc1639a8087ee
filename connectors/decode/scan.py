"""Lines that are all made alike, read by compiled code: numbers straight from the bytes, no object a cell.

A line is constant text around values. Whatever is not just that ends the scan, and is left to the slower
ways. A cell that may still be something, as `` nan`` or ``"1.5"``, is noted as odd: the caller looks at it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import types

from connectors.decode.exact import number
from connectors.decode.marks import (
    ANY_WORDS,
    BLANK,
    ESCAPE,
    FEED,
    FOUND,
    MINUS,
    NO_WORDS,
    ODD,
    ONE,
    QUOTE,
    RETURN,
    TAB,
    UNSURE,
    WRONG,
    ZERO,
)
from connectors.decode.moment import moment
from detector.contracts import LARGEST
from detector.jit import Floats2, Ints1, borrow

_Bytes = types.Array(types.uint8, 1, "C", readonly=True)
_Ints2 = types.Array(types.int64, 2, "C")
_Ints3 = types.Array(types.int64, 3, "C")

_TRUE, _FALSE, _NULL = (np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null"))
_LONGEST = 2**17  # csv.reader refuses a longer cell


def _versioned(function: Callable[..., Any]) -> Callable[..., Any]:
    """Name the file of the compiled code after all that is in it: numba looks at this file only."""
    sources = [Path(__file__).with_name(name).read_bytes() for name in ("exact.py", "marks.py", "moment.py")]
    function.__qualname__ += f"_{hashlib.blake2b(b''.join(sources), digest_size=6).hexdigest()}"
    return function


@borrow(inline=True)
def _json_value(data, i):  # type: ignore[no-untyped-def]
    """Return the number of a JSON value, where it ends, and what it is; null is NaN."""
    first = data[i]
    if first == MINUS or np.uint8(first - ZERO) < 10:
        return number(data, i, True)
    if first == QUOTE:
        what = ODD
        i += ONE
        while data[i] != QUOTE:
            if data[i] == ESCAPE:
                what = UNSURE
                i += ONE
            if data[i] < BLANK:
                return math.nan, i, WRONG
            i += ONE
        return math.nan, i + ONE, what
    word = _NULL if first == _NULL[0] else _TRUE if first == _TRUE[0] else _FALSE
    for byte in word:
        if data[i] != byte:
            return math.nan, i, WRONG
        i += ONE
    return math.nan, i, FOUND if first == _NULL[0] else ODD


@borrow(inline=True)
def _without_blanks(data, i, mark):  # type: ignore[no-untyped-def]
    while (data[i] == BLANK or data[i] == TAB) and data[i] != mark:
        i += ONE
    return i


@borrow(inline=True)
def _ends(byte, mark):  # type: ignore[no-untyped-def]
    return byte == mark or byte == FEED or byte == RETURN  # noqa: PLR1714 - numba makes a list of a tuple


@borrow(inline=True)
def _csv_cell(data, i, mark, wanted):  # type: ignore[no-untyped-def]
    """Return the number in a cell of CSV, where the cell ends, and what it is; an empty one is NaN."""
    start = i
    if wanted:
        i = _without_blanks(data, i, mark)
        if _ends(data[i], mark):
            return math.nan, i, FOUND
        value, i, what = number(data, i, False)
        i = _without_blanks(data, i, mark)
        if what == FOUND and _ends(data[i], mark):
            return value, i, what
        i = start
    while not _ends(data[i], mark):
        if data[i] == QUOTE:
            return math.nan, i, WRONG
        i += ONE
    return math.nan, i, WRONG if np.int64(i - start) > _LONGEST else ODD


@borrow(
    types.void(
        _Bytes, types.int64, types.int64, types.uint8, _Bytes, Ints1, Ints1, Ints1, types.int64, types.int64,
        Floats2, _Ints3, _Ints2, Ints1,
    )
)  # fmt: skip
@_versioned
def scan(  # type: ignore[no-untyped-def]  # noqa: PLR0912 - calls from a loop cost more than they tell
    data, most, longest, mark, pieces, ends, numbers_at, texts_at, clock, words, numbers, texts, odd, found
):
    """Read lines as long as they are as expected.

    Parameters
    ----------
    data : (n,) uint8
        Whole lines: the last byte is a line feed.
    most : int
        No more lines than that.
    longest : int
        No line of more bytes.
    mark : int
        What separates cells of CSV; 0: the lines are JSON.
    pieces, ends : (n,) uint8, (places + 1,) int64
        The constant text before each value, and after the last one, and where each ends.
    numbers_at, texts_at : (places,) int64
        In which row of `numbers` and `texts` a value goes; -1 = in none.
    clock : int
        The place of the time, which is no number where its fifth character is a dash; -1 = there is none.
    words : int
        Which times in words are read: `NO_WORDS`, `WITH_OFFSET` or `ANY_WORDS` of `connectors.decode.marks`.
    numbers : (wanted, most) float64
        Filled; NaN = missing or odd.
    texts : (wanted, most, 2) int64
        Filled with where in `data` each value begins and ends.
    odd : (n, 4) int64
        Filled with line, place, begin and end of values that are to be looked at.
    found : (3,) int64
        Filled with how many lines were read, how many odd values there are in them, and of how many bytes
        the lines are.
    """
    json = mark == 0
    i, end = np.uint64(0), np.uint64(data.shape[0])
    line = odds = 0
    places = numbers_at.shape[0]
    while line < most and i < end:
        found[0], found[1], found[2] = line, odds, i
        k, begin = np.uint64(0), i
        if not json and (data[i] == FEED or data[i] == RETURN):
            return  # a blank line is no record
        for place in range(places + 1):
            while k < np.uint64(ends[place]):
                if data[i] != pieces[k]:
                    return
                k += ONE
                i += ONE
            if place == places:
                break
            start, wanted, text = i, numbers_at[place], texts_at[place]
            if json:
                value, i, what = _json_value(data, i)
            else:
                value, i, what = _csv_cell(data, i, mark, wanted >= 0)
            if what == WRONG:
                return
            if abs(value) > LARGEST or (
                place == clock and np.int64(i - start) > 4 and data[start + np.uint64(4)] == MINUS
            ):
                value, what = math.nan, ODD
            if place == clock and what == ODD and words != NO_WORDS:
                quote = json and data[start] == QUOTE
                value = moment(data, np.int64(start) + quote, np.int64(i) - quote, words == ANY_WORDS)
                what = ODD if math.isnan(value) else FOUND
            if wanted >= 0:
                numbers[wanted, line] = value
            if text >= 0:
                texts[text, line, 0], texts[text, line, 1] = start, i
            if what == UNSURE or (what == ODD and wanted >= 0):
                if odds == odd.shape[0]:
                    return
                odd[odds, 0], odd[odds, 1], odd[odds, 2], odd[odds, 3] = line, place, start, i
                odds += 1
        if data[i] == RETURN and not json:
            i += ONE
        if data[i] != FEED or np.int64(i - begin) > longest:
            return
        i += ONE
        line += 1
    found[0], found[1], found[2] = line, odds, i
