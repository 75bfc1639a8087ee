"""Templates: what is masked, what is rare, what is bounded, and that a restart changes nothing."""

from __future__ import annotations

import json
import math
import random

import pytest

from connectors.logs.options import TemplateOptions
from connectors.logs.templates import Templates, mask


def messages(count: int, seed: int = 1) -> list[str]:
    """Messages of many kinds, so that templates merge, and old ones make room."""
    chance = random.Random(seed)
    words = [f"w{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(8)]
    said = []
    for _ in range(count):
        length = chance.randrange(0, 7)
        start = chance.choices(words[:6], k=min(length, 2))
        said.append(
            " ".join([*start, *chance.choices(words, k=max(length - 2, 0)), *["7 ms"][: chance.randrange(2)]])
        )
    return said


def test_masks() -> None:
    assert (
        mask("id 550e8400-e29b-41d4-a716-446655440000 at 0x7fFE, deadbeef01")[0]
        == "id <uuid> at <hex>, <hex>"
    )
    assert mask("from 10.0.0.1:80 and fe80::1 to node12") == ("from <ip> and <ip> to node<n>", [])
    assert mask("took -1.5 s, 20% of 3000") == ("took <n> s, <n>% of <n>", [-1.5, 20.0, 3000.0])
    assert mask("password=hunter2 api_key: 'x y' Authorization: Bearer abcdefgh.ij")[0].split() == [
        *("<secret>", "<secret>", "y'", "Authorization:", "<secret>"),
    ]


def test_rarity_is_minus_the_logarithm_of_the_share_so_far() -> None:
    templates = Templates(TemplateOptions())
    told = [templates.learn(message) for message in ("a b c", "a b c", "x y z w")]
    assert [one.new for one in told] == [True, False, True]
    # (c + 1)/(n + t + 1): of none, of one of one message and template, of none of two
    assert [one.rarity for one in told] == pytest.approx([math.log(2 / 1), math.log(3 / 2), math.log(5 / 1)])


def test_a_number_is_compared_with_those_of_its_own_template() -> None:
    templates = Templates(TemplateOptions())
    for i in range(30):
        templates.learn(f"served in {30 + i % 3} ms")
        templates.learn(f"sent {5000 + i} bytes to all")
    assert templates.learn("served in 31 ms").number_z < 2
    assert templates.learn("served in 5000 ms").number_z > 20
    assert templates.learn("sent 5000 bytes to all").number_z < 2


def test_there_are_never_more_than_are_kept_and_those_used_last_stay() -> None:
    templates = Templates(TemplateOptions(max=10))
    first = templates.learn("the one that stays").template
    for i in range(200):
        templates.learn(" ".join(["only"] * (i % 40 + 1) + [chr(97 + i % 26) * 3]))
        assert templates.learn("the one that stays").template == first
        assert len(templates) <= 10
    state = templates.state()
    assert len(json.loads(state)["clusters"]) <= 10
    assert len(state) < 50_000


@pytest.mark.parametrize("most", [10, 1000])
def test_after_a_restart_every_message_is_told_as_without_one(most: int) -> None:
    options = TemplateOptions(max=most)
    straight, restarted = Templates(options), Templates(options)
    for i, message in enumerate(messages(1500)):
        if i % 7 == 0:
            state = json.loads(restarted.state())
            restarted = Templates(options)
            restarted.restore(state)
        expected, told = straight.learn(message), restarted.learn(message)
        assert repr(told) == repr(expected), message
    assert json.loads(restarted.state()) == json.loads(straight.state())


def test_the_state_is_bounded_whatever_the_messages_are() -> None:
    templates = Templates(TemplateOptions())
    for i in range(3000):
        templates.learn(" ".join(f"{'x' * 500}{chr(97 + i % 26)}{j}{i:b}" for j in range(i % 100)))
    assert len(templates.state()) < 3_000_000
