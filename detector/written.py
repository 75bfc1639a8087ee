"""How settings may be written: ``30s``, ``0.1 %``, ``1 per day``, ``2000 records``, ``Europe/Berlin``.

What comes out is plain numbers: seconds, and shares in 0..1. The JSON Schema of these types describes
what may be written, not what comes out.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field

_UNITS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_LONGEST_ZONE = 64


def parse_duration(value: object) -> object:
    """Return seconds for ``500ms 30s 5m 2h 7d 1w``.

    >>> parse_duration("5m")
    300.0
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*", value)
        if match is None:
            raise ValueError("not a duration; write a number and a unit, as 500ms, 30s, 5m, 2h or 7d")
        return float(match[1]) * _UNITS[match[2]]
    raise ValueError("a duration needs a unit; write 500ms, 30s, 5m, 2h or 7d")


def parse_share(value: object) -> object:
    """Return 0.001 for ``0.1 %``; numbers stay as they are.

    >>> parse_share("0.1 %")
    0.001
    """
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)
        if match is None:
            raise ValueError("not a share; write it as 0.1 % or 0.001")
        return float(match[1]) / 100
    return value


def read_budget(text: str) -> tuple[float, float]:
    """Return (share of records, alerts per second) for ``0.1 %``, ``1 per day`` or both with ``or``.

    >>> read_budget("0.1 % or 1 per day") == (0.001, 1 / 86400)
    True
    """
    share = rate = 0.0
    for part in text.split(" or "):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*per\s+(second|minute|hour|day|week)\s*", part)
        if match is not None:
            rate = float(match[1]) / _UNITS[match[2][0]]
        else:
            share = float(parse_share(part))  # type: ignore[arg-type]
    return share, rate


def parse_limit(value: object) -> object:
    """Return 0.001 for ``0.1 %``; ``1 per day`` and numbers stay as they are.

    >>> parse_limit("0.1 %"), parse_limit("1 per day"), parse_limit(3.5)
    (0.001, '1 per day', 3.5)
    """
    if isinstance(value, bool):
        raise ValueError("not a number; write 0.1 %, 1 per day, or both with or between them")
    if isinstance(value, str):
        try:
            share, rate = read_budget(value)
        except ValueError:
            raise ValueError("not a share or a budget; write it as 0.1 %, 1 per day or 0.001") from None
        if share + rate <= 0.0 or share >= 1.0:
            raise ValueError("a share must lie between 0 and 100 %, and a budget must allow something")
        return value if rate else share
    return value


def parse_memory(value: object) -> object:
    """Return records as int, seconds as float, None for ``forever``.

    >>> parse_memory("2000 records"), parse_memory("7d"), parse_memory("forever")
    (2000, 604800.0, None)
    """
    if value == "forever":
        return None
    if value == "auto":
        return value
    if isinstance(value, str):
        match = re.fullmatch(r"\s*(\d+)\s*records?\s*", value)
        try:
            value = int(match[1]) if match is not None else parse_duration(value)
        except ValueError:
            raise ValueError("not a memory; write auto, forever, 2000 records or 7d") from None
    elif isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a memory; write auto, forever, 2000 records or 7d")
    if isinstance(value, int | float) and not value > 0:
        raise ValueError("a memory of nothing; write forever, 2000 records or 7d")
    return value


def parse_season(value: object) -> object:
    """Return records as int, seconds as float.

    >>> parse_season("288 records"), parse_season("24h")
    (288, 86400.0)
    """
    match = re.fullmatch(r"\s*(\d+)\s*records?\s*", value) if isinstance(value, str) else None
    try:
        season = int(match[1]) if match is not None else parse_duration(value)
    except ValueError:
        raise ValueError("not a season; write 24h, 7d or 288 records") from None
    if season == 0:
        raise ValueError("a season of nothing; write 24h, 7d or 288 records")
    return season


def check_run(value: int) -> int:
    """Refuse a run of one record.

    >>> check_run(2)
    2
    """
    if value == 1:
        raise ValueError("one record is always the same as itself; write 2 or more, or 0 for never")
    return value


def check_zone(value: str) -> str:
    """Refuse the name of a time zone that there is not.

    >>> check_zone("Europe/Berlin")
    'Europe/Berlin'
    """
    try:
        if len(value) > _LONGEST_ZONE:  # each / in it is a package that would be looked for, in turn
            raise ValueError
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError("not a known time zone; write its IANA name, as Europe/Berlin") from None
    return value


DurationText = Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d|w)\s*$")]
ShareText = Annotated[str, Field(pattern=r"^\s*\d+(\.\d+)?\s*%\s*$")]
RecordsText = Annotated[str, Field(pattern=r"^\s*\d+\s*records?\s*$")]

Duration = Annotated[float, BeforeValidator(parse_duration, json_schema_input_type=DurationText)]
Interval = Annotated[float, Field(gt=0), BeforeValidator(parse_duration, json_schema_input_type=DurationText)]
BudgetText = Annotated[
    str,
    Field(
        pattern=r"^\s*(\d+(\.\d+)?\s*%(\s+or\s+)?)?(\d+(\.\d+)?\s*per\s+(second|minute|hour|day|week))?\s*$"
    ),
]
Limit = Annotated[
    Annotated[float, Field(gt=0, allow_inf_nan=False)] | str,
    BeforeValidator(parse_limit, json_schema_input_type=Annotated[float, Field(gt=0)] | BudgetText),
]
Part = Annotated[
    float,
    Field(ge=0, le=1),
    BeforeValidator(parse_share, json_schema_input_type=Annotated[float, Field(ge=0, le=1)] | ShareText),
]
Run = Annotated[int, Field(ge=0), AfterValidator(check_run)]
Zone = Annotated[str, AfterValidator(check_zone)]
Season = Annotated[
    int | float, BeforeValidator(parse_season, json_schema_input_type=RecordsText | DurationText)
]
Memory = Annotated[
    int | float | Literal["auto"] | None,
    BeforeValidator(
        parse_memory,
        json_schema_input_type=Literal["auto", "forever"]
        | Annotated[int, Field(ge=1)]
        | RecordsText
        | DurationText,
    ),
]
