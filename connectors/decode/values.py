"""From whatever a record holds to float64: strict, counted, and never raising.

A column takes the fast way when all its values are alike, and falls back to `to_float`, one value at
a time, when they are not. Both ways give the same numbers: a test holds them together.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

import numpy as np

from detector.contracts import LARGEST, Floats

Faults = Counter[tuple[str, str]]

NAN = float("nan")
_MISSING = frozenset(("", "nan", "na", "null"))
_WITH_COMMA = re.compile(r"[+-]?[\d.]{0,40}\d,\d[\d.,]{0,40}")
"""A decimal comma, or one between thousands: which, only the options of CSV can tell."""
_NUMERIC = frozenset((float, int, bool, type(None)))


def to_float(value: object) -> tuple[float, str]:
    """Return the number and "", or NaN and the reason why it is none.

    >>> to_float(" 1.5 "), to_float("1_0"), to_float("1e999"), to_float("1,5")
    ((1.5, ''), (nan, 'not_a_number'), (nan, 'out_of_range'), (nan, 'comma_in_number'))
    """
    if isinstance(value, str):
        return _from_text(value)
    if value is None:
        return NAN, ""
    if not isinstance(value, int | float):
        return NAN, "not_a_number"
    try:
        number = float(value)
    except OverflowError:
        return NAN, "out_of_range"
    return (NAN, "out_of_range") if abs(number) > LARGEST else (number, "")


def _from_text(text: str) -> tuple[float, str]:
    text = text.strip()
    if text.lower() in _MISSING:
        return NAN, ""
    # Python's float() also takes 1_0 and digits of other scripts; no instrument means those.
    if "_" in text or not text.isascii():
        return NAN, "not_a_number"
    try:
        number = float(text)
    except ValueError:
        return NAN, "comma_in_number" if _WITH_COMMA.fullmatch(text) else "not_a_number"
    if math.isnan(number):
        return NAN, ""
    return (NAN, "out_of_range") if abs(number) > LARGEST else (number, "")


def to_column(values: Sequence[object], name: str, faults: Faults) -> Floats:
    """Return the values as float64, counting in `faults` what had to become NaN."""
    column = _alike(values)
    if column is not None:
        return in_range(column, name, faults)
    column = np.empty(len(values))
    for i, value in enumerate(values):
        column[i], reason = to_float(value)
        if reason:
            faults[reason, name] += 1
    return column


def in_range(column: Floats, name: str, faults: Faults) -> Floats:
    """Return the column with infinite and absurd numbers taken out, and counted."""
    beyond = np.abs(column) > LARGEST
    if beyond.any():
        faults["out_of_range", name] += int(beyond.sum())
        column = np.where(beyond, NAN, column)
    return column


def _alike(values: Sequence[object]) -> Floats | None:
    """Convert all at once; None where the values need to be looked at one by one."""
    types = set(map(type, values))
    try:
        if types <= _NUMERIC:
            return np.array(values, dtype=np.float64)
        if types == {str}:
            texts: Sequence[str] = values  # type: ignore[assignment]
            joined = "".join(texts)
            if "_" in joined or not joined.isascii():
                return None
            try:
                return np.array(list(map(float, texts)))
            except ValueError:  # most often an empty cell
                return np.array([float(text or "nan") for text in texts])
    except (ValueError, OverflowError):
        pass
    return None
