"""Lines that are all made alike, read by compiled code: numbers straight from the bytes, no object a cell.

A line is constant text around values. Whatever is not just that ends the scan, and is left to the slower
ways: a number read here is the one that `float` reads, bit for bit [1]_. A cell that may still be something,
as `` nan`` or ``"1.5"``, is noted as odd: the caller looks at it.

.. [1] Lemire (2021), Number parsing at a gigabyte per second. Software: Practice and Experience 51.
"""

from __future__ import annotations

import math

import numpy as np
from numba import types

from detector.contracts import LARGEST
from detector.jit import Floats2, Ints1, borrow

_Bytes = types.Array(types.uint8, 1, "C", readonly=True)
_Ints2 = types.Array(types.int64, 2, "C")
_Ints3 = types.Array(types.int64, 3, "C")

_TAB, _FEED, _RETURN, _BLANK, _QUOTE, _PLUS, _MINUS, _POINT, _ZERO = map(ord, '\t\n\r "+-.0')
_ESCAPE, _E, _SMALL_E = map(ord, "\\Ee")
_TRUE, _FALSE, _NULL = (np.frombuffer(word, np.uint8) for word in (b"true", b"false", b"null"))
_DIGITS = 19  # that uint64 holds for sure
_LONGEST = 2**17  # csv.reader refuses a longer cell
_LEAST, _MOST = -342, 308  # powers of ten beyond which a number is 0 or infinite
_EXACT = 10.0 ** np.arange(23)  # the powers of ten that are floats
_FOUND, _ODD, _UNSURE, _WRONG = 0, 1, 2, 3
"""What a value is: a number or missing; to be looked at if it is wanted; in any case; not even a value."""


def _power(q: int) -> tuple[int, int]:
    """Return the first 128 bits of 5^q as two halves; rounded up where the proof of [1]_ needs it."""
    power = 5 ** abs(q)
    if q < 0:
        bits = power.bit_length()
        power = (1 << (bits + 127 if q >= -27 else 2 * bits + 128)) // power + 1
    bits = power.bit_length()
    power = power << 128 - bits if bits <= 128 else power >> bits - 128
    return power >> 64, power & (1 << 64) - 1


_POWERS = np.array([_power(q) for q in range(_LEAST, _MOST + 1)], np.uint64)


@borrow(inline=True)
def _product(a, b):  # type: ignore[no-untyped-def]
    """Return the upper and the lower half of a product."""
    half, low = np.uint64(32), np.uint64(0xFFFFFFFF)
    a1, a0, b1, b0 = a >> half, a & low, b >> half, b & low
    middle = a1 * b0 + (a0 * b0 >> half)
    other = a0 * b1 + (middle & low)
    return a1 * b1 + (middle >> half) + (other >> half), a * b


@borrow()
def _nearest(digits, q):  # type: ignore[no-untyped-def]
    """Return the float nearest to digits · 10^q, NaN where this way cannot tell; digits > 0."""
    one = np.uint64(1)
    zeros, wide = 0, digits
    while wide >> np.uint64(63) == 0:
        wide <<= one
        zeros += 1
    high, low = _product(wide, _POWERS[q - _LEAST, 0])
    if high & np.uint64(0x1FF) == 0x1FF:
        more, _ = _product(wide, _POWERS[q - _LEAST, 1])
        low += more
        if low < more:
            high += one
    if low == np.uint64(0xFFFFFFFFFFFFFFFF) and (q < -27 or q > 55):
        return math.nan
    upper = high >> np.uint64(63)
    shift = upper + np.uint64(9)
    mantissa = high >> shift
    exponent = ((217706 * q) >> 16) + 63 + np.int64(upper) - zeros + 1023
    if low <= one and -4 <= q <= 23 and mantissa & np.uint64(3) == 1 and mantissa << shift == high:
        mantissa &= ~one  # halfway between two floats: to the even one
    mantissa = (mantissa + (mantissa & one)) >> one
    if mantissa >> np.uint64(53):
        mantissa >>= one
        exponent += 1
    if exponent <= 0 or exponent >= 0x7FF:
        return math.nan
    bits = mantissa & np.uint64(0xFFFFFFFFFFFFF) | np.uint64(exponent) << np.uint64(52)
    return np.uint64(bits).view(np.float64)


@borrow(inline=True)
def _number(data, i, json):  # type: ignore[no-untyped-def]  # noqa: PLR0912 - a loop over bytes is one piece
    """Return the number that stands there, where it ends, and whether it is one, or only looks like one."""
    negative = data[i] == _MINUS
    if negative or (data[i] == _PLUS and not json):
        i += 1
    start, digits, q = i, np.uint64(0), 0
    while np.uint8(data[i] - _ZERO) < 10:
        digits = digits * np.uint64(10) + np.uint64(data[i] - _ZERO)
        i += 1
    count = i - start
    if json and (count == 0 or (count > 1 and data[start] == _ZERO)):
        return 0.0, i, _WRONG
    whole = data[i] != _POINT
    if not whole:
        i += 1
        first = i
        while np.uint8(data[i] - _ZERO) < 10:
            digits = digits * np.uint64(10) + np.uint64(data[i] - _ZERO)
            i += 1
        q = first - i
        count -= q
        if json and q == 0:
            return 0.0, i, _WRONG
    if count == 0:
        return 0.0, i, _WRONG
    if data[i] == _E or data[i] == _SMALL_E:
        i += 1
        whole, less = False, data[i] == _MINUS
        if less or data[i] == _PLUS:
            i += 1
        first, power = i, 0
        while np.uint8(data[i] - _ZERO) < 10:
            if power < _MOST - _LEAST:
                power = power * 10 + int(data[i] - _ZERO)
            i += 1
        if i == first:
            return 0.0, i, _WRONG
        q += -power if less else power
    if count > _DIGITS:
        while data[start] == _ZERO or data[start] == _POINT:
            count -= data[start] == _ZERO
            start += 1
        if count > _DIGITS:
            return math.nan, i, _UNSURE
    if digits == 0:
        value = 0.0
        negative = negative and not (json and whole)  # an integer has no -0
    elif digits <= np.uint64(2**53) and -22 <= q <= 22:
        value = np.float64(digits) * _EXACT[q] if q >= 0 else np.float64(digits) / _EXACT[-q]
    elif _LEAST <= q <= _MOST:
        value = _nearest(digits, q)
    else:
        value = math.nan
    return -value if negative else value, i, _UNSURE if math.isnan(value) else _FOUND


@borrow(inline=True)
def _json_value(data, i):  # type: ignore[no-untyped-def]
    """Return the number of a JSON value, where it ends, and what it is; null is NaN."""
    first = data[i]
    if first == _MINUS or np.uint8(first - _ZERO) < 10:
        return _number(data, i, True)
    if first == _QUOTE:
        what = _ODD
        i += 1
        while data[i] != _QUOTE:
            if data[i] == _ESCAPE:
                what = _UNSURE
                i += 1
            if data[i] < _BLANK:
                return math.nan, i, _WRONG
            i += 1
        return math.nan, i + 1, what
    word = _NULL if first == _NULL[0] else _TRUE if first == _TRUE[0] else _FALSE
    for byte in word:
        if data[i] != byte:
            return math.nan, i, _WRONG
        i += 1
    return math.nan, i, _FOUND if first == _NULL[0] else _ODD


@borrow(inline=True)
def _without_blanks(data, i, mark):  # type: ignore[no-untyped-def]
    while (data[i] == _BLANK or data[i] == _TAB) and data[i] != mark:
        i += 1
    return i


@borrow(inline=True)
def _ends(byte, mark):  # type: ignore[no-untyped-def]
    return byte == mark or byte == _FEED or byte == _RETURN  # noqa: PLR1714 - numba makes a list of a tuple


@borrow(inline=True)
def _csv_cell(data, i, mark, wanted):  # type: ignore[no-untyped-def]
    """Return the number in a cell of CSV, where the cell ends, and what it is; an empty one is NaN."""
    start = i
    if wanted:
        i = _without_blanks(data, i, mark)
        if _ends(data[i], mark):
            return math.nan, i, _FOUND
        value, i, what = _number(data, i, False)
        i = _without_blanks(data, i, mark)
        if what == _FOUND and _ends(data[i], mark):
            return value, i, what
        i = start
    while not _ends(data[i], mark):
        if data[i] == _QUOTE:
            return math.nan, i, _WRONG
        i += 1
    return math.nan, i, _WRONG if i - start > _LONGEST else _ODD


@borrow(
    types.void(
        _Bytes, types.int64, types.int64, types.uint8, _Bytes, Ints1, Ints1, Ints1, types.int64,
        Floats2, _Ints3, _Ints2, Ints1,
    )
)  # fmt: skip
def scan(data, most, longest, mark, pieces, ends, numbers_at, texts_at, clock, numbers, texts, odd, found):  # type: ignore[no-untyped-def]  # noqa: PLR0912 - see _number
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
        The place of the time, which is none where its fifth character is a dash; -1 = there is none.
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
    i = line = odds = 0
    places = numbers_at.shape[0]
    while line < most and i < data.shape[0]:
        found[0], found[1], found[2] = line, odds, i
        k, begin = 0, i
        if not json and (data[i] == _FEED or data[i] == _RETURN):
            return  # a blank line is no record
        for place in range(places + 1):
            while k < ends[place]:
                if data[i] != pieces[k]:
                    return
                k += 1
                i += 1
            if place == places:
                break
            start, wanted, text = i, numbers_at[place], texts_at[place]
            if json:
                value, i, what = _json_value(data, i)
            else:
                value, i, what = _csv_cell(data, i, mark, wanted >= 0)
            if what == _WRONG:
                return
            if abs(value) > LARGEST or (place == clock and i - start > 4 and data[start + 4] == _MINUS):
                value, what = math.nan, _ODD
            if wanted >= 0:
                numbers[wanted, line] = value
            if text >= 0:
                texts[text, line, 0], texts[text, line, 1] = start, i
            if what == _UNSURE or (what == _ODD and wanted >= 0):
                if odds == odd.shape[0]:
                    return
                odd[odds, 0], odd[odds, 1], odd[odds, 2], odd[odds, 3] = line, place, start, i
                odds += 1
        if data[i] == _RETURN and not json:
            i += 1
        if data[i] != _FEED or i - begin > longest:
            return
        i += 1
        line += 1
    found[0], found[1], found[2] = line, odds, i
