"""The outbox has a bound, and every alert is accounted for, output by output (P24)."""

from __future__ import annotations

from pathlib import Path

import pytest

from detector.errors import StateError
from detector.ledger import Change
from detector.store import Store
from detector.tally import Tally
from tests.store.samples import make_alert


def commit(store: Store, *numbers: int) -> None:
    store.commit(positions={}, rows={}, alerts=[make_alert(number) for number in numbers])


def opened(folder: Path, most: int | None = None) -> Store:
    store = Store.open(folder / "p.db", schema="s")
    store.register(["fast", "slow"], most)
    return store


def waiting(store: Store, sink: str) -> list[int]:
    return [number for number, _ in store.pending(sink, 1000)]


def test_the_oldest_make_room_for_the_slowest_alone_and_are_counted(tmp_path: Path) -> None:
    store = opened(tmp_path, 10)
    commit(store, *range(8))
    store.delivered("fast", 8, b"")
    commit(store, *range(7))
    assert waiting(store, "slow") == [*range(6, 16)]
    assert waiting(store, "fast") == [*range(9, 16)]
    assert store.backlog() == 10
    store.close()
    store = opened(tmp_path)
    assert store.tallies() == {
        "fast": Tally(delivered=8, made=15, waiting=7),
        "slow": Tally(dropped=5, made=15, waiting=10),
    }
    store.close()


def test_one_commit_larger_than_the_outbox_keeps_its_newest(tmp_path: Path) -> None:
    store = opened(tmp_path, 10)
    commit(store, *range(25))
    assert waiting(store, "slow") == waiting(store, "fast") == [*range(16, 26)]
    store.close()


def test_what_was_dropped_while_it_was_on_its_way_counts_as_delivered(tmp_path: Path) -> None:
    store = opened(tmp_path, 10)
    commit(store, *range(10))
    assert store.pending("slow", 4)[-1][0] == 4
    commit(store, *range(7))  # 1 to 7 have to go, of which 1 to 4 are under way
    store.delivered("slow", 4, b"here", grouped=1)
    assert store.tallies()["slow"] == Tally(delivered=3, grouped=1, dropped=3, made=17, waiting=10)
    assert store.resume("slow") == b"here"
    assert waiting(store, "slow") == [*range(8, 18)]
    store.delivered("slow", 17, b"")
    assert store.tallies()["slow"] == Tally(delivered=13, grouped=1, dropped=3, made=17)
    store.close()


def test_a_state_of_before_counts_from_where_its_outputs_are(tmp_path: Path) -> None:
    store = opened(tmp_path)
    commit(store, *range(5))
    store.delivered("slow", 3, b"")
    with store._ledger.change() as change:
        change.drop("tally")
    assert store.tallies()["slow"] == Tally(since=3)
    store.close()
    store = opened(tmp_path)
    assert store.tallies()["slow"] == Tally(since=3, made=2, waiting=2)
    store.delivered("slow", 5, b"")
    assert store.tallies()["slow"] == Tally(since=3, delivered=2, made=2)
    store.close()


def test_what_is_kept_to_be_delivered_is_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The alerts of the last commit are not read again; of one that failed, the numbers are given anew."""
    store = opened(tmp_path)
    commit(store, *range(3))
    with monkeypatch.context() as broken:
        broken.setattr(Change, "finish", lambda _change: (_ for _ in ()).throw(StateError("disk full")))
        with pytest.raises(StateError):
            commit(store, 100)
    commit(store, *range(3, 700))
    expected = [make_alert(number) for number in range(700)]
    assert [alert for _, alert in store.pending("slow", 1000)] == expected
    store.close()
    store = opened(tmp_path)
    assert [alert for _, alert in store.pending("slow", 1000)] == expected
    store.close()
