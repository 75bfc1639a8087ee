"""The model's name, filled in from a template as ``{site}/{pump}``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from connectors.decode.errors import Undecodable

_LONGEST = 512
_NAME = re.compile(r"\{([^{}]+)\}")


def lookup(record: Mapping[str, object], name: str) -> object:
    """Return a field; dots read nested JSON unless the record has that very key; None if absent.

    >>> lookup({"a": {"b": 1}}, "a.b"), lookup({"a.b": 2, "a": {"b": 1}}, "a.b")
    (1, 2)
    """
    if name in record or "." not in name:
        return record.get(name)
    *path, leaf = name.split(".")
    for part in path:
        record = _child(record, part)
    return record.get(leaf)


def lookup_all(records: Sequence[Mapping[str, object]], name: str) -> list[object]:
    """Return what `lookup` finds in each record."""
    if "." in name and any(name in record for record in records):
        return [lookup(record, name) for record in records]
    *path, leaf = name.split(".")
    level = records
    for part in path:
        level = [_child(record, part) for record in level]
    return [record.get(leaf) for record in level]


def _child(record: Mapping[str, object], name: str) -> Mapping[str, object]:
    child = record.get(name)
    return child if isinstance(child, dict) else {}


class KeyTemplate:
    """Fills ``{name}`` with labels of the source or fields of the record.

    >>> KeyTemplate("{site}/{pump}").fill({"site": "north"}, {"pump": 3})
    'north/3'
    """

    def __init__(self, template: str) -> None:
        pieces = _NAME.split(template)
        self._texts = pieces[::2]
        self.names = tuple(pieces[1::2])

    def fill(self, labels: Mapping[str, str], record: Mapping[str, object]) -> str:
        """Return the key; labels win over fields. Raises `Undecodable` where one is missing."""
        key = self._texts[0]
        for name, text in zip(self.names, self._texts[1:], strict=True):
            value = labels[name] if name in labels else lookup(record, name)
            key += _as_text(value, name) + text
        if len(key) > _LONGEST:
            raise Undecodable("bad_key", f"the key has {len(key)} characters; at most {_LONGEST} are allowed")
        return key


def _as_text(value: object, name: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        text = str(value).strip() if not isinstance(value, int) or abs(value) < 2**64 else ""
        if text:
            return text
    raise Undecodable("no_key", f"the key needs {name}, which the record does not have")
