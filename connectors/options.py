"""The forms in which a connector's options are written; shared by all of them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"B": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30}


def parse_duration(value: object) -> float:
    """Return seconds for ``500ms 30s 5m 2h 7d``.

    >>> parse_duration("500ms")
    0.5
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\s*", value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("not a duration; write a number and a unit, as 500ms, 30s, 5m, 2h or 7d")
    return float(match[1]) * _SECONDS[match[2]]


def parse_size(value: object) -> object:
    """Return bytes for ``512 B``, ``64 KiB``, ``1 MiB``, ``2 GiB``; plain numbers stay as they are.

    >>> parse_size("1 MiB")
    1048576
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"\s*(\d+)\s*(B|KiB|MiB|GiB)\s*", value)
    if match is None:
        raise ValueError("not a size; write it as 64 KiB, 1 MiB or 2 GiB")
    return int(match[1]) * _BYTES[match[2]]


Duration = Annotated[float, BeforeValidator(parse_duration), Field(json_schema_extra={"type": ["string"]})]
_SizeText = Annotated[str, Field(pattern=r"^\s*\d+\s*(B|KiB|MiB|GiB)\s*$")]
Size = Annotated[
    int,
    Field(gt=0),
    BeforeValidator(parse_size, json_schema_input_type=Annotated[int, Field(gt=0)] | _SizeText),
]


Precision = Annotated[
    Literal["ns", "us", "ms", "s"], Field(description="unit of the timestamps of InfluxDB line protocol")
]


class Options(BaseModel):
    """Frozen, and an unknown name is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
