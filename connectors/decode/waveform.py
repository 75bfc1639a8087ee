"""What is computed of a waveform: its size, its shape, and where its power lies.

Everything is computed without the mean of the samples, which is the sensor's offset. In a comment, A is
the amplitude of a sine.

References
----------
P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio
Electroacoust. 15(2), 1967. R. B. Randall and J. Antoni, "Rolling element bearing diagnostics: a
tutorial", Mech. Syst. Signal Process. 25(2), 2011: the envelope by inverse transform of a one-sided band,
and the slip of 1 to 2 % by which a bearing's lines lie beside their orders.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft, signal

from connectors.decode.errors import Undecodable
from detector.contracts import Floats

LEAST = 16
"""Of fewer samples nothing is computed."""
HARMONICS = 3
"""So many lines of a fault's order are added up."""
_SEGMENT = 256
"""Welch's segments are a quarter of the samples, but not shorter than this where there are so many."""
_SLIP = 0.02
"""A line is looked for so near its frequency, as a share of it."""
_PERIODS = 4
"""So many periods of a fault must fit, or its line cannot be told from the mean."""
_FINER = 4
"""The envelope is padded to so many times its length, which shows a line's top to within 1 %."""


class Waveform:
    """The samples of one record.

    Parameters
    ----------
    samples : (n,) float64
        At least `LEAST`, all finite, in the unit of the signal.
    rate : float
        Samples a second.
    speed : float
        Turns of the shaft a second; NaN where nobody knows.
    resonance : (float, float), optional
        The band of which the envelope is taken, in Hz.

    Notes
    -----
    A method raises `Undecodable`, with a short reason, where there is no such number.

    Examples
    --------
    >>> wave = Waveform(3.0 * np.sin(2 * np.pi * 50 * np.arange(1000) / 1000), rate=1000)
    >>> wave.rms(), wave.crest(), wave.kurtosis(), wave.band(40, 60)
    (2.12, 1.41, 1.50, 4.50)
    """

    def __init__(
        self,
        samples: Floats,
        rate: float,
        speed: float = float("nan"),
        resonance: tuple[float, float] | None = None,
    ) -> None:
        offset = samples.mean()
        centred = samples - offset
        peak = float(np.abs(centred).max())
        self._peak = 0.0 if peak <= 16 * np.spacing(abs(offset)) else peak
        # Of size 1, so that no power of it overflows.
        self._x = centred / peak if self._peak else np.zeros_like(centred)
        self._rate, self._speed, self._resonance = rate, speed, resonance

    def peak(self) -> float:
        """Return the largest size, A; in the unit of the signal."""
        return self._peak

    def rms(self) -> float:
        """Return the root of the mean square, A / √2; in the unit of the signal."""
        return self._peak * float(np.sqrt(np.mean(self._x**2)))

    def crest(self) -> float:
        """Return peak / rms: √2 for a sine, more the more it is made of blows."""
        return 1.0 / self._deviation

    def kurtosis(self) -> float:
        """Return m₄ / m₂² (Pearson's): 1.5 for a sine, 3 for noise, more for blows."""
        return float(np.mean((self._x / self._deviation) ** 4))

    def skewness(self) -> float:
        """Return m₃ / m₂^1.5: 0 where up and down are alike."""
        return float(np.mean((self._x / self._deviation) ** 3))

    def band(self, low: float, high: float) -> float:
        """Return the power between two frequencies, A² / 2 for a sine within; in the unit's square."""
        frequency, power = self._spectrum
        inside = (frequency >= low) & (frequency < high)
        if not inside.any():
            raise Undecodable("too_short", "the band lies between two lines of the spectrum")
        return self._peak**2 * float(power[inside].sum())

    def centroid(self) -> float:
        """Return the mean frequency, weighed by power; in Hz."""
        frequency, power = self._spectrum
        return float(frequency @ power / (self._deviation and power.sum()))

    def envelope(self, order: float) -> float:
        """Return the sum of the first `HARMONICS` lines of a fault in the envelope's spectrum.

        `order` is the fault's blows for each turn of the shaft. Of a carrier of amplitude A whose envelope
        swings by the share m, A · m; in the unit of the signal.
        """
        if not self._speed > 0.0:
            raise Undecodable("no_speed", "the speed of the shaft is missing, or not above 0")
        first = order * self._speed
        if first * len(self._x) < _PERIODS * self._rate:
            raise Undecodable("too_short", f"less than {_PERIODS} periods of the fault")
        frequency, amplitude = self._envelope
        low, high = self._resonance or (0.0, 0.0)
        if first > high - low:
            raise Undecodable("too_fast", "the envelope of a band swings no faster than the band is wide")
        lines = (k * first for k in range(1, HARMONICS + 1) if k * first <= high - low)
        near = (amplitude[np.abs(frequency - line) <= _SLIP * line] for line in lines)
        return self._peak * float(sum(part.max(initial=0.0) for part in near))

    @cached_property
    def _deviation(self) -> float:
        if not self._peak:
            raise Undecodable("flat", "all samples are the same")
        return float(np.sqrt(np.mean(self._x**2)))

    @cached_property
    def _spectrum(self) -> tuple[Floats, Floats]:
        """Frequencies, and the power in the width of each: Welch's, Hann windows that overlap by a half."""
        n = len(self._x)
        segment = max(n // 4, min(n, _SEGMENT))
        frequency, density = signal.welch(self._x, self._rate, "hann", segment)
        return frequency, density * (self._rate / segment)

    @cached_property
    def _envelope(self) -> tuple[Floats, Floats]:
        """Frequencies, and the amplitude of the envelope at each, without its mean."""
        n, (low, high) = len(self._x), self._resonance or (0.0, 0.0)
        frequency = fft.fftfreq(n, 1.0 / self._rate)
        one_sided: NDArray[np.complex128] = fft.fft(self._x)
        one_sided[(frequency < low) | (frequency > high)] = 0.0
        envelope = np.abs(fft.ifft(2.0 * one_sided))
        window = signal.get_window("hann", n)
        size = fft.next_fast_len(_FINER * n, real=True)
        lines = fft.rfft((envelope - envelope.mean()) * window, size)
        return fft.rfftfreq(size, 1.0 / self._rate), np.abs(lines) * (2.0 / window.sum())


STATISTICS: dict[str, Callable[..., float]] = {
    "rms": Waveform.rms,
    "peak": Waveform.peak,
    "crest": Waveform.crest,
    "kurtosis": Waveform.kurtosis,
    "skewness": Waveform.skewness,
    "band": Waveform.band,
    "centroid": Waveform.centroid,
    "envelope": Waveform.envelope,
}
