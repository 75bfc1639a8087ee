"""Times at which alerts are made and nobody is woken: a weekly wash, a test run of the spare pump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, Field, model_validator

from detector.settings.base import Settings
from detector.written import Interval, Zone

_FIELDS = 5
_LONGEST = 256
_FROM = datetime(2024, 1, 1, tzinfo=UTC)
_MOST_TOGETHER = 1000
"""Starts in a row that one window may hold; more are taken for one that never ends."""


def _check_cron(value: str) -> str:
    """Refuse what is no time of cron, or never comes."""
    if len(value) > _LONGEST or len(value.split()) != _FIELDS:
        raise ValueError(
            "not a time of cron; write five fields: minute, hour, day, month, weekday, as 0 2 * * SUN"
        )
    try:
        next(CronSim(value, _FROM))
    except CronSimError as error:
        raise ValueError(f"not a time of cron: {str(error).lower()}; write it as 0 2 * * SUN") from None
    except StopIteration:
        raise ValueError("this time never comes; check day and month") from None
    return value


Glob = Annotated[str, Field(min_length=1, max_length=_LONGEST)]


class QuietWindow(Settings):
    """A time that comes again, at which alerts are made but not told."""

    cron: Annotated[str, AfterValidator(_check_cron)] = Field(
        description="when it begins: minute, hour, day, month, weekday, as 0 2 * * SUN"
    )
    lasts: Interval = Field(alias="for", le=366 * 86400, description="how long it lasts, as 2h")
    tz: Zone = Field(default="UTC", description="IANA time zone of cron")
    learn: bool = Field(default=True, description="false: nothing is learned from its records")
    why: str = Field(min_length=1, max_length=200, description="said of the alerts in it, as weekly wash")
    keys: Glob = Field(default="*", description="of which keys; * stands for any characters, as A/*")

    @model_validator(mode="after")
    def _ends(self) -> QuietWindow:
        """Refuse a window that is always open."""
        starts = CronSim(self.cron, _FROM.astimezone(ZoneInfo(self.tz)))
        before = None
        for _ in range(_MOST_TOGETHER):
            start = next(starts, None)
            if start is None:
                return self
            if before is not None and start.astimezone(UTC) > before + timedelta(seconds=self.lasts):
                return self
            before = start.astimezone(UTC)
        raise ValueError("this window never ends: it begins anew before it is over; shorten for")
