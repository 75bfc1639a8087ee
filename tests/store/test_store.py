"""What a store gives back, to whom, in which order; and what it does when the machine says no."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest

from detector.errors import CorruptState, NewerState, StateError
from detector.store import Saved, Store
from tests.store.samples import digests, make_alert, snapshot


@pytest.fixture
def path(tmp_path):
    return tmp_path / "pumps.db"


def seqs(store, sink, limit=100):
    return [seq for seq, _ in store.pending(sink, limit)]


def test_a_fresh_store_is_empty_and_knows_its_schema(path):
    store = Store.open(path, schema="s1")
    assert store.load() == Saved("s1")
    assert store.quarantined is None
    assert store.backlog() == 0
    store.close()
    assert [file.name for file in path.parent.iterdir()] == ["pumps.db"]


def test_what_was_committed_is_there_after_a_restart(path):
    odd = "half a pair \ud83d, \0 and \x1b[2J"
    store = Store.open(path, schema="s1")
    store.commit(positions={"in": b"1", "": b""}, rows={"": b"a", odd: bytes(range(256))}, alerts=[])
    store.commit(positions={"in": b"2"}, rows={"big": bytes(1 << 20)}, alerts=[], meta={"ring": b"r"})
    expected = Saved(
        "s1",
        {"in": b"2", "": b""},
        {"": b"a", odd: bytes(range(256)), "big": bytes(1 << 20)},
        {"ring": b"r"},
    )
    assert store.load() == expected
    store.close()
    again = Store.open(path, schema="another, which is for the caller to compare")
    assert again.load() == expected
    assert again.load() == expected
    again.close()


def test_adopt_drops_the_models_and_keeps_the_rest(path):
    store = Store.open(path, schema="s1")
    store.register(["log"])
    store.commit(positions={"in": b"1"}, rows={"a": b"a", "b": b"b"}, alerts=[make_alert(1)])
    store.adopt("s2")
    store.close()
    store = Store.open(path, schema="s2")
    assert store.load() == Saved("s2", {"in": b"1"})
    assert seqs(store, "log") == [1]


def test_models_may_stay_in_the_file_and_be_fetched_by_key(path):
    odd = "half a pair \ud83d, \0 and \x1b[2J"
    store = Store.open(path, schema="s")
    store.commit(positions={"in": b"1"}, rows={"": b"a", odd: b"b", "c": b"c"}, alerts=[])
    assert store.load(rows=False) == Saved("s", {"in": b"1"})
    assert store.fetch([odd, "never", ""]) == {odd: b"b", "": b"a"}
    assert store.models() == 3
    store.adopt("s2")
    assert (store.models(), store.fetch(["c"])) == (0, {})


def test_a_model_damaged_while_the_file_is_open_is_not_handed_out(path):
    store = Store.open(path, schema="s")
    store.commit(positions={}, rows={"a": b"a", "b": b"b"}, alerts=[])
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("UPDATE entry SET value = x'00' WHERE kind = 'row' AND name = x'61'")
        raw.commit()
    assert store.fetch(["b"]) == {"b": b"b"}
    with pytest.raises(CorruptState, match="checksum"):
        store.fetch(["b", "a"])


def test_opening_checks_all_models_and_keeps_none_in_memory(path):
    store = Store.open(path, schema="s")
    store.commit(positions={}, rows={str(i): bytes(20_000) for i in range(1_000)}, alerts=[])
    store.close()
    tracemalloc.start()
    try:
        store = Store.open(path, schema="s")
        assert store.load(rows=False) == Saved("s")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000  # of 20,000,000
    finally:
        tracemalloc.stop()
    assert len(store.load().rows) == 1_000


def test_each_sink_has_its_own_place_in_the_outbox(path):
    store = Store.open(path, schema="s")
    store.register(["fast", "slow"])
    alerts = [make_alert(number) for number in range(1, 6)]
    store.commit(positions={}, rows={}, alerts=alerts[:3])
    store.commit(positions={}, rows={}, alerts=alerts[3:])
    assert store.pending("fast", 100) == list(enumerate(alerts, 1))
    assert seqs(store, "slow", 2) == [1, 2]

    store.delivered("fast", 5, b"byte 500")
    store.delivered("slow", 2, b"byte 200")
    assert (seqs(store, "fast"), seqs(store, "slow"), store.backlog()) == ([], [3, 4, 5], 3)
    before = snapshot(store, "fast", "slow")
    store.close()

    store = Store.open(path, schema="s")
    store.register(["slow", "fast"])
    assert snapshot(store, "fast", "slow") == before
    assert store.resume("fast") == b"byte 500"
    store.delivered("slow", 5, b"byte 500")
    store.close()
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT count(*) FROM entry WHERE kind = 'alert'").fetchone() == (0,)


def test_numbers_never_come_again(path):
    for number in range(1, 4):
        store = Store.open(path, schema="s")
        store.register(["log"])
        store.commit(positions={}, rows={}, alerts=[make_alert(number)])
        assert seqs(store, "log") == [number]
        store.delivered("log", number, b"")
        store.close()


def test_sinks_come_and_go(path):
    store = Store.open(path, schema="s")
    store.commit(positions={}, rows={}, alerts=[make_alert(1)])
    assert store.backlog() == 0
    store.register(["old"])
    store.commit(positions={}, rows={}, alerts=[make_alert(2)])
    store.register(["old", "new"])
    store.commit(positions={}, rows={}, alerts=[make_alert(3)])
    assert (seqs(store, "old"), seqs(store, "new")) == ([2, 3], [3])
    store.register(["new"])
    assert store.backlog() == 1
    with pytest.raises(StateError, match="'old' is not registered"):
        store.pending("old", 1)
    store.register(["new", "old"])
    assert (seqs(store, "old"), store.resume("old")) == ([], b"")
    store.register([])
    assert store.backlog() == 0


def test_a_cursor_moves_on_only(path):
    store = Store.open(path, schema="s")
    store.register(["log"])
    store.commit(positions={}, rows={}, alerts=[make_alert(1), make_alert(2)])
    store.delivered("log", 2, b"r")
    for wrong in (1, 3):
        with pytest.raises(ValueError, match="cannot be at"):
            store.delivered("log", wrong, b"")
    assert store.resume("log") == b"r"


def test_one_thread_commits_while_two_deliver(path):
    store = Store.open(path, schema="s")
    store.register(["a", "b"])
    total, seen, done = 200, {"a": [], "b": []}, threading.Event()

    def courier(sink, at_once):
        while True:
            last_round = done.is_set()
            found = store.pending(sink, at_once)
            for seq, alert in found:
                seen[sink].append((seq, alert.record))
            if found:
                store.delivered(sink, found[-1][0], b"%d" % found[-1][0])
            elif last_round:
                return

    couriers = [threading.Thread(target=courier, args=pair) for pair in (("a", 1), ("b", 7))]
    for thread in couriers:
        thread.start()
    for number in range(1, total, 2):
        alerts = [make_alert(number), make_alert(number + 1)]
        store.commit(positions={"in": b"%d" % number}, rows={"k": bytes(1000)}, alerts=alerts)
    done.set()
    for thread in couriers:
        thread.join(60)
    assert seen["a"] == seen["b"] == [(number, number) for number in range(1, total + 1)]
    assert (store.backlog(), store.resume("b")) == (0, b"%d" % total)
    store.close()
    assert Store.open(path, schema="s").quarantined is None


def test_after_a_full_disk_the_same_commit_succeeds(path):
    store = Store.open(path, schema="s")
    store.register(["log"])
    store.commit(positions={"in": b"1"}, rows={"k": b"small"}, alerts=[make_alert(1)])
    before = snapshot(store, "log")
    raw = store._ledger._connection
    raw.execute(f"PRAGMA max_page_count={raw.execute('PRAGMA page_count').fetchone()[0]}")
    more = {"positions": {"in": b"2"}, "rows": {"k": bytes(100_000)}, "alerts": [make_alert(2)]}
    for _ in range(3):
        with pytest.raises(StateError, match="the disk is full") as refusal:
            store.commit(**more)
        assert type(refusal.value) is StateError
        assert snapshot(store, "log") == before
    raw.execute("PRAGMA max_page_count=1000000")
    store.commit(**more)
    store.close()
    store = Store.open(path, schema="s")
    assert store.load() == Saved("s", {"in": b"2"}, {"k": bytes(100_000)})
    assert seqs(store, "log") == [1, 2]


def test_a_really_full_and_a_read_only_disk(tmp_path):
    """Needs a user namespace with a small tmpfs of its own; `fulldisk` asserts inside."""
    command = [sys.executable, "-m", "tests.store.fulldisk", tmp_path]
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    inside = subprocess.run(["unshare", "-Urm", *command], capture_output=True, text=True, check=False)
    assert inside.stdout.split() == ["full", "recovered", "read-only"], inside.stderr


def test_an_alert_that_is_no_json_stops_the_whole_commit(path):
    store = Store.open(path, schema="s")
    store.register(["log"])
    bad = make_alert(1)
    object.__setattr__(bad, "score", float("nan"))
    with pytest.raises(ValueError, match="JSON compliant"):
        store.commit(positions={"in": b"1"}, rows={}, alerts=[bad])
    assert store.load() == Saved("s")


def test_a_closed_store_says_so(path):
    store = Store.open(path, schema="s")
    store.close()
    store.close()
    for call in (store.load, store.backlog, lambda: store.commit(positions={"in": b""}, rows={}, alerts=[])):
        with pytest.raises(StateError, match="closed") as refusal:
            call()
        assert not isinstance(refusal.value, CorruptState)


def test_a_place_where_no_file_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    for path in (
        tmp_path / "no" / "p.db",
        tmp_path / "file" / "p.db",
        tmp_path / "folder",
        Path("/proc/p.db"),
    ):
        with pytest.raises(StateError) as refusal:
            Store.open(path, schema="s")
        assert type(refusal.value) is StateError


def test_a_later_version_is_refused_and_not_touched(path):
    Store.open(path, schema="s").close()
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 2")
    before = digests(path.parent)
    with pytest.raises(NewerState, match="format 2"):
        Store.open(path, schema="s")
    assert digests(path.parent) == before


def test_a_later_version_that_is_still_in_the_wal_is_refused_and_not_touched(path, tmp_path_factory):
    Store.open(path, schema="s").close()
    killed = tmp_path_factory.mktemp("killed")
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("PRAGMA user_version = 2")
        for name in (path.name, path.name + "-wal"):
            (killed / name).write_bytes((path.parent / name).read_bytes())
    before = digests(killed)
    with pytest.raises(NewerState, match="format 2"):
        Store.open(killed / path.name, schema="s")
    assert digests(killed) == before
