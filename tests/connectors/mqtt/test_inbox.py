"""The inbox without a broker: each way in which a message could be lost or counted twice."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any

import pytest

from connectors.mqtt.inbox import Inbox, Message, Token, digest


def message(mid: int, payload: bytes = b"", *, dup: bool = False, qos: int = 1) -> Message:
    payload = payload or b"%d" % mid
    return Message(mid, qos, dup, "t", payload, len(payload), digest(b"t", payload))


def inbox(*mids: int, **more: Any) -> Inbox:
    made = Inbox(more.pop("window", 10))
    made.up(session_present=False)
    for mid in mids:
        made.put(message(mid))
    return made


def no_answer() -> int | None:
    """Ask a broker that is not there."""
    return None


def acknowledge(box: Inbox, *mids: int, epoch: int = 1) -> None:
    """Acknowledge to a broker that answers at once."""
    box.ack(Token(epoch, mids), lambda _mids: None, lambda: 1)
    box.settle(1)


def taken(box: Inbox) -> list[tuple[int, bool]]:
    result = []
    while (one := box.take()) is not None:
        result.append((one.mid, one.repeated))
    return result


def reconnect(box: Inbox, *, session_present: bool = True) -> None:
    box.down()
    box.up(session_present=session_present)


def test_unread_is_dropped_and_its_copy_is_read() -> None:
    box = inbox(1, 2)
    reconnect(box)
    box.put(message(1, dup=True))
    box.put(message(2, dup=True))
    assert taken(box) == [(1, False), (2, False)]


def test_read_is_recognised() -> None:
    box = inbox(1, 2)
    assert taken(box) == [(1, False), (2, False)]
    reconnect(box)
    box.put(message(1, dup=True))
    box.put(message(2, b"another", dup=True))
    assert taken(box) == [(1, True), (2, False)]


def test_first_delivery_under_a_known_packet_id_is_new_also_when_dropped_unread() -> None:
    box = inbox(1)
    taken(box)
    box.put(message(1))
    reconnect(box)
    box.put(message(1, dup=True))
    assert taken(box) == [(1, False)]


def test_qos_0_is_not_dropped_at_a_reconnect() -> None:
    box = inbox()
    box.put(message(0, qos=0))
    reconnect(box)
    assert taken(box) == [(0, False)]


def test_lost_session_keeps_the_queue_and_forgets_the_ring() -> None:
    box = inbox(1, 2)
    box.take()
    reconnect(box, session_present=False)
    assert box.wait(0, lambda: False), "the emptied ring must be committed"
    box.put(message(1, dup=True))  # of the new session: another message
    assert taken(box) == [(2, False), (1, False)]
    reconnect(box)
    box.put(message(2, dup=True))
    assert taken(box) == [(2, False)], "message 2 of the old session must not be in the ring"


@pytest.mark.parametrize("session_present", [True, False])
def test_stale_tokens_do_nothing(session_present: bool) -> None:
    box = inbox(1)
    taken(box)
    sent: list[int] = []
    box.down()
    box.ack(Token(1, (1,)), sent.extend, no_answer)
    box.up(session_present=session_present)
    box.ack(Token(1, (1,)), sent.extend, no_answer)
    assert (sent, box.counts["stale_acks"]) == ([], 2)


def test_token_acknowledges_once() -> None:
    box = inbox(1)
    taken(box)
    sent: list[int] = []
    token = Token(1, (1,))
    box.ack(token, sent.extend, no_answer)
    box.ack(token, sent.extend, no_answer)
    assert sent == [1]


def test_batch_is_of_one_epoch() -> None:
    box = inbox()
    box.put(message(0, qos=0))
    reconnect(box)
    box.put(message(1))
    first = box.take()
    assert first is not None
    assert box.take(first.epoch) is None
    assert [mid for mid, _ in taken(box)] == [1]


def test_ring_survives_in_the_position_and_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.inbox.RING_LEAST", 10)
    box = inbox(window=2)
    for mid in range(1, 31):
        box.put(message(mid))
        assert taken(box) == [(mid, False)]
        acknowledge(box, mid)
    saved = json.loads(box.position(at=1.0))
    assert saved["at"] == 1.0
    other = Inbox(2)
    other.restore(saved["ring"])
    other.up(session_present=True)
    other.put(message(30, dup=True))
    assert taken(other) == [(30, True)]
    acknowledge(other, 30)
    other.put(message(20, dup=True))  # forgotten: 10 are kept
    assert taken(other) == [(20, False)]


@pytest.mark.parametrize("restart", [False, True])
def test_all_that_may_come_again_is_known(monkeypatch: pytest.MonkeyPatch, restart: bool) -> None:
    """A broker that sent far more than the window drops the acknowledgements it has not read yet (P2)."""
    monkeypatch.setattr("connectors.mqtt.inbox.RING_LEAST", 10)
    box = inbox(*range(1, 51), window=5)
    while found := taken(box):
        box.ack(Token(1, tuple(mid for mid, _ in found)), lambda _mids: None, no_answer)
    if restart:
        ring = json.loads(box.position())["ring"]
        box = Inbox(5)
        box.restore(ring)
    reconnect(box)
    epoch = 1 if restart else 2
    for mid in range(1, 51):
        box.put(message(mid, dup=True))
    again = []
    while found := taken(box):
        again += found
        acknowledge(box, *(mid for mid, _ in found), epoch=epoch)
    assert again == [(mid, True) for mid in range(1, 51)]

    for mid in range(51, 61):
        box.put(message(mid))
        assert taken(box) == [(mid, False)]
        acknowledge(box, mid, epoch=epoch)
    assert len(b64decode(json.loads(box.position())["ring"])) == 8 * 10, "what is settled is forgotten"


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.mqtt.inbox.CAPACITY", 3)
    box = inbox(1, 2, 3, 4)
    box.put(message(0, qos=0))
    assert (box.counts["shed"], box.counts["qos0_dropped"]) == (1, 1)
    assert [mid for mid, _ in taken(box)] == [1, 2, 3]
    assert not box.starved()
    box.ack(Token(1, (1, 2, 3)), lambda _mids: None, no_answer)
    assert box.starved()
    box.put(message(5))
    assert taken(box) == [], "what comes after a shed message must come after it again"
    reconnect(box)
    assert not box.starved()
