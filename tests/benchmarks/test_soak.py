"""A soak of some seconds: what a leak in every message or every connection would show at once."""

from __future__ import annotations

from benchmarks import soak
from tests.brokers import needs_mosquitto


@needs_mosquitto
def test_nothing_grows_through_reconnects():
    found = soak.run(10 / 60, 1000, reconnect_s=3)
    assert found["connections"] >= 3
    assert found["records"] >= found["published"]
    samples = found["samples"]
    early, late = samples[: len(samples) // 2], samples[len(samples) // 2 :]
    for what in ("fds", "threads"):
        assert max(one[what] for one in late) <= max(one[what] for one in early), what
    assert late[-1]["rss"] - samples[0]["rss"] < 12 * 2**20  # warm-up is 5; 1 kB of each message 10 more
    assert found["largest_wal_mib"] <= 16
