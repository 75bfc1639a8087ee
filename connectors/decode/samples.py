"""From a field that holds samples to columns of numbers: one for each statistic that is wanted.

A value that is not what its wave says makes its statistics missing, and is counted once under the field; a
statistic that cannot be computed is counted under its own name.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from connectors.decode.errors import Undecodable
from connectors.decode.values import NAN, Faults, in_range, to_float
from connectors.decode.waveform import LEAST, STATISTICS, Waveform
from detector.contracts import LARGEST, MOST_SAMPLES, Floats, Wave

_PACKED: dict[str, np.dtype[Any]] = {"int16": np.dtype("<i2"), "float32": np.dtype("<f4")}
_NUMBERS = frozenset((int, float))


def columns(
    wave: Wave, values: Sequence[object], speeds: Sequence[object], faults: Faults
) -> dict[str, Floats]:
    """Return a column for each statistic of a wave.

    Parameters
    ----------
    wave : Wave
        What the field holds.
    values : sequence of length n
        The field of each record; None, and an empty text: it is missing, which is no fault.
    speeds : sequence of length n, or empty
        Where the shaft's speed is a field, its values, in turns a minute.
    faults : Counter of (reason, field)
        What had to become NaN.
    """
    made = {statistic.column: np.full(len(values), NAN) for statistic in wave.statistics}
    for i, value in enumerate(values):
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        try:
            samples = read(value, wave)
        except Undecodable as error:
            faults[error.reason, wave.field] += 1
            continue
        rpm = wave.rpm if isinstance(wave.rpm, float) else to_float(speeds[i] if speeds else None)[0]
        waveform = Waveform(samples, wave.rate, rpm / 60.0, wave.resonance)
        for statistic in wave.statistics:
            try:
                number = STATISTICS[statistic.kind](waveform, *statistic.numbers)
            except Undecodable as error:
                faults[error.reason, statistic.column] += 1
                continue
            made[statistic.column][i] = number
    return {name: in_range(column, name, faults) for name, column in made.items()}


def read(value: object, wave: Wave) -> Floats:
    """Return the samples in the unit of the signal; raises `Undecodable` where they cannot be used.

    >>> read([1, 2.5] * 8, Wave("w", 100.0, ()))[:2]
    array([1. , 2.5])
    """
    with np.errstate(invalid="ignore", over="ignore"):  # looked for below
        samples = _numbers(value, wave.encoding) * wave.scale
    if len(samples) < LEAST:
        raise Undecodable("too_short", f"{len(samples)} samples; at least {LEAST} are needed")
    if len(samples) > MOST_SAMPLES:
        raise Undecodable("too_long", f"{len(samples)} samples; at most {MOST_SAMPLES} are allowed")
    if np.isnan(samples).any():
        raise Undecodable("bad_sample", "a sample is no number")
    if np.abs(samples).max() > LARGEST:
        raise Undecodable("out_of_range", f"a sample is beyond {LARGEST:g}")
    return samples


def _numbers(value: object, encoding: str) -> Floats:
    if isinstance(value, np.ndarray):  # of a recording
        return value
    if encoding == "array":
        if not isinstance(value, list):
            raise Undecodable("not_a_wave", "not an array of numbers")
        if not set(map(type, value)) <= _NUMBERS:
            raise Undecodable("bad_sample", "a sample is no number")
        try:
            return np.array(value, np.float64)
        except OverflowError:
            raise Undecodable("out_of_range", f"a sample is beyond {LARGEST:g}") from None
    if isinstance(value, str):
        with suppress(ValueError):  # of base64, or a sample that is cut in two
            data = a2b_base64(value, strict_mode=True)
            return np.frombuffer(data, _PACKED[encoding]).astype(np.float64)
    raise Undecodable("not_a_wave", f"not base64 of {encoding}, little-endian")
