"""Whatever a broker sends: what `kyori init` prints is valid, or an error says why it prints nothing."""

from __future__ import annotations

import json
import random

from connectors.mqtt.listening import Heard, Message
from detector.errors import KyoriError
from detector.survey.broker import Broker
from detector.survey.mqtt import draft_of
from detector.survey.text import render
from detector.survey.topics import named_filters
from tests.cli.test_init import valid

NAMES = [
    *(
        "a",
        "time",
        "ts",
        "device",
        "id",
        "x.y",
        "on",
        "é",
        "a: b",
        "# c",
        "{k}",
        "${V}",
        "\u202e",
        "",
        "label",
    ),
    *("energy_kwh", "a\n", "null", "1e5", "-", "'", '"', "0123", "- b"),
]
VALUES = [
    *(1, 2.5, -1e308, 10**30, None, True, "", "x", "1,5", "NaN", "2026-11-30T10:00:00Z", "30.11.2026 10:00"),
    *([1, 2], [], {}, {"b": 1}, [{"q": 1}], 1e-320, "\u2028", "9" * 80),
]
TOPICS = ("t/1", "t/2/x", "t/2/temperature", "t/3/flow", "t/\u202e/é")


def record(chance: random.Random) -> dict[str, object]:
    odd = {chance.choice(NAMES): chance.choice(VALUES) for _ in range(3)}
    return odd | {chance.choice(NAMES): chance.random() for _ in range(4)}


def payload(chance: random.Random) -> bytes:
    kind = chance.randrange(9)
    if kind < 5:
        return json.dumps(record(chance)).encode()
    if kind == 5:
        return json.dumps([record(chance) for _ in range(3)]).encode()
    if kind == 6:
        x, at = chance.choice(["1", "9" * 20 + "i", "t", '"s"']), chance.choice(["1796000000", "x", "9" * 20])
        return f"m,host=a x={x},y={chance.random()} {at}".encode()
    if kind == 7:
        return ";".join(chance.choice(["1", "a", "", "1e999", "2026-11-30"]) for _ in range(3)).encode()
    return chance.choice(
        [b"1", b"nan", b"1e999", b"\xff\xfe", b"-0", b" 7 ", b"", b"\0", chance.randbytes(8)]
    )


def test_hostile_messages() -> None:
    chance = random.Random(5)
    printed = 0
    for _ in range(300):
        filters = named_filters([chance.choice(["t/+", "t/+/+", "t/#", "t/+a/#"])])
        several = [payload(chance) for _ in range(chance.randint(1, 40))]
        sent = [(chance.choice(TOPICS), chance.choice(several)) for _ in range(30)]
        messages = [Message(topic, one, 0.1 * n) for n, (topic, one) in enumerate(sent)]
        heard = Heard(messages=messages, seconds=3.0)
        try:
            text = render(draft_of(Broker("mqtt://localhost"), filters, "n", heard), "/s", None)
        except KyoriError:
            continue
        valid(text)
        printed += 1
    assert printed > 200
