"""The history of alerts: asked while it is written, kept for so long, and never mixed with something else."""

from __future__ import annotations

import dataclasses
import sqlite3
import stat
import threading
import time
from contextlib import closing

import pytest

from detector.contracts import Alert
from detector.errors import SinkUnavailable
from tests.checks.harness_outbound import make
from tests.checks.sinks import alert, alerts, write


@pytest.fixture
def path(tmp_path):
    return tmp_path / "history.db"


def asked(path, query, *values):
    with closing(sqlite3.connect(path)) as reader:
        return reader.execute(query, values).fetchall()


def test_a_row_is_a_notice(path):
    notices = [alert(1), alert(1, status="closed"), dataclasses.replace(alert(2, "\ud83d"), p=None, time=5.0)]
    write(make("sqlite", path=path), notices)
    rows = asked(
        path, "SELECT id, status, kind, pipeline, at, time, level, p, alert FROM alerts ORDER BY number"
    )
    assert rows[0][:8] == (
        alert(1).id, "open", "distance", "pumps", "2023-11-14T22:13:21.000Z", 1.7e9 + 1, 3.0, 1e-4,
    )  # fmt: skip
    assert rows[2][4:8] == (None, 5.0, 3.0, None)
    assert [Alert.from_json(row[8]) for row in rows] == notices
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_reader_asks_while_we_write(path):
    sink = make("sqlite", path=path)
    sink.open(b"")
    sink.write(alerts(1))
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (1,)
        sink.write(alerts(2, 3))  # is not held up by the one who reads
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (1,)
        reader.execute("COMMIT")
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (3,)
    sink.close()


BEFORE = """
CREATE TABLE alerts (
  number INTEGER PRIMARY KEY, stored REAL NOT NULL, at TEXT, id TEXT NOT NULL, status TEXT NOT NULL,
  kind TEXT NOT NULL, pipeline TEXT NOT NULL, key TEXT NOT NULL, time REAL, opened REAL,
  record INTEGER NOT NULL, records INTEGER NOT NULL, score REAL, threshold REAL, level REAL, p REAL,
  severity TEXT NOT NULL, message TEXT NOT NULL, known TEXT NOT NULL, alert TEXT NOT NULL,
  UNIQUE (id, status, record)
);
CREATE INDEX alerts_stored ON alerts (stored);
CREATE INDEX alerts_time ON alerts (time);
PRAGMA application_id = 1803120498;
PRAGMA user_version = 1;
INSERT INTO alerts VALUES (7, 1.0, NULL, 'a', 'open', 'distance', 'pumps', '', 5.0, 5.0, 3, 1, 9.0, 3.0, 3.0,
  NULL, 'warning', 'far', '', '{}');
"""
"""What version 1 made."""


def test_a_history_of_version_1_goes_on(path):
    with closing(sqlite3.connect(path)) as writer:
        writer.executescript(BEFORE)
    write(make("sqlite", path=path), alerts(1))
    rows = asked(path, "SELECT number, id, message, quiet FROM alerts ORDER BY number")
    assert rows[0] == (7, "a", "far", "") and rows[1][:2] == (8, alert(1).id)
    assert asked(path, "PRAGMA user_version") == [(2,)]
    assert asked(path, "SELECT count(*) FROM sqlite_master WHERE name = 'before'") == [(0,)]


def test_a_notice_that_comes_again_is_ignored(path):
    write(make("sqlite", path=path), alerts(1, 2))
    before = asked(path, "SELECT * FROM alerts")
    write(make("sqlite", path=path), alerts(2, 1))
    assert asked(path, "SELECT * FROM alerts") == before


def test_what_is_too_old_is_removed(path, monkeypatch):
    sink = make("sqlite", path=path, keep="365d")
    sink.open(b"")
    now = time.time()
    for days in (0, 300, 366):
        monkeypatch.setattr(time, "time", lambda days=days: now + 86400.0 * days)
        sink.write(alerts(days))
    sink.close()
    assert asked(path, "SELECT record FROM alerts ORDER BY number") == [(300,), (366,)]


def test_a_full_disk_keeps_the_alerts_and_the_history(path):
    sink = make("sqlite", path=path)
    sink.open(b"")
    sink.write(alerts(1))
    (pages,) = sink._connection.execute("PRAGMA page_count").fetchone()
    sink._connection.execute(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(SinkUnavailable, match="free space on the disk"):
        sink.write(alerts(*range(2, 200)))
    assert asked(path, "SELECT record FROM alerts") == [(1,)]
    sink.write(alerts(*range(2, 200)))  # there is space again
    sink.close()
    assert asked(path, "SELECT count(*) FROM alerts") == [(199,)]


def test_another_database_is_not_touched(path):
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE alerts (mine)")
    before = path.read_bytes()
    sink = make("sqlite", path=path)
    with pytest.raises(SinkUnavailable, match="give another path"):
        sink.open(b"")
    assert "give another path" in sink.probe(1.0)
    path.write_text("plain text, and more than the hundred bytes that the head of a database has" * 3)
    with pytest.raises(SinkUnavailable, match="give another path"):
        write(sink, alerts(1))
    assert path.read_text().startswith("plain text")
    assert before.startswith(b"SQLite")


def test_one_of_a_later_version_is_not_touched(path):
    write(make("sqlite", path=path), alerts(1))
    with closing(sqlite3.connect(path)) as later:
        later.execute("PRAGMA user_version = 3")
    with pytest.raises(SinkUnavailable, match="later kyori"):
        write(make("sqlite", path=path), alerts(2))


def test_a_writer_that_holds_it_for_a_moment_is_waited_for(path):
    write(make("sqlite", path=path), alerts(1))
    holder = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, holder.execute, ("COMMIT",)).start()
    write(make("sqlite", path=path), alerts(2))
    holder.close()
    assert asked(path, "SELECT count(*) FROM alerts") == [(2,)]


def test_probe_makes_nothing(path):
    sink = make("sqlite", path=path)
    assert sink.probe(1.0) is None
    assert not path.exists()
    write(sink, alerts(1))
    assert sink.probe(1.0) is None
