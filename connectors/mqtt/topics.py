"""Topic filters with named wildcards, and topic names that no key can break.

A filter is written as ``plant/+site/pump/+pump/telemetry``: ``+site`` is MQTT's single-level
wildcard and gives each record the label ``site``. A bare ``+`` and a trailing ``#`` work as in MQTT.
Behind ``$share/GROUP/`` a filter is shared: the broker deals its messages out to the readers of the group.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

MAX_BYTES = 65535
MAX_LEVELS = 100
"""Brokers close the connection on deeper topics: Mosquitto from 200 levels on."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHARED = re.compile(r"(\$share/[^/+#]+/)((?!\$share/).+)", re.DOTALL)
_PLACES = re.compile(r"\{(\w*)\}")


class TopicFilter:
    """One topic filter.

    Parameters
    ----------
    text : str
        The filter as in the configuration.

    Examples
    --------
    >>> pumps = TopicFilter("plant/+site/pump/+pump/telemetry")
    >>> pumps.wire
    'plant/+/pump/+/telemetry'
    >>> pumps.match("plant/north/pump/7/telemetry")
    {'site': 'north', 'pump': '7'}
    >>> pumps.match("plant/north/valve/7/telemetry") is None
    True
    """

    def __init__(self, text: str) -> None:
        check_filter(text)
        self.text = text
        shared = _SHARED.fullmatch(text)
        self._group, self._topics = (shared[1], shared[2]) if shared else ("", text)
        self._levels = self._topics.split("/")
        self._open_end = self._levels[-1] == "#"
        if self._open_end:
            self._levels.pop()
        self.names = tuple(level[1:] for level in self._levels if level.startswith("+") and len(level) > 1)

    @property
    def shared(self) -> bool:
        """Whether its messages are dealt out to several readers."""
        return self._group != ""

    @property
    def wire(self) -> str:
        """The filter as the broker knows it, without names."""
        levels = ["+" if level.startswith("+") else level for level in self._levels]
        return self._group + "/".join(levels + ["#"] * self._open_end)

    def match(self, topic: str) -> dict[str, str] | None:
        """Return the labels of a topic, or None when the filter does not match it."""
        levels = topic.split("/")
        if len(levels) != len(self._levels) and not (self._open_end and len(levels) > len(self._levels)):
            return None
        if topic.startswith("$") and not self._topics.startswith("$"):
            return None
        labels = {}
        for ours, theirs in zip(self._levels, levels, strict=False):
            if ours.startswith("+"):
                if len(ours) > 1:
                    labels[ours[1:]] = theirs
            elif ours != theirs:
                return None
        return labels

    def overlaps(self, other: TopicFilter) -> bool:
        """Tell whether some topic matches both.

        >>> TopicFilter("a/+x").overlaps(TopicFilter("+y/b")), TopicFilter("a/b").overlaps(TopicFilter("a/c"))
        (True, False)
        """
        if len(self._levels) > len(other._levels):
            return other.overlaps(self)
        if len(self._levels) < len(other._levels) and not self._open_end:
            return False
        if self._topics.startswith("$") != other._topics.startswith("$"):
            return False  # a wildcard in the first place matches no topic that begins with $
        pairs = zip(self._levels, other._levels, strict=False)
        return all(ours == theirs or "+" in (ours[:1], theirs[:1]) for ours, theirs in pairs)


def check_filter(text: str) -> None:
    """Raise ValueError, with what to write instead, when this is no topic filter."""
    if not text or "\0" in text or len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise ValueError(f"{text[:40]!r} is no topic filter: it must have 1 to {MAX_BYTES} bytes and no NUL")
    shared = _SHARED.fullmatch(text)
    if text.startswith("$share/") and shared is None:
        raise ValueError(f"{text!r} is no shared filter; write $share/GROUP/ and the filter behind it")
    levels = (shared[2] if shared else text).split("/")
    if len(levels) > MAX_LEVELS:
        raise ValueError(f"{text[:40]!r} ... has {len(levels)} levels; at most {MAX_LEVELS} are allowed")
    names = []
    for place, level in enumerate(levels):
        if level == "#" and place == len(levels) - 1:
            continue
        if "#" in level:
            raise ValueError(f"{text!r}: # must be the last level, alone; for one level write + or +name")
        if level.startswith("+"):
            if len(level) > 1 and _NAME.fullmatch(level[1:]) is None:
                raise ValueError(
                    f"{text!r}: {level!r} is no name for a label; write + and letters, digits, _ as +pump"
                )
            names.append(level[1:])
        elif "+" in level:
            raise ValueError(f"{text!r}: + must stand at the start of a level, as in plant/+site/telemetry")
    twice = sorted({name for name in names if name and names.count(name) > 1})
    if twice:
        raise ValueError(f"{text!r}: the label {twice[0]} occurs twice; give each wildcard its own name")


def find_overlap(filters: Iterable[TopicFilter]) -> tuple[TopicFilter, TopicFilter] | None:
    """Return the first two filters that some topic matches both of, or None."""
    known: list[TopicFilter] = []
    for one in filters:
        for other in known:
            if one.overlaps(other):
                return other, one
        known.append(one)
    return None


def check_template(template: str) -> None:
    """Raise ValueError when this is no template of a topic to publish to."""
    unknown = [name for name in _PLACES.findall(template) if name not in {"pipeline", "key"}]
    rest = _PLACES.sub("", template)
    if unknown or "{" in rest or "}" in rest:
        raise ValueError(f"{template!r}: only {{pipeline}} and {{key}} may stand in braces")
    if not template or template.startswith("$") or set(rest) & set("+#\0"):
        raise ValueError(f"{template!r}: a topic to publish to has no + # or NUL, and does not begin with $")
    if len(template.encode("utf-8", "surrogatepass")) > 1000 or template.count("/") >= MAX_LEVELS // 2:
        raise ValueError(f"{template[:40]!r} ... is too long for a topic")


def fill_template(template: str, values: Mapping[str, str]) -> str:
    """Return the topic of one alert; nothing in a value can make it invalid or a wildcard.

    A slash in a value stays a level of the topic, as in the key ``north/7``; an empty level is left
    out. A value is put in once, so that braces in it stay what they are.

    >>> fill_template("kyori/{pipeline}/{key}", {"pipeline": "pumps", "key": "north/+/{key}"})
    'kyori/pumps/north/_/{key}'
    >>> fill_template("kyori/{pipeline}/{key}", {"pipeline": "pumps", "key": ""})
    'kyori/pumps'
    """
    topic = _PLACES.sub(lambda place: _safe(values[place[1]]), template)
    topic = "/".join(level for level in topic.split("/") if level)
    return re.sub(r"^\$|^$", "_", topic)


def _safe(value: str) -> str:
    """Replace what MQTT forbids in a topic name by ``_``, and cut what is too long or too deep."""
    value = "".join("_" if char in "+#" or _forbidden(char) else char for char in value[:10_000])
    return value if value.count("/") < MAX_LEVELS // 2 else value.replace("/", "_")


def _forbidden(char: str) -> bool:
    # Control characters and surrogates, and U+FDD0..FDEF and U+..FFFE, FFFF, which are no characters.
    return (
        unicodedata.category(char) in {"Cc", "Cs"}
        or 0xFDD0 <= ord(char) <= 0xFDEF
        or ord(char) & 0xFFFE == 0xFFFE
    )
