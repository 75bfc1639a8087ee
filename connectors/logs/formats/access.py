"""Access logs: the common and the combined format of nginx and Apache, and a time behind it."""

from __future__ import annotations

import re

from connectors.decode.errors import Undecodable, shown
from connectors.logs.clock import Clock
from connectors.logs.event import ERROR, INFO, WARNING, Event
from connectors.logs.formats.text import text_of

_QUOTED = r'"((?:[^"\\]|\\.)*+)"'
_LINE = re.compile(
    rf"(?:(?P<vhost>[\w.-]{{1,253}}(?::\d{{1,5}})?) )?(?P<client>[\w.:]{{1,253}}) \S++ (?P<user>[^\[]*+)"
    rf"(?P<time>\[[^\]]++\]) {_QUOTED} (?P<status>\d{{3}}) (?P<bytes>\d{{1,18}}|-)"
    rf"(?: {_QUOTED} {_QUOTED})?(?P<rest>.*)"
)
_SECONDS = re.compile(r"(?:^|[\s=\"])(\d{1,9}(?:\.\d{1,9})?)(?=$|[\s\",])")
_REQUEST = re.compile(r"([A-Z]{1,20}) (\S++)(?: HTTP/[\d.]{1,5})?$")
_NOT_SECONDS = 1000.0


def parse(line: bytes, clock: Clock) -> Event:
    """Return the event of a request; its template is that of the method and the path.

    >>> line = b'::1 - - [29/Nov/2026:12:00:00 +0000] "GET /users/7?a=b HTTP/1.1" 404 10 "-" "x" 0.25'
    >>> event = parse(line, Clock())
    >>> event.message, event.level, event.fields["status"], event.fields["request_time"]
    ('GET /users /7', 2, 404, 0.25)
    """
    text = text_of(line)
    found = _LINE.match(text)
    if found is None:
        raise Undecodable("not_an_access_line", f"not of the combined log format: {shown(text, 80)}")
    request = _REQUEST.match(found[5])
    method, path = request.groups() if request is not None else ("", found[5])
    path = path.partition("?")[0]
    status = int(found["status"])
    fields: dict[str, object] = {
        "client": found["client"],
        "method": method,
        "path": path,
        "status": status,
        "bytes_sent": 0 if found["bytes"] == "-" else int(found["bytes"]),
    }
    if found["vhost"]:
        fields["vhost"] = found["vhost"]
    taken = _SECONDS.search(found["rest"])
    if taken is not None:
        fields["request_time"] = _seconds(taken[1])
    level = ERROR if status >= 500 else WARNING if status >= 400 else INFO
    message = f"{method} {path.replace('/', ' /').strip()}".strip()
    return Event(message, clock.find(found["time"])[0], level, fields)


def _seconds(text: str) -> float:
    """Return the time that a request took: nginx writes seconds with a point, Apache's %D microseconds."""
    return float(text) if "." in text else float(text) / 1e6
