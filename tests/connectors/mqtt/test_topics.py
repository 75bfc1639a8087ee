from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.mqtt.topics import TopicFilter, check_template, fill_template, find_overlap


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "1 to"),
        ("a/#/b", "last level"),
        ("a#", "last level"),
        ("a/b+", "start of a level"),
        ("a/+my-name", "no name"),
        ("a/++", "no name"),
        ("+x/+x", "twice"),
        ("$share/g", "no shared filter"),
        ("$share/+g/a", "no shared filter"),
        ("$share/g/$share/h/a", "no shared filter"),
        ("$share/g/a/#/b", "last level"),
        ("a\0b", "NUL"),
        ("/".join("a" * 101), "levels"),
        ("a" * 70_000, "1 to"),
    ],
)
def test_bad_filters_are_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        TopicFilter(text)


@pytest.mark.parametrize(
    ("text", "topic", "labels"),
    [
        ("+/a", "x/a", {}),
        ("a/#", "a", {}),
        ("a/+x/#", "a/b/c/d", {"x": "b"}),
        ("a/+x/#", "a", None),
        ("a/+x", "a/", {"x": ""}),
        ("#", "$SYS/broker", None),
        ("+x/y", "$SYS/y", None),
        ("$SYS/+x", "$SYS/y", {"x": "y"}),
        ("a/+x", "a/b/c", None),
        ("$share/g/a/+x", "a/b", {"x": "b"}),
        ("$share/g/a/+x", "$share/g/a/b", None),
        ("$share/g/#", "$SYS/y", None),
    ],
)
def test_matches_as_the_broker_does(text: str, topic: str, labels: dict[str, str] | None) -> None:
    assert TopicFilter(text).match(topic) == labels


def test_a_shared_filter_overlaps_by_its_topics() -> None:
    """In two groups a message would come to us twice."""
    shared = TopicFilter("$share/g/plant/+site/#")
    assert (shared.wire, shared.shared) == ("$share/g/plant/+/#", True)
    assert shared.overlaps(TopicFilter("plant/a")) and shared.overlaps(TopicFilter("$share/h/plant/+x"))
    assert not shared.overlaps(TopicFilter("$share/g/office/a"))


LEVELS = st.lists(st.sampled_from(["a", "b", "+", "+x", "+y", "$a"]), min_size=1, max_size=3)


@given(LEVELS, st.booleans(), LEVELS, st.booleans())
def test_overlap_is_a_topic_that_both_match(one: list[str], end1: bool, two: list[str], end2: bool) -> None:
    filters = []
    for levels, end in ((one, end1), (two, end2)):
        named = [f"+n{i}" if level.startswith("+") else level for i, level in enumerate(levels)]
        filters.append(TopicFilter("/".join(named + ["#"] * end)))
    topics = [[]]
    found = False
    for _ in range(4):
        topics = [[*topic, level] for topic in topics for level in ("a", "b", "$a")]
        texts = ["/".join(topic) for topic in topics]
        found = found or any(all(f.match(text) is not None for f in filters) for text in texts)
    assert (find_overlap(filters) is not None) == found


@given(st.text(), st.text())
def test_no_key_can_break_a_topic(pipeline: str, key: str) -> None:
    topic = fill_template("kyori/{pipeline}/{key}", {"pipeline": pipeline, "key": key})
    assert topic.startswith("kyori")
    assert not set(topic) & set("+#\0\n\x1b")
    assert 1 <= len(topic.encode()) <= 65535
    assert topic.count("/") < 200
    assert "//" not in topic


@pytest.mark.parametrize("template", ["", "a/#", "a/{other}", "{key.x}", "{key", "$SYS/{key}", "a" * 2000])
def test_bad_templates_are_refused(template: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        check_template(template)


def test_extreme_keys() -> None:
    assert fill_template("{key}", {"pipeline": "", "key": ""}) == "_"
    assert fill_template("{key}", {"pipeline": "", "key": "$SYS/x"}) == "_SYS/x"
    assert fill_template("t/{key}", {"pipeline": "", "key": "a/" * 60}).count("/") == 1
    assert len(fill_template("t/{key}", {"pipeline": "", "key": "é" * 10**6}).encode()) < 65535
