"""What differs between two readings of a configuration file, setting by setting; secrets stay masked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from detector.config.models import Config
from detector.config.secrets import MASK
from detector.config.words import Where, dotted, shown

_MOST = 50
"""Lines; whoever has exchanged the whole file sees that from fewer."""


def differences(old: Config, new: Config) -> list[str]:
    """Return a line for each setting that was changed, added or removed, in the order of the files.

    Settings are compared as they are written: one that is left out now is removed, whatever its default.
    Of a secret it is only said that it is another one.
    """
    lines = list(_between((), (old.data, old.redacted), (new.data, new.redacted)))
    more = len(lines) - _MOST
    return lines if more <= 0 else [*lines[:_MOST], f"and {more} more"]


def _between(where: Where, old: tuple[Any, Any], new: tuple[Any, Any]) -> Iterator[str]:
    """Yield what differs below a place; a value comes as it is, and as it may be shown."""
    if old[0] == new[0]:
        return
    if MASK in (old[1], new[1]):
        yield f"{dotted(where)}: another secret"
    elif isinstance(old[0], dict) and isinstance(new[0], dict):
        for step in dict.fromkeys((*old[0], *new[0])):
            place = (*where, step)
            if step not in old[0]:
                yield f"{dotted(place)}: added{_value(new[1][step])}"
            elif step not in new[0]:
                yield f"{dotted(place)}: removed{_value(old[1][step])}"
            else:
                yield from _between(place, _part(old, step), _part(new, step))
    elif isinstance(old[0], list) and isinstance(new[0], list) and len(old[0]) == len(new[0]):
        for step in range(len(old[0])):
            yield from _between((*where, step), _part(old, step), _part(new, step))
    else:
        yield f"{dotted(where)}: {_short(old[1])} -> {_short(new[1])}"


def _part(pair: tuple[Any, Any], step: str | int) -> tuple[Any, Any]:
    return pair[0][step], pair[1][step]


def _value(value: Any) -> str:
    return "" if isinstance(value, dict | list) else f", {_short(value)}"


def _short(value: Any) -> str:
    return f"a list of {len(value)}" if isinstance(value, list) else shown(value)
