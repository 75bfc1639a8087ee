"""Finds the time that a line begins with."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, datetime

from connectors.decode.times import Times
from detector.errors import SourceError

_HEAD = 100
"""A time begins within so many characters."""
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = "|".join(month.capitalize() for month in _MONTHS)
_FORMS = re.compile(
    r"(?P<unix>^\W?(?:\d{19}|\d{16}|\d{13}|\d{10}(?:\.\d{1,9})?)(?![\w.:/-]))"
    r"|(?<!\d)(?P<year>\d{4})(?P<gap>[-/.])(?P<month>\d\d)(?P=gap)(?P<day>\d\d)[T _-]"
    r"(?P<h>\d\d)[:.](?P<m>\d\d)[:.](?P<s>\d\d)(?:[.,](?P<part>\d{1,9}))?(?P<zone>Z| ?[+-]\d\d:?\d\d(?!\d))?"
    rf"|(?<!\d)(?P<day2>\d\d)/(?P<name2>{_MONTH})/(?P<year2>\d{{4}}):(?P<clock2>\d\d:\d\d:\d\d)"
    r" ?(?P<zone2>[+-]\d{4})?"
    rf"|\b(?P<name3>{_MONTH}) (?P<day3>[ \d]\d) (?P<clock3>\d\d:\d\d:\d\d)(?:\.(?P<part3>\d{{1,9}}))?"
    r"(?: (?P<year3>\d{4})\b)?"
)
_DIGITS = {"%Y": r"\d{4}", "%y": r"\d\d", "%d": r"[ \d]?\d", "%f": r"\d{1,6}", "%j": r"\d{1,3}"}
_WORDS = {"%b": r"[^\W\d]{3,5}", "%B": r"[^\W\d]{3,12}", "%a": r"[^\W\d]{2,5}", "%A": r"[^\W\d]{4,12}"}
_ZONES = {"%z": r"(?:Z|[+-]\d\d:?\d\d)", "%Z": "[A-Z]{3,4}", "%p": "[AaPp][Mm]", "%%": "%"}
_DIRECTIVES = dict.fromkeys(("%m", "%H", "%I", "%M", "%S"), r"\d{1,2}") | _DIGITS | _WORDS | _ZONES
"""What may stand in a line for each part of a strptime format."""
_HALF_YEAR = 182 * 86400.0


class Clock:
    """Finds and reads times in lines.

    Parameters
    ----------
    form, zone : str
        As those of `Times`; a format is looked for in the line.
    year : int or None
        Of the first time that has none; None: it is now. Those that follow are near the one before.
    now : callable
        Tells unix seconds.

    Examples
    --------
    >>> clock = Clock(now=lambda: 1.8e9)
    >>> clock.find("2026-11-29 12:00:00,250 ready")
    (1795953600.25, 23)
    >>> clock.find("no time here")
    (None, 0)
    """

    def __init__(
        self,
        form: str = "auto",
        zone: str = "UTC",
        year: int | None = None,
        now: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.fields = Times(form, zone)
        """Reads a field that holds nothing but a time."""
        self._auto = Times("auto", zone)
        self._form = None if form == "auto" else _searched(form)
        self._year, self._now = year, now
        self.last: float | None = None

    def find(self, text: str) -> tuple[float | None, int]:
        """Return the time that stands near the start of a line, and where it ends; None, 0 if none does."""
        if self._form is not None:
            found = self._form.search(text, 0, _HEAD)
            seconds = self.fields.read(found[0].strip()) if found else math.nan
        else:
            found = _FORMS.search(text, 0, _HEAD)
            seconds = self._read(found) if found else math.nan
        if found is None or math.isnan(seconds):
            return None, 0
        return seconds, found.end()

    def stands_in(self, text: str) -> bool:
        """Tell whether something that looks like a time stands near the start of a line."""
        return (self._form or _FORMS).search(text, 0, _HEAD) is not None

    def _read(self, found: re.Match[str]) -> float:
        part = found.groupdict()
        if part["unix"]:
            return self._auto.read(part["unix"].strip("[(<\"' "))
        if part["year"]:
            clock = f"{part['h']}:{part['m']}:{part['s']}"
            return self._date(part["year"], part["month"], part["day"], clock, part["part"], part["zone"])
        if part["year2"]:
            month = _number(part["name2"])
            return self._date(part["year2"], month, part["day2"], part["clock2"], None, part["zone2"])
        month, day = _number(part["name3"]), part["day3"].replace(" ", "0")
        if part["year3"]:
            return self._date(part["year3"], month, day, part["clock3"], part["part3"], None)
        return self._nearest(month, day, part["clock3"], part["part3"])

    def _date(self, year: str, month: str, day: str, clock: str, part: str | None, zone: str | None) -> float:
        fraction = f".{part[:6]:0<6}" if part else ""
        return self._auto.read(f"{year}-{month}-{day}T{clock}{fraction}{(zone or '').strip()}")

    def _nearest(self, month: str, day: str, clock: str, part: str | None) -> float:
        """Return the time in the year in which it is nearest to the time before."""
        if self.last is None and self._year is not None:
            return self._date(f"{self._year}", month, day, clock, part, None)
        near = self._now() if self.last is None else self.last
        year = datetime.fromtimestamp(near, UTC).year
        best = math.nan
        for one in (year, year - 1, year + 1):
            seconds = self._date(f"{one:04}", month, day, clock, part, None)
            if not math.isnan(seconds) and not abs(seconds - near) >= abs(best - near):
                best = seconds
            if abs(best - near) < _HALF_YEAR:
                break
        return best


def _number(month: str) -> str:
    return f"{_MONTHS.index(month.lower()) + 1:02}"


def _searched(form: str) -> re.Pattern[str]:
    """Return what finds a time of that strptime format; raises `SourceError` where nothing can."""
    pieces = re.findall(r"%.|[^%]+", form, re.DOTALL)
    unknown = next((piece for piece in pieces if piece[0] == "%" and piece not in _DIRECTIVES), None)
    if unknown is not None or not pieces:
        raise SourceError(
            f"the time format {form!r} cannot be looked for in a line; use {' '.join(sorted(_DIRECTIVES))}"
        )
    return re.compile("".join(_DIRECTIVES.get(piece, re.escape(piece)) for piece in pieces))
