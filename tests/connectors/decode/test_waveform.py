"""Every statistic of a waveform against its closed form."""

from __future__ import annotations

import math

import numpy as np
import pytest

from connectors.decode.errors import Undecodable
from connectors.decode.waveform import HARMONICS, Waveform

RATE = 8000.0
T = np.arange(8000) / RATE
A, OFFSET = 3.0, 100.0
SINE = OFFSET + A * np.sin(2 * np.pi * 200 * T)
NOISE = np.random.default_rng(0).normal(size=200_000)


def wave(samples: np.ndarray, **how: object) -> Waveform:
    return Waveform(samples, RATE, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("peak", A),
        ("rms", A / math.sqrt(2)),
        ("crest", math.sqrt(2)),
        ("kurtosis", 1.5),
        ("skewness", 0.0),
        ("centroid", 200.0),
    ],
)
def test_sine(name: str, expected: float) -> None:
    assert getattr(wave(SINE), name)() == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_shape_is_that_of_its_distribution() -> None:
    assert wave(NOISE).kurtosis() == pytest.approx(3.0, abs=0.05)
    assert wave(np.random.default_rng(1).exponential(size=400_000)).skewness() == pytest.approx(2.0, abs=0.1)
    square = np.sign(np.sin(2 * np.pi * 200 * T + 0.1))
    assert (wave(square).crest(), wave(square).kurtosis()) == pytest.approx((1.0, 1.0), rel=1e-3)


def test_band_power_of_sines_is_half_the_square_of_each() -> None:
    two = wave(SINE + 1.0 * np.sin(2 * np.pi * 1000 * T))
    assert two.band(150, 250) == pytest.approx(A**2 / 2, rel=1e-3)
    assert two.band(900, 1100) == pytest.approx(0.5, rel=1e-3)
    assert two.band(300, 900) < 1e-6
    assert two.band(0, RATE / 2) == pytest.approx(two.rms() ** 2, rel=1e-3)
    assert two.centroid() == pytest.approx((A**2 * 200 + 1000) / (A**2 + 1), rel=1e-3)


def test_white_noise_has_its_power_by_width() -> None:
    assert wave(NOISE).band(1000, 2000) == pytest.approx(1000 / (RATE / 2), rel=0.05)
    assert wave(NOISE).centroid() == pytest.approx(RATE / 4, rel=0.01)


def ringing(fault: float, m: float = 0.4) -> np.ndarray:
    """Return a carrier of 2 kHz, of which the envelope swings by the share m."""
    return A * (1 + m * np.cos(2 * np.pi * fault * T)) * np.sin(2 * np.pi * 2000 * T)


@pytest.mark.parametrize("fault", [87.3, 107.0, 162.2])
def test_envelope_has_a_line_at_the_fault(fault: float) -> None:
    made = wave(ringing(fault), speed=30.0, resonance=(1500.0, 2500.0))
    assert made.envelope(fault / 30) == pytest.approx(A * 0.4, rel=0.01)
    assert made.envelope(1.31 * fault / 30) < 0.02


def test_envelope_adds_harmonics_and_allows_for_slip() -> None:
    blows = sum(ringing(k * 100.0, 0.1) for k in range(1, 6)) / 5
    made = wave(blows, speed=1.0, resonance=(1000.0, 3000.0))
    expected = HARMONICS * A * 0.1 / 5
    assert made.envelope(100.0) == pytest.approx(expected, rel=0.01)
    assert made.envelope(101.0) == pytest.approx(expected, rel=0.01)
    assert made.envelope(106.0) < 0.2 * expected


def test_envelope_is_of_its_band_alone() -> None:
    tone = 50 * np.sin(2 * np.pi * 300 * T) * (1 + 0.5 * np.cos(2 * np.pi * 107 * T))
    made = wave(ringing(107.0) + tone, speed=1.0, resonance=(1500.0, 2500.0))
    assert made.envelope(107.0) == pytest.approx(A * 0.4, rel=0.01)


@pytest.mark.parametrize(
    ("samples", "how", "statistic", "reason"),
    [
        (np.full(100, 0.1), {}, "crest()", "flat"),
        (np.full(100, 0.1), {}, "centroid()", "flat"),
        (np.full(100, 1e9), {}, "kurtosis()", "flat"),
        (SINE[:64], {}, "band(130, 200)", "too_short"),
        (SINE, {}, "envelope(3.5)", "no_speed"),
        (SINE, {"speed": 0.0}, "envelope(3.5)", "no_speed"),
        (SINE[:800], {"speed": 10.0}, "envelope(3.5)", "too_short"),
        (SINE, {"speed": 100.0, "resonance": (1000.0, 1200.0)}, "envelope(3.5)", "too_fast"),
    ],
)
def test_what_there_is_not(samples: np.ndarray, how: dict[str, object], statistic: str, reason: str) -> None:
    name, _, rest = statistic.partition("(")
    numbers = [float(part) for part in rest.strip(")").split(",") if part]
    with pytest.raises(Undecodable) as caught:
        getattr(wave(samples, **how), name)(*numbers)
    assert caught.value.reason == reason


def test_a_flat_wave_has_no_size() -> None:
    flat = wave(np.full(1000, 0.1), speed=10.0, resonance=(1000.0, 2000.0))
    assert (flat.rms(), flat.peak(), flat.band(100, 500), flat.envelope(10.0)) == (0.0, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("size", [1e-300, 1e150])
def test_no_size_overflows(size: float) -> None:
    made = wave(size * SINE[:1024])
    assert made.kurtosis() == pytest.approx(1.5, rel=0.05)
    assert made.rms() == pytest.approx(size * A / math.sqrt(2), rel=0.05)
