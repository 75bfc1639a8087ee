"""One label as a person gives it, and its line of JSON: checked, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from detector.contracts import LARGEST

LABELS = ("real", "false", "normal")
"""A true alert; a false alarm; what from now on is normal."""

LONGEST = 64 << 10
"""Bytes of a line."""

_TEXTS = {"alert": ("alert", 64), "class": ("name", 64), "pipeline": ("pipeline", 200), "by": ("by", 32)}
"""What must be printable: by its name in a line, that in `Given`, and how long it may be."""
_LONGEST_KEY = 1000
_KNOWN = {*_TEXTS, "label", "key", "values", "given"}


@dataclass(frozen=True, slots=True)
class Given:
    """One label. It is either of an alert or of a record that is told by its values.

    Attributes
    ----------
    alert : str
        The alert's id, or "".
    label : str
        One of `LABELS`.
    name : str
        The class, as the kind of fault; "" for none. In the file it is ``class``.
    pipeline : str
        Whose alert or record it is; "" where the alert alone tells.
    given : float
        When, in unix seconds; 0 where nobody noted it.
    by : str
        By which way it came: ``cli``, ``mqtt`` or ``file``.
    key : str
        The model of the record.
    values : mapping of str to float
        The record's features; empty for an alert.

    Raises
    ------
    ValueError
        It cannot be one; the text says why.
    """

    alert: str
    label: str
    name: str = ""
    pipeline: str = ""
    given: float = 0.0
    by: str = "file"
    key: str = ""
    values: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise ValueError(f"label must be one of {', '.join(LABELS)}, not {_shown(self.label)}")
        for name, (attribute, most) in _TEXTS.items():
            _check_text(name, getattr(self, attribute), most)
        if not isinstance(self.key, str) or len(self.key) > _LONGEST_KEY:
            raise ValueError(f"key must be text of at most {_LONGEST_KEY} characters")
        if not _is_number(self.given) or self.given < 0.0:
            raise ValueError(f"given must be a time in unix seconds, not {_shown(self.given)}")
        if not isinstance(self.values, Mapping):
            raise ValueError('values must be a map of features to numbers, as {"flow": 1.2}')
        for feature, value in self.values.items():
            if not feature or not isinstance(feature, str) or not _is_number(value):
                raise ValueError(
                    f"the value of {_shown(feature)} must be a finite number, not {_shown(value)}"
                )
        if bool(self.alert) == bool(self.values):
            raise ValueError("give either the id of an alert, or the values of a record")
        if self.values and not self.pipeline:
            raise ValueError("the values of a record need its pipeline, and its key if there are several")

    def to_json(self) -> str:
        """Return the line, without its line feed.

        >>> Given("2f8a", "false", pipeline="pumps", by="cli").to_json()
        '{"alert": "2f8a", "label": "false", "class": "", "pipeline": "pumps", "given": 0.0, "by": "cli"}'
        """
        end: dict[str, object] = {"label": self.label, "class": self.name, "pipeline": self.pipeline}
        end |= {"given": self.given, "by": self.by}
        record = {"key": self.key, "values": dict(self.values)}
        alert = {"alert": self.alert} | ({"key": self.key} if self.key else {})
        return json.dumps((record if self.values else alert) | end, allow_nan=False)


def parse(line: str | bytes) -> Given:
    """Return the label that a line holds.

    Raises
    ------
    ValueError
        It holds none; the text says why, and is printable.

    Examples
    --------
    >>> parse('{"alert": "2f8a", "label": "real", "class": "bearing"}').name
    'bearing'
    >>> parse('{"pipeline": "pumps", "label": "normal", "values": {"flow": 1.2}}').values
    {'flow': 1.2}
    >>> parse('{"alert": "2f8a", "label": "fasle"}')
    Traceback (most recent call last):
    ValueError: label must be one of real, false, normal, not 'fasle'
    """
    if len(line) > LONGEST:
        raise ValueError(f"longer than {LONGEST >> 10} KiB")
    try:
        data = json.loads(line, object_pairs_hook=_once, parse_int=float)
    except json.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error.msg.lower()} at character {error.pos + 1}") from None
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if not isinstance(data, dict):
        raise ValueError('not a map, as {"alert": "2f8a...", "label": "false"}')
    unknown = sorted(data.keys() - _KNOWN)
    if unknown:
        raise ValueError(f"there is no {_shown(unknown[0])} in a label; it has {', '.join(sorted(_KNOWN))}")
    fields: dict[str, Any] = {"alert": "", "label": ""}
    fields |= {_TEXTS[name][0] if name in _TEXTS else name: value for name, value in data.items()}
    return Given(**fields)


def _check_text(name: str, value: object, most: int) -> None:
    if not isinstance(value, str) or len(value) > most or not value.isprintable():
        raise ValueError(f"{name} must be printable text of at most {most} characters, not {_shown(value)}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -LARGEST <= value <= LARGEST


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _shown(value: object) -> str:
    """Return a value for a message: printable, and short."""
    if isinstance(value, dict | list):
        return "a map" if isinstance(value, dict) else "a list"
    text = ascii(value)
    return text if len(text) <= 60 else text[:56] + "..." + text[-1]
