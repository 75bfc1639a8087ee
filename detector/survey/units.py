"""Words in the names of columns: what they are made of, and which unit they tell."""

from __future__ import annotations

import re

_BRACKETED = re.compile(r"[(\[]([^()\[\]]{1,12})[)\]]\s*$")
_UNITS = {
    "celsius": "°C",
    "degc": "°C",
    "degf": "°F",
    "fahrenheit": "°F",
    "kelvin": "K",
    "pct": "%",
    "percent": "%",
    "ppm": "ppm",
    "ppb": "ppb",
    "db": "dB",
    "dbm": "dBm",
    "lux": "lx",
    "bar": "bar",
    "mbar": "mbar",
    "hpa": "hPa",
    "kpa": "kPa",
    "mpa": "MPa",
    "psi": "psi",
    "mv": "mV",
    "kv": "kV",
    "ma": "mA",
    "kw": "kW",
    "mw": "MW",
    "wh": "Wh",
    "kwh": "kWh",
    "va": "VA",
    "volts": "V",
    "amps": "A",
    "watts": "W",
    "hz": "Hz",
    "khz": "kHz",
    "rpm": "1/min",
    "us": "µs",
    "ms": "ms",
    "sec": "s",
    "secs": "s",
    "seconds": "s",
    "minutes": "min",
    "hours": "h",
    "um": "µm",
    "mm": "mm",
    "cm": "cm",
    "km": "km",
    "kmh": "km/h",
    "mph": "mph",
    "kg": "kg",
    "nm": "Nm",
    "bytes": "B",
    "kb": "kB",
    "mb": "MB",
    "gb": "GB",
    "litres": "l",
    "liters": "l",
    "m3": "m³",
}
_WITH = {
    "c": ("°C", ("temp", "temperature", "t", "dew", "setpoint")),
    "f": ("°F", ("temp", "temperature", "t", "dew", "setpoint")),
    "k": ("K", ("temp", "temperature")),
    "v": ("V", ("voltage", "volt", "u", "battery", "supply")),
    "a": ("A", ("current", "curr", "i")),
    "w": ("W", ("power", "p", "load")),
    "s": ("s", ("time", "duration", "latency", "elapsed", "period", "delay")),
    "m": ("m", ("distance", "level", "height", "depth", "length", "range")),
    "g": ("g", ("acc", "accel", "acceleration", "vibration", "vib")),
    "l": ("l", ("volume", "vol")),
}
"""A letter is a unit only behind a word that it goes with: `phase_a` is no current."""
_RATES = {"s": "s", "sec": "s", "min": "min", "h": "h", "hour": "h", "d": "d"}
_AMOUNTS = {"m3": "m³", "mb": "MB", "kb": "kB"} | {name: name for name in ("l", "m", "mm", "km", "kg", "g")}


def unit_of(name: str) -> str:
    """Return the unit that a column's name ends with; "" where it tells none.

    >>> [unit_of(name) for name in ("temp_c", "flow_l_min", "Temp (C)", "latency_ms", "phase_a", "hot")]
    ['°C', 'l/min', '°C', 'ms', '', '']
    """
    bracketed = _BRACKETED.search(name)
    if bracketed is not None:
        told = bracketed[1].strip()
        return {"C": "°C", "F": "°F"}.get(told, told)
    words = words_of(name)
    if len(words) >= 3 and words[-1] in _RATES and words[-2] in _AMOUNTS:
        return f"{_AMOUNTS[words[-2]]}/{_RATES[words[-1]]}"
    if len(words) < 2:
        return ""
    unit, companions = _WITH.get(words[-1], ("", ()))
    return unit if set(words[:-1]) & set(companions) else _UNITS.get(words[-1], "")


def words_of(name: str) -> list[str]:
    """Return the words that a column's name is made of.

    >>> words_of("Pump_ID"), words_of("machineId"), words_of("tempC")
    (['pump', 'id'], ['machine', 'id'], ['temp', 'c'])
    """
    apart = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name)
    return [word for word in re.split(r"[^a-z0-9]+", apart.lower()) if word]
