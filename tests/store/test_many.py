"""Many values at once: stored as one by one, and fetched beside a change."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from detector import ledger
from detector.ledger import Ledger
from detector.store import Store

VALUES = st.dictionaries(st.binary(max_size=2), st.binary(max_size=3), max_size=40)


def contents(one: Ledger) -> list[tuple[bytes, bytes]]:
    one.check()  # the sum of all checksums is right, too
    return one.scan("row")


@settings(deadline=None, max_examples=50)
@given(commits=st.lists(VALUES, max_size=4))
def test_many_values_are_stored_as_one_by_one(
    tmp_path_factory: object, commits: list[dict[bytes, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("many")  # type: ignore[attr-defined]
    many, single = (Ledger.create(folder / name, []) for name in ("many.db", "single.db"))
    before, ledger._AT_ONCE = ledger._AT_ONCE, 7
    try:
        for values in commits:
            with many.change() as change:
                change.put_many("row", values, values.__getitem__)
            with single.change() as change:
                for name, value in values.items():
                    change.put("row", name, value)
            assert contents(many) == contents(single)
            assert many._head_total() == single._head_total()
            assert many.fetch("row", [*values, b"never"]) == values
    finally:
        ledger._AT_ONCE = before
        many.close()
        single.close()


def test_equal_values_cost_no_write(tmp_path: Path) -> None:
    one = Ledger.create(tmp_path / "p.db", [])
    values = {b"%d" % i: bytes(100) for i in range(1_200)}
    with one.change() as change:
        change.put_many("row", values, values.__getitem__)
    written = one._connection.total_changes
    with one.change() as change:
        change.put_many("row", values, values.__getitem__)
    assert one._connection.total_changes == written
    one.close()


def test_models_are_fetched_while_a_commit_is_under_way_as_they_were_before(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "p.db", schema="s")
    old = {f"k{i}": b"old" for i in range(1_200)}
    store.commit(positions={}, rows=old, alerts=[])
    with store._lock, store._ledger.change() as change:
        change.put_many("row", [b"k1"], {b"k1": b"new"}.__getitem__)
        assert store.fetch(["k1", "k2", "other"]) == {"k1": b"old", "k2": b"old"}
        assert store.fetch(list(old)) == old
    assert store.fetch(["k1"]) == {"k1": b"new"}
    store.close()
    assert [file.name for file in tmp_path.iterdir()] == ["p.db"]  # in one piece
    with sqlite3.connect(tmp_path / "p.db") as other:
        assert other.execute("SELECT count(*) FROM entry WHERE kind = 'row'").fetchone() == (1_200,)
    other.close()
