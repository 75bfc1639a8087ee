"""Whatever happens to the file, a store starts, and never with anything but what was committed (P4).

``KYORI_CORRUPTIONS=700`` runs the full number; two thirds are flipped bytes, the rest cuts.
"""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import sys
import time
from contextlib import closing

import pytest
from structlog.testing import capture_logs

from detector.errors import NewerState
from detector.store import Saved, Store
from tests.store.samples import Snapshot, digests, make_alert, snapshot

TOTAL = int(os.environ.get("KYORI_CORRUPTIONS", "180"))
SINKS = ("a", "b")
NAME = "p.db"
EMPTY = Snapshot(Saved("fresh"), {sink: [] for sink in SINKS}, dict.fromkeys(SINKS, b""), 0)
VERSION_BYTE = 63
"""A change of this one byte is, to the bit, what a later version would write: refused, not set aside."""


@pytest.fixture(scope="module")
def originals(tmp_path_factory):
    """Return folders by how the last life ended, each with the snapshots of all its commits.

    ``clean`` was closed; ``killed`` has half its content in the -wal; ``mixed`` was killed after a
    checkpoint, so that its -wal is older than some pages of the main file when cut.
    """
    root = tmp_path_factory.mktemp("originals")
    (root / "live").mkdir()
    store = Store.open(root / "live" / NAME, schema="s")
    store.register(SINKS)
    rng, history = random.Random(4), []
    for number in range(1, 25):
        rows = {f"key {rng.randrange(12)}": rng.randbytes(rng.choice([40, 500, 9000])) for _ in range(3)}
        store.commit(
            positions={"in": b"%d" % number}, rows=rows, alerts=[make_alert(number)], meta={"m": b"m"}
        )
        history.append(snapshot(store, *SINKS))
        if number % 5 == 0:
            store.delivered("a", number, b"at %d" % number)
            history.append(snapshot(store, *SINKS))
        if number == 12:
            # Dropped rows leave free pages; the checkpoint leaves the rest of the content to the -wal.
            store.adopt("s")
            history.append(snapshot(store, *SINKS))
            store._ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copytree(root / "live", root / "killed")
    store._ledger._connection.execute("PRAGMA wal_checkpoint(PASSIVE)")
    shutil.copytree(root / "live", root / "mixed")
    store.close()
    (root / "live").rename(root / "clean")
    return root, history


def corruptions():
    """Return (folder, file, how, seed), spread over the files that a damaged disk may hit."""
    rng = random.Random(1)
    places = [("clean", ""), ("killed", ""), ("killed", "-wal"), ("mixed", ""), ("mixed", "-wal")]
    return [(*places[n % 5], "cut" if n % 3 == 2 else "flip", rng.random()) for n in range(TOTAL)]


def damage(file, how, seed):
    """Flip bits of one byte or cut the file, and return the offset."""
    rng, data = random.Random(seed), bytearray(file.read_bytes())
    where = rng.randrange(len(data))
    if how == "cut":
        del data[where:]
    else:
        data[where] ^= rng.randrange(1, 256)
    file.write_bytes(data)
    return where


def assert_sound(folder, allowed):
    """Open what is there; return True if it was accepted, False if it was set aside, and judge both."""
    with capture_logs() as logs:
        store = Store.open(folder / NAME, schema="fresh")
    store.register(SINKS)
    found = snapshot(store, *SINKS)
    if store.quarantined is None:
        assert found in allowed
    else:
        assert found == EMPTY
        assert store.quarantined.exists()
        assert [(entry["event"], entry["log_level"]) for entry in logs] == [("state_quarantined", "error")]
    # Either way it must go on from here.
    store.commit(positions={"new": b"1"}, rows={"new": bytes(20_000)}, alerts=[make_alert(99)])
    expected = snapshot(store, *SINKS)
    store.close()
    again = Store.open(folder / NAME, schema="fresh")
    assert again.quarantined is None
    assert snapshot(again, *SINKS) == expected
    again.close()
    return store.quarantined is None


@pytest.mark.crash
def test_no_damage_is_accepted_in_silence(originals, tmp_path):
    root, history = originals
    accepted, slowest = {"": 0, "-wal": 0}, 0.0
    for number, (folder, end, how, seed) in enumerate(corruptions()):
        copy = tmp_path / str(number)
        shutil.copytree(root / folder, copy)
        where = damage(copy / (NAME + end), how, seed)
        # A cut -wal is what a power cut leaves: the last commit that is whole counts.
        allowed = history if end else history[-1:]
        start = time.monotonic()
        try:
            accepted[end] += assert_sound(copy, allowed)
        except NewerState:
            assert (end, how, where) == ("", "flip", VERSION_BYTE)
        except BaseException as error:
            error.add_note(f"{folder}/{NAME}{end}: {how} at {where}, seed {seed}")
            raise
        slowest = max(slowest, time.monotonic() - start)
        shutil.rmtree(copy)
    sys.stdout.write(
        f"{TOTAL} damaged files, {sum(accepted.values())} sound; the slowest start {slowest:.2f} s\n"
    )
    assert slowest < 5
    # Both ways out were taken: a check that sets everything aside would prove nothing.
    assert accepted[""] > 0
    assert accepted["-wal"] > 0
    assert sum(accepted.values()) < TOTAL


def test_every_byte_of_the_header(originals, tmp_path):
    root, history = originals
    for where in range(100):
        copy = tmp_path / str(where)
        shutil.copytree(root / "clean", copy)
        data = bytearray((copy / NAME).read_bytes())
        data[where] ^= 0x42
        (copy / NAME).write_bytes(data)
        if where == VERSION_BYTE:
            before = digests(copy)
            with pytest.raises(NewerState, match="move the file away"):
                Store.open(copy / NAME, schema="fresh")
            assert digests(copy) == before
        else:
            assert_sound(copy, history[-1:])


TAMPERED = {
    "a value is changed": "UPDATE entry SET value = x'00' WHERE kind = 'position'",
    "a position is lost": "DELETE FROM entry WHERE kind = 'position'",
    "the models are lost": "DELETE FROM entry WHERE kind = 'row'",
    "a position gets another name": "UPDATE entry SET name = x'00' WHERE kind = 'position'",
    "a position becomes a model": "UPDATE entry SET kind = 'row' WHERE kind = 'position'",
    "the last alert is lost": (
        "DELETE FROM entry WHERE kind = 'alert' AND name = (SELECT max(name) FROM entry WHERE kind = 'alert')"
    ),
    "a position is another's value": (
        "UPDATE entry SET (value, checksum) = (SELECT value, checksum FROM entry WHERE kind = 'meta') "
        "WHERE kind = 'position'"
    ),
    "numbers start again": "UPDATE entry SET value = zeroblob(8) WHERE name = CAST('last' AS BLOB)",
    "the head is gone": "DELETE FROM entry WHERE kind = 'head'",
    "all is gone": "DELETE FROM entry",
    "there is no table": "DROP TABLE entry",
    "a second table": "CREATE TABLE other (a)",
    "an integer for bytes": "UPDATE entry SET value = 7 WHERE kind = 'position'",
    "another application's": "PRAGMA application_id = 1",
    "no version": "PRAGMA user_version = 0",
}


@pytest.mark.parametrize("how", TAMPERED)
def test_what_sqlite_takes_for_sound_is_found_too(originals, tmp_path, how):
    root, _ = originals
    shutil.copytree(root / "clean", tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy" / NAME, isolation_level=None)) as raw:
        raw.execute(TAMPERED[how])
    assert not assert_sound(tmp_path / "copy", [])


def test_pages_of_two_commits_are_told_apart(tmp_path):
    """Every page and every value is sound here; only the sum over all tells that they never were together.

    A -wal that is cut after its content went to the main file hides the newer pages it still has,
    and only those: the position of commit 2 meets a model of commit 3.
    """
    (tmp_path / "live").mkdir()
    path = tmp_path / "live" / NAME
    store = Store.open(path, schema="s")
    rows = {f"key {number:02}": bytes(800) for number in range(60)}
    store.commit(positions={"in": b"1"}, rows=rows, alerts=[])
    raw = store._ledger._connection
    raw.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store.commit(positions={"in": b"2"}, rows={"key 00": b"2" * 800}, alerts=[])
    wal = path.with_name(NAME + "-wal")
    second = wal.stat().st_size
    store.commit(positions={"in": b"3"}, rows={"key 40": b"3" * 800}, alerts=[])
    raw.execute("PRAGMA wal_checkpoint(PASSIVE)")
    shutil.copytree(tmp_path / "live", tmp_path / "cut")
    store.close()

    with (tmp_path / "cut" / wal.name).open("r+b") as file:
        file.truncate(second)
    shutil.copytree(tmp_path / "cut", tmp_path / "looked at")
    with closing(sqlite3.connect(tmp_path / "looked at" / NAME)) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert raw.execute("SELECT value FROM entry WHERE kind = 'position'").fetchone() == (b"2",)
        assert (b"3" * 800,) in raw.execute("SELECT value FROM entry WHERE kind = 'row'").fetchall()
    assert not assert_sound(tmp_path / "cut", [])


def test_damage_is_set_aside_with_its_wal_and_each_time_under_a_new_name(originals, tmp_path):
    root, _ = originals
    for number in (1, 2):
        shutil.copytree(root / "killed", tmp_path, dirs_exist_ok=True)
        (tmp_path / NAME).write_bytes(b"")
        before = digests(tmp_path)
        store = Store.open(tmp_path / NAME, schema="s")
        store.close()
        assert store.quarantined == tmp_path / f"{NAME}.corrupt-{number}"
        after = digests(tmp_path)
        for end in ("", "-wal"):
            assert after[f"{NAME}.corrupt-{number}{end}"] == before[NAME + end]


def test_a_wal_without_its_database_is_not_replayed(originals, tmp_path):
    root, _ = originals
    shutil.copytree(root / "killed", tmp_path, dirs_exist_ok=True)
    (tmp_path / NAME).unlink()
    store = Store.open(tmp_path / NAME, schema="s")
    assert store.load() == Saved("s")
    assert store.quarantined == tmp_path / f"{NAME}.corrupt-1"
    store.close()
    assert (tmp_path / f"{NAME}.corrupt-1-wal").exists()
