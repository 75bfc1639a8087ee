"""One thing that was looked at, and what is to be done about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    check : str
        Its name, the same in every run.
    message : str
        What is so.
    remedy : str
        What to do; "" = nothing.
    level : {"fine", "note", "wrong"}
        note: may be meant so; wrong: does harm, or soon will.
    """

    check: str
    message: str
    remedy: str = ""
    level: Literal["fine", "note", "wrong"] = "wrong"


def fine(check: str, message: str) -> Finding:
    """Return that nothing is to be done."""
    return Finding(check, message, level="fine")


def note(check: str, message: str, remedy: str) -> Finding:
    """Return what may be meant so, and may be not."""
    return Finding(check, message, remedy, "note")
