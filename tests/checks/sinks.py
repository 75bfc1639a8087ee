"""What every sink must do, wherever it delivers: the contract of `detector.contracts.Sink` as checks.

A harness knows how to make a sink over a medium, and to read back what the medium holds; see `Harness`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from detector.contracts import Alert, KeyState, Reason, Sink, States
from detector.errors import SinkUnavailable

HOSTILE = (
    "line\nfeed\r",
    "\x1b[2J\x1b]0;owned\x07",
    "%s %d %n",
    "{0} {0.__class__} {key}",
    "\u202eback",
    "a\0b\x9b",
)


@dataclass(frozen=True)
class Medium:
    """Where a sink delivers to: `make` gives a new sink, `lines` what has been delivered, in order."""

    make: Callable[[], Any]
    lines: Callable[[], list[str]]


@dataclass(frozen=True)
class Harness:
    """How a sink is tested.

    Attributes
    ----------
    medium : callable
        ``medium(directory)`` is a context with a new, empty `Medium`.
    broken : callable
        Makes a sink whose `open` or first `write` must fail with `SinkUnavailable`, if there can be such.
    resumes : bool
        The medium keeps a place, so that what was written and not noted is not there twice.
    json : bool
        Each line is what `Alert.to_json` gives.
    """

    kind: str
    medium: Callable[[Path], AbstractContextManager[Medium]]
    broken: Callable[[Path], Any] | None = None
    resumes: bool = False
    json: bool = True


def alert(record: int, text: str = "flow is 3 l/min, expected 7", status: str = "open") -> Alert:
    reason = Reason("flow", "l/min", 3.0, 7.0, 0.5, 1.0, "below")
    return Alert(
        id=f"{record:08x}", status=status, kind="distance", pipeline="pumps", key=f"north/{text}",
        time=1.7e9 + record, opened=1.7e9, record=record, records=1, score=9.0, threshold=3.0,
        level=3.0, p=1e-4, severity="critical", message=text, reasons=(reason,), model="m",
    )  # fmt: skip


def alerts(*records: int) -> list[Alert]:
    return [alert(record) for record in records]


def ids(lines: Sequence[str]) -> list[str]:
    return [Alert.from_json(line).id for line in lines]


def write(sink: Sink, *parts: Sequence[Alert], resume: bytes = b"") -> list[bytes]:
    """Open, write part by part, close; return the positions."""
    sink.open(resume)
    positions = [sink.write(part) for part in parts]
    sink.close()
    return positions


def check_protocol(harness: Harness, directory: Path) -> None:
    """It has what the contract asks for, and `write` returns bytes."""
    with harness.medium(directory) as medium:
        sink = medium.make()
        assert isinstance(sink, Sink)
        assert all(isinstance(position, bytes) for position in write(sink, alerts(1), [], alerts(2, 3)))


def check_order(harness: Harness, directory: Path) -> None:
    """Everything arrives, in order, however it is cut."""
    everything = alerts(*range(250))
    with harness.medium(directory) as medium:
        write(medium.make(), everything[:1], everything[1:230], everything[230:])
        lines = medium.lines()
    assert len(lines) == 250
    if harness.json:
        assert lines == [one.to_json() for one in everything]


def check_reopen(harness: Harness, directory: Path) -> None:
    """Closed and reopened with the position it returned, it goes on as if nothing had been."""
    with harness.medium(directory / "cut") as cut:
        (position,) = write(cut.make(), alerts(1, 2))
        write(cut.make(), alerts(3), alerts(4), resume=position)
        in_two = cut.lines()
    with harness.medium(directory / "whole") as whole:
        write(whole.make(), alerts(1, 2, 3, 4))
        assert whole.lines() == in_two


def check_written_but_not_noted(harness: Harness, directory: Path) -> None:
    """After a crash before the note nothing is missing; and nothing is there twice where the medium can."""
    with harness.medium(directory) as medium:
        first, _lost = write(medium.make(), alerts(1), alerts(2, 3))
        write(medium.make(), alerts(2), alerts(3, 4), resume=first)
        lines = medium.lines()
    assert len(lines) == (4 if harness.resumes else 6)
    if harness.json:
        assert list(dict.fromkeys(ids(lines))) == ids([one.to_json() for one in alerts(1, 2, 3, 4)])


def check_first_write_not_noted(harness: Harness, directory: Path) -> None:
    """The same for a crash in the very first write, when there is no position yet."""
    with harness.medium(directory) as medium:
        write(medium.make(), alerts(1, 2))
        write(medium.make(), alerts(1, 2, 3))
        assert len(medium.lines()) == (3 if harness.resumes else 5)


def check_close(harness: Harness, directory: Path) -> None:
    """Closing is safe at any time, and more than once."""
    with harness.medium(directory) as medium:
        medium.make().close()
        sink = medium.make()
        sink.open(b"")
        sink.write(alerts(1))
        sink.close()
        sink.close()
    if harness.broken is not None:
        broken = harness.broken(directory)
        for _ in range(2):  # the second try says the same, and does not crash on what the first left
            with pytest.raises(SinkUnavailable):
                broken.open(b"")
                broken.write(alerts(1))
        broken.close()
        broken.close()


def check_hostile_text(harness: Harness, directory: Path) -> None:
    """Whatever stands in key and message, an alert is one printable line, and nothing is filled in."""
    hostile = [alert(i, text) for i, text in enumerate(HOSTILE)]
    with harness.medium(directory) as medium:
        write(medium.make(), hostile)
        lines = medium.lines()
    assert len(lines) == len(HOSTILE)
    assert all(line.isprintable() for line in lines)
    assert "%s %d %n" in lines[2]
    assert "{0} {0.__class__} {key}" in lines[3]
    if harness.json:
        assert [Alert.from_json(line) for line in lines] == hostile


def check_position_of_something_else(harness: Harness, directory: Path) -> None:
    """A position that is not of this medium is no reason to fail, nor to lose anything."""
    for i, resume in enumerate((b"\xff", b"{}", b"[1]", b'{"dev": 1, "inode": 2, "offset": 0, "guard": ""}')):
        with harness.medium(directory / str(i)) as medium:
            write(medium.make(), alerts(1))
            write(medium.make(), alerts(2), resume=resume)
            assert len(medium.lines()) == 2


def check_states(harness: Harness, directory: Path) -> None:
    """To be told how it stands, at any time, harms no alert; a sink that does not want it says so."""
    told = States("pumps", "m", True, [KeyState(text, True) for text in HOSTILE], ["a"])
    with harness.medium(directory) as medium:
        sink = medium.make()
        tell = sink.tell if getattr(sink, "state_every", None) is not None else lambda _: None
        tell(told)
        sink.open(b"")
        for i in range(20):
            tell(told)
            sink.write(alerts(i))
        tell(told)
        sink.close()
        tell(told)
        assert len(medium.lines()) == 20


CHECKS = (
    check_protocol,
    check_order,
    check_reopen,
    check_written_but_not_noted,
    check_first_write_not_noted,
    check_close,
    check_hostile_text,
    check_position_of_something_else,
    check_states,
)
