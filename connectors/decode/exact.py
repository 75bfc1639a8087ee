"""From digits to the float nearest to them, compiled: what `float` makes of the same text, bit for bit.

By Clinger's way where both the digits and the power of ten are floats, else by Lemire's [1]_. What neither
can tell for sure, more than 19 digits for instance, is left to `float`.

.. [1] Lemire (2021), Number parsing at a gigabyte per second. Software: Practice and Experience 51.
"""

from __future__ import annotations

import math

import numpy as np

from connectors.decode.marks import FOUND, MINUS, ONE, PLUS, POINT, SMALL_E, UNSURE, WRONG, ZERO, E
from detector.jit import borrow

_MOST_DIGITS = 19  # that uint64 holds for sure
_LEAST, _MOST = -342, 308  # powers of ten beyond which a number is 0 or infinite
_EXACT = 10.0 ** np.arange(23)  # the powers of ten that are floats


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
def number(data, i, json):  # type: ignore[no-untyped-def]  # noqa: PLR0912 - one loop over bytes
    """Return the number that stands there, where it ends, and whether it is one, or only looks like one."""
    negative = data[i] == MINUS
    if negative or (data[i] == PLUS and not json):
        i += ONE
    start, digits, q = i, np.uint64(0), np.int64(0)
    while np.uint8(data[i] - ZERO) < 10:
        digits = digits * np.uint64(10) + np.uint64(data[i] - ZERO)
        i += ONE
    count = np.int64(i - start)
    if json and (count == 0 or (count > 1 and data[start] == ZERO)):
        return 0.0, i, WRONG
    whole = data[i] != POINT
    if not whole:
        i += ONE
        first = i
        while np.uint8(data[i] - ZERO) < 10:
            digits = digits * np.uint64(10) + np.uint64(data[i] - ZERO)
            i += ONE
        q = np.int64(first) - np.int64(i)
        count -= q
        if json and q == 0:
            return 0.0, i, WRONG
    if count == 0:
        return 0.0, i, WRONG
    if data[i] == E or data[i] == SMALL_E:
        i += ONE
        whole, less = False, data[i] == MINUS
        if less or data[i] == PLUS:
            i += ONE
        first, power = i, 0
        while np.uint8(data[i] - ZERO) < 10:
            if power < _MOST - _LEAST:
                power = power * 10 + int(data[i] - ZERO)
            i += ONE
        if i == first:
            return 0.0, i, WRONG
        q += -power if less else power
    if count > _MOST_DIGITS:
        while data[start] == ZERO or data[start] == POINT:
            count -= data[start] == ZERO
            start += ONE
        if count > _MOST_DIGITS:
            return math.nan, i, UNSURE
    if digits == 0:
        value = 0.0
        negative = negative and not (json and whole)  # an integer has no -0
    elif digits <= np.uint64(2**53) and -22 <= q <= 22:
        value = np.float64(digits) * _EXACT[q] if q >= 0 else np.float64(digits) / _EXACT[-q]
    elif _LEAST <= q <= _MOST:
        value = _nearest(digits, q)
    else:
        value = math.nan
    return -value if negative else value, i, UNSURE if math.isnan(value) else FOUND
