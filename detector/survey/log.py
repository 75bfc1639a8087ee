"""Looks at the first lines of a log: how they are written, and what can be counted of them."""

from __future__ import annotations

import glob
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from connectors.decode.errors import Undecodable
from connectors.logs.clock import Clock
from connectors.logs.event import Event, level_of
from connectors.logs.formats import FORMATS
from connectors.logs.options import ACCESS, check_installed
from detector.errors import KyoriError
from detector.survey.columns import Column
from detector.survey.draft import Draft, Moment
from detector.survey.file import name_of
from detector.survey.quoting import quoted

_ENOUGH = 1 << 18
_MOST_LINES = 2000
_MOST = 0.8
"""A log is of a format if so many of its lines are."""
_WINDOWS = (("1m", 60.0), ("5m", 300.0), ("15m", 900.0), ("1h", 3600.0), ("6h", 21600.0), ("1d", 86400.0))
_NO_TIME = "no line has a time: that of arrival counts"
_EVENTS = 3
"""A window shall have so many events on average."""
_OLD_TIME = re.compile(r"(<\d{1,3}>)?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d ")
_ISO_TIME = re.compile(r"(<\d{1,3}>1 )?\d{4}-\d\d-\d\dT\S+(Z|[+-]\d\d:\d\d) ")


def survey(file: Path, name: str = "") -> Draft:
    """Look at the first lines of a log; raises an error where it cannot be read, or holds no line."""
    try:
        check_installed()
    except ValueError as error:
        raise KyoriError(str(error)) from None
    lines = _first_lines(file)
    form = _format(file, lines)
    events = _events(form, lines)
    times = [event.time for event in events if event.time is not None]
    window, seconds = _window(times, len(lines))
    features = [Column(one, unit, note=note) for one, (unit, note) in _features(form, events).items()]
    return Draft(
        name=name or name_of(file),
        source=[
            "type: tail    # follows a log that grows and is rotated",
            f"paths: [{quoted(glob.escape(str(file.absolute())))}]",
            f"format: {form}",
            f"log: {{window: {window}}}    # one record for each; or {{per: line}}",
            "start_at: saved_or_beginning    # saved_or_end: only what comes from now on",
        ],
        features=features,
        key_note=_key_note(events),
        time=Moment("time", note="the end of a window") if times else Moment(note=_NO_TIME),
        seen=f"Made from {len(lines)} lines" + (f" of {_spoken(seconds)}." if seconds else "."),
    )


def _first_lines(file: Path) -> list[bytes]:
    try:
        with file.open("rb") as opened:
            data = opened.read(_ENOUGH)
    except OSError as error:
        raise KyoriError(f"{file}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    whole, _, rest = data.rpartition(b"\n")
    lines = [line for line in (whole or rest).split(b"\n") if line.strip()][:_MOST_LINES]
    if not lines:
        raise KyoriError(f"{file}: holds no line; its format cannot be told")
    if any(b"\0" in line for line in lines[:10]):
        raise KyoriError(f"{file}: is no text; unpack it first, or convert it to UTF-8")
    return lines


def _format(file: Path, lines: Sequence[bytes]) -> str:
    if _share(lines, lambda line: line.lstrip().startswith(b"{")) >= _MOST:
        return (
            "journald" if _share(lines, lambda line: b"_REALTIME_TIMESTAMP" in line) >= _MOST else "json_log"
        )
    if len(_events("nginx", lines)) >= _MOST * len(lines):
        return "apache" if re.search("apache|httpd", str(file)) else "nginx"
    return "syslog" if _share(lines, _is_syslog) >= _MOST else "log"


def _is_syslog(line: bytes) -> bool:
    """Tell whether a line has the time of syslog, and behind it a host and a program."""
    text = line.decode("utf-8", "replace")
    if not (_OLD_TIME.match(text) or _ISO_TIME.match(text)):
        return False
    events = _events("syslog", [line])
    fields: Mapping[str, object] = events[0].fields if events else {}
    return "program" in fields and "host" in fields and level_of(fields["host"]) is None


def _share(lines: Sequence[bytes], holds: Callable[[bytes], bool]) -> float:
    return sum(map(holds, lines)) / len(lines)


def _events(form: str, lines: Sequence[bytes]) -> list[Event]:
    """Return the events of the lines that are of that format."""
    clock, events = Clock(), []
    for line in lines:
        try:
            events.append(FORMATS[form](line, clock))
        except Undecodable:
            continue
    return events


def _window(times: Sequence[float], events: int) -> tuple[str, float]:
    """Return a window that has some events on average, and how many seconds the lines span."""
    span = max(times) - min(times) if times else 0.0
    rate = events / span if span else float("inf")
    return next((word for word, seconds in _WINDOWS if rate * seconds >= _EVENTS), _WINDOWS[-1][0]), span


def _features(form: str, events: Sequence[Event]) -> dict[str, tuple[str, str]]:
    """Return what to count, with its unit and what it is."""
    found = {
        "rate": ("1/s", "events"),
        "new_templates": ("", "messages of a kind that never was before"),
        "rarity_max": ("", "how rare the rarest message is"),
    }
    if form in ACCESS:
        found |= {
            "status_4xx": ("", "requests refused"),
            "status_5xx": ("", "requests that failed"),
            "bytes_sent": ("B", ""),
            "paths": ("", "how many different ones"),
        }
        if any("request_time" in event.fields for event in events):
            found["request_time_max"] = ("s", "")
        return found
    if any(event.level is not None for event in events):
        found |= {"errors": ("", "and what is worse"), "warnings": ("", "")}
    if any(re.search(r"\d", event.message) for event in events):
        found["number_z"] = ("", "how unusual the numbers are, as in: served in 2400 ms")
    return found


def _key_note(events: Sequence[Event]) -> str:
    """Return what is said of the key: programs that share a log may have a model each."""
    programs = Counter(str(event.fields["program"]) for event in events if event.fields.get("program"))
    if len(programs) < 2:
        return "one model for all"
    return f'one model for all; `key: "{{program}}"` makes one for each of {len(programs)} programs'


def _spoken(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
