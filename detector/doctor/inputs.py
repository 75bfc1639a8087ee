"""What comes in and goes out: files that match, ports that are free, brokers that answer."""

from __future__ import annotations

import errno
import glob
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from connectors.sources.places import names
from detector.config.models import Config
from detector.doctor.finding import Finding, fine, note
from detector.doctor.machine import may_write
from detector.registry import probes

_SHOWN = 3
_PROBE_S = 10.0
MOST_DEAD_LETTERS = 100 << 20
"""Where the file stops growing, see `detector.refused`."""


def files(config: Config) -> Iterator[Finding]:
    """Look whether the patterns of each source match files that we may read."""
    for name, source in config.sources.items():
        paths: tuple[str, ...] = getattr(source.options, "paths", ())
        for pattern in paths:
            found = matching(pattern)
            place, check = f"sources.{name}: {pattern}", "files"
            closed = [one for one in found if not os.access(one, os.R_OK)]
            if not found:
                folder = next(
                    one for one in (*Path(pattern).parents, Path("/")) if not glob.has_magic(str(one))
                )
                lost = "" if folder.is_dir() else f": there is no directory {folder}"
                remedy = "check the path; relative ones begin at the configuration's directory"
                yield Finding(check, f"{place} matches no file{lost}", remedy)
            elif closed:
                said = f"{place}: {', '.join(closed[:_SHOWN])} cannot be read ({len(closed)} of {len(found)})"
                yield Finding(
                    check, said, "chmod a+r, or SupplementaryGroups= of the files' group in the unit"
                )
            else:
                yield fine(check, f"{place}: {len(found)} file{'s' * (len(found) != 1)}")


def matching(pattern: str) -> list[str]:
    """Return the files that a pattern of a source matches now."""
    return sorted(one for one in names((pattern,)) if not Path(one).is_dir())


def losses(config: Config) -> Iterator[Finding]:
    """Say which settings let a broker lose messages, and what of a broker cannot be seen from here."""
    for name, source in config.sources.items():
        options: Any = source.options
        if source.type != "mqtt":
            continue
        if getattr(options, "allow_loss", False):
            said = f"sources.{name}: allow_loss is set: what comes while we are away is lost"
            yield note("mqtt_loss", said, "take QoS 1 and a client_id, and leave allow_loss out")
            continue
        said = f"sources.{name}: how many messages the broker keeps while we are away cannot be seen"
        remedy = "with mosquitto: max_queued_messages 0 and persistence true; see docs/sources.md"
        yield Finding("mqtt_queue", said, remedy, "fine")


def ports(config: Config, running: bool) -> Iterator[Finding]:
    """Look whether what listens can listen; while a daemon runs the port is taken, by it."""
    for place, host, port in _listeners(config):
        wrong = _taken(host, port)
        if wrong and not running:
            said = f"{place}: {host}:{port} cannot be listened on: {wrong}"
            yield Finding(
                "port", said, f"end what uses it (ss -ltnp 'sport = :{port}'), or give another port"
            )
        elif not wrong and running:
            said = f"{place}: a daemon runs, and nobody listens on {host}:{port}"
            yield Finding("port", said, "look at its log; was the configuration changed and not reloaded?")
        else:
            yield fine("port", f"{place}: {host}:{port} is {'in use by the daemon' if running else 'free'}")


def _listeners(config: Config) -> Iterator[tuple[str, str, int]]:
    for name, source in config.sources.items():
        options: Any = source.options
        if source.type == "http":
            yield f"sources.{name}", options.host, options.port
    if config.server is not None and config.server.port:
        yield "server", config.server.host, config.server.port


def _taken(host: str, port: int) -> str:
    """Return why nobody can listen there, or ""; port 0 is any free one."""
    try:
        (family, kind, _, _, address), *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        with socket.socket(family, kind) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
    except OSError as error:
        return "it is in use" if error.errno == errno.EADDRINUSE else (error.strerror or str(error))
    return ""


def connections(config: Config) -> Iterator[Finding]:
    """Try each connection once."""
    for place, probe in probes(config):
        wrong = None if probe is None else probe(_PROBE_S)
        if wrong:
            remedy = "is it running, and are address, name, password and firewall right?"
            yield Finding("connection", f"{place}: {wrong}", remedy)
        elif probe is not None:
            yield fine("connection", f"{place}: connected")


def dead_letters(config: Config) -> Iterator[Finding]:
    """Look whether the file of refused records can grow."""
    file = config.dead_letter
    if file is None:
        return
    size = file.stat().st_size if file.is_file() else 0
    if size >= MOST_DEAD_LETTERS:
        said = f"{file} has {size >> 20} MiB and grows no more; refused records are only counted"
        yield Finding("dead_letter", said, "look what is refused and why, then move the file away")
    elif not (may_write(file.parent) if not file.exists() else os.access(file, os.W_OK)) or file.is_dir():
        yield Finding(
            "dead_letter", f"{file} cannot be written", "give `dead_letter` a file that we may write"
        )
    elif not file.parent.is_dir():
        yield Finding("dead_letter", f"{file.parent} is not there", f"mkdir -p {file.parent}")
    elif size:
        said = f"{file} holds {size} bytes of records that could not be used"
        yield note("dead_letter", said, f"see why: jq -r .reason {file} | sort | uniq -c")
