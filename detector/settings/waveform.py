"""A feature that is many: numbers that are computed of the samples in one field."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from detector.contracts import Statistic, Wave
from detector.settings.base import MOST_LAGS, Settings
from detector.written import Interval

_NUMBER = r"(\d+(?:\.\d+)?)"
_FORMS = {
    "band": re.compile(rf"band\({_NUMBER}-{_NUMBER}\)"),
    "envelope": re.compile(rf"envelope\({_NUMBER}\)"),
}
_PLAIN = ("rms", "peak", "crest", "kurtosis", "skewness", "centroid")
_USE = r"^(rms|peak|crest|kurtosis|skewness|centroid|band\([0-9.]+-[0-9.]+\)|envelope\([0-9.]+\))$"
_OWN_UNIT = ("rms", "peak", "envelope")


def parse(use: str) -> tuple[str, tuple[float, ...]]:
    """Return the kind of a statistic and the numbers in its brackets.

    >>> parse("band(50-400)"), parse("rms")
    (('band', (50.0, 400.0)), ('rms', ()))
    """
    for kind, form in _FORMS.items():
        match = form.fullmatch(use)
        if match is not None:
            return kind, tuple(map(float, match.groups()))
    if use not in _PLAIN:
        raise ValueError(
            f"not a statistic of a waveform; write {', '.join(_PLAIN)}, band(50-400) in Hz or "
            "envelope(3.585), an order of the shaft's speed"
        )
    return use, ()


def _checked(use: str) -> str:
    parse(use)
    return use


Use = Annotated[str, Field(json_schema_extra={"pattern": _USE}), AfterValidator(_checked)]


class Waveform(Settings):
    """Several columns of the vector: statistics of a field that holds samples, as ``vib.rms``."""

    kind: Literal["waveform"] = Field(alias="from", description="says that the field holds samples")
    name: str = Field(min_length=1, description="what its columns begin with: name.rms")
    field: str = Field(
        default="", description="field with the samples; of a recording wave, wave2, ... Default: name"
    )
    rate_hz: float = Field(gt=0, allow_inf_nan=False, description="samples a second")
    use: tuple[Use, ...] = Field(
        min_length=1,
        max_length=100,
        description="what is computed: rms, peak, crest, kurtosis, skewness, centroid, band(LOW-HIGH) in Hz, "
        "envelope(ORDER) in turns of the shaft",
    )
    encoding: Literal["array", "int16", "float32"] = Field(
        default="array", description="array: a list of numbers; else base64 of these, little-endian"
    )
    scale: float = Field(
        default=1.0,
        gt=0,
        allow_inf_nan=False,
        description="a sample times this is in the unit; samples of a recording lie between -1 and 1",
    )
    rpm: float | str | None = Field(
        default=None, description="turns of the shaft a minute, or the field of the record that has them"
    )
    resonance: tuple[float, float] | None = Field(
        default=None, description="[lowest, highest] Hz in which blows make the housing ring, for envelope"
    )
    window: Interval = Field(
        default=1.0,
        description="so much of a recording is one record; an array is one as it comes",
        json_schema_extra={"default": "1s"},
    )
    hop: Interval | None = Field(
        default=None, description="from the start of one window to that of the next; default: window"
    )
    unit: str = Field(default="", description="of the samples; that of each column follows from it")
    log: bool = Field(default=False, description="use the logarithm of each column")
    smooth: int = Field(default=1, ge=1, description="exponential smoothing over about so many records")
    lags: int | None = Field(
        default=None,
        ge=0,
        le=MOST_LAGS,
        description="values so many records before are context; default: context.lags",
    )
    direction: Literal["both", "above", "below"] = Field(
        default="both", description="only a value above, or below, what was expected may alert"
    )

    @field_validator("rpm")
    @classmethod
    def _turning(cls, rpm: float | str | None) -> float | str | None:
        if rpm == "" or (isinstance(rpm, float) and not 0.0 < rpm < float("inf")):
            raise ValueError("not a speed; write turns a minute, as 1797, or the name of a field")
        return rpm

    @model_validator(mode="after")
    def _possible(self) -> Waveform:
        for use in self.use:
            kind, numbers = parse(use)
            if kind == "band":
                self._check_band(f"use: {use}", numbers)
            if kind == "envelope":
                self._check_envelope(use, numbers[0])
            if kind == "skewness" and self.log:
                raise ValueError("skewness may be below 0; give it an entry of its own, without log")
        if self.resonance is not None:
            self._check_band("resonance", self.resonance)
        return self

    def _check_band(self, what: str, ends: tuple[float, ...]) -> None:
        low, high = ends
        if not 0.0 <= low < high <= self.rate_hz / 2:
            raise ValueError(
                f"{what}: not a band of {self.rate_hz:g} samples a second; write the lower end first, and no "
                f"more than {self.rate_hz / 2:g} Hz"
            )

    def _check_envelope(self, use: str, order: float) -> None:
        if self.rpm is None:
            raise ValueError(f"use: {use} needs the speed of the shaft; add rpm: 1797, or the field with it")
        if self.resonance is None:
            raise ValueError(
                f"use: {use} needs the band in which the housing rings; add resonance: "
                f"[{self.rate_hz / 8:g}, {self.rate_hz / 3:g}] if you do not know better"
            )
        width = self.resonance[1] - self.resonance[0]
        if order <= 0.0 or (isinstance(self.rpm, float) and order * self.rpm / 60.0 > width):
            raise ValueError(
                f"use: {use} lies not between 0 and the width of resonance, {width:g} Hz; widen resonance"
            )

    @property
    def columns(self) -> tuple[tuple[str, str], ...]:
        """The name and the unit of each column."""
        return tuple((f"{self.name}.{use}", self._unit(parse(use)[0])) for use in self.use)

    def _unit(self, kind: str) -> str:
        if kind == "band":
            return f"({self.unit})²" if "/" in self.unit else f"{self.unit}²" if self.unit else ""
        return self.unit if kind in _OWN_UNIT else "Hz" if kind == "centroid" else ""

    @property
    def wave(self) -> Wave:
        """What sources have to compute."""
        return Wave(
            field=self.field or self.name,
            rate=self.rate_hz,
            statistics=tuple(
                Statistic(column, *parse(use))
                for (column, _), use in zip(self.columns, self.use, strict=True)
            ),
            encoding=self.encoding,
            scale=self.scale,
            rpm=self.rpm,
            resonance=self.resonance,
            window=self.window,
            hop=self.hop or self.window,
        )
