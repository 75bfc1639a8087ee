"""Filters of topics as a configuration has them: every wildcard with a name, none that takes in our own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from connectors.mqtt.topics import TopicFilter, check_filter, fill_template, find_overlap
from detector.errors import KyoriError


def named_filters(texts: Sequence[str]) -> list[TopicFilter]:
    """Return the filters with a name for each wildcard, the same names in all of them.

    A wildcard is called as the level before it, else by its place.

    >>> [one.text for one in named_filters(["plant/+/pump/+/data"])]
    ['plant/+plant/pump/+pump/data']
    >>> [one.text for one in named_filters(["pump/+", "fan/+"])]
    ['pump/+level2', 'fan/+level2']
    """
    for text in texts:
        if text.startswith("$share/"):
            raise KyoriError(f"{text}: others would miss what we take; name the topic without $share/GROUP/")
        try:
            check_filter(text)
        except ValueError as error:
            raise KyoriError(f"--topic {error}") from None
    filters = [TopicFilter("/".join(_named(text.split("/"), by_place=False))) for text in texts]
    if len({one.names for one in filters}) > 1:
        filters = [TopicFilter("/".join(_named(text.split("/"), by_place=True))) for text in texts]
    if len({one.names for one in filters}) > 1:
        raise KyoriError(
            f"--topic {' and '.join(texts)}: their wildcards are at different places, so they have no key "
            "in common; make a configuration of each"
        )
    pair = find_overlap(filters)
    if pair is not None:
        raise KyoriError(f"--topic {pair[0].wire} and {pair[1].wire} match the same topics; give one of them")
    return filters


def _named(levels: Sequence[str], *, by_place: bool) -> Iterable[str]:
    taken = {level[1:] for level in levels if level.startswith("+")}
    for place, level in enumerate(levels):
        if level != "+":
            yield level
            continue
        before = re.sub(r"\W", "_", levels[place - 1], flags=re.ASCII) if place else ""
        good = not by_place and re.fullmatch(r"[A-Za-z]\w*", before, re.ASCII) and before not in taken
        name = before if good else f"level{place + 1}"
        taken.add(name)
        yield f"+{name}"


def check_not_our_own(
    filters: Sequence[TopicFilter], name: str, keys: Iterable[str], seen: Iterable[str]
) -> None:
    """Raise an error where what we publish would come back to us as records."""
    ours = [f"kyori/{name}/{last}" for last in ("status", "learning", "cmd/learn")]
    for key in keys:
        ours += [fill_template(f"kyori/{name}/{{key}}/{last}", {"key": key}) for last in ("alert", "state")]
    for one in filters:
        topic = next((topic for topic in ours if one.match(topic) is not None), None)
        if topic is not None:
            first = sorted({place.partition("/")[0] for place in seen} - {"kyori", "homeassistant"})
            better = ", ".join(f"'{level}/#'" for level in first[:8]) or "'plant/#'"
            raise KyoriError(
                f"--topic {one.wire} also takes in what kyori sends, as {topic}; say more of the topic. "
                f"Seen: {better}"
            )


def check_one_sender(filters: Sequence[TopicFilter], keys: Mapping[str, str]) -> None:
    """Refuse filters that would mix what several topics tell in one model; `keys`: of each topic its last."""
    first: dict[str, tuple[TopicFilter, str]] = {}
    for topic, key in sorted(keys.items()):  # whichever came first, it says the same
        one = next(one for one in filters if one.match(topic) is not None)
        other, before = first.setdefault(key, (one, topic))
        if other is not one:
            raise KyoriError(
                f"{before} and {topic} would be one sender, {key!r}; make a configuration of each "
                "--topic, or write one with a + where they differ"
            )


def check_levels(filters: Sequence[TopicFilter], topics: Sequence[str]) -> None:
    """Refuse ``#`` for topics that hold one number each, which nothing but their levels tells apart."""
    for one in filters:
        if one.wire.endswith("#") and len(topics) > 1:
            fixed = one.wire.split("/")[:-1]
            deepest = max(topic.count("/") + 1 for topic in topics if one.match(topic) is not None)
            better = "/".join([*fixed, *["+"] * (deepest - len(fixed))])
            raise KyoriError(
                f"--topic {one.wire}: the topics hold one number each, which only their names tell apart; "
                f"write + for each level: --topic '{better}'"
            )


def name_of(filters: Sequence[TopicFilter]) -> str:
    """Return a name for the detector: the first level that is fixed.

    >>> name_of(named_filters(["+/my pump/#"]))
    'my-pump'
    """
    levels = (re.sub(r"[^A-Za-z0-9_-]+", "-", level).strip("-") for level in filters[0].wire.split("/"))
    return next((level for level in levels if level), "kyori")


def key_of(names: Sequence[str]) -> str:
    """Return the template of a key.

    >>> key_of(["site", "pump"])
    '{site}/{pump}'
    """
    return "/".join(f"{{{name}}}" for name in names)
