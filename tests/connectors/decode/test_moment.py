"""Times in words: what compiled code reads of them is what `Times` reads."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.decode.times import Times
from detector.contracts import Layout
from tests.connectors.decode.test_scan import LAYOUT, check, decoder, scanned

ZONES = (
    "",
    "Z",
    "z",
    "+00:00",
    "-00:00",
    "+05:30",
    "-23:59",
    "+24:00",
    "+05:60",
    "+0530",
    "+05",
    " +05:30",
    "+05:30:10",
)
CLOCKS = (
    "", "T11", "T11:05", " 11:05", "t11:05", "T11:05:09", "T24:00", "T23:60", "T11:05:60", "T11:5", "T1105",
    "T11:05:09.", "T11:05:09.1", "T11:05:09.123456", "T11:05:09.1234567899", "T11:05:09,5", "T11:05:09.x",
    "T11:05:9", "T-1:05", "  11:05",
)  # fmt: skip
DATES = (
    "2026-11-30", "2026-02-29", "2024-02-29", "2000-02-29", "1900-02-29", "2026-04-31", "0000-01-01",
    "0001-01-01", "1969-12-31", "1684-08-01", "2255-06-05", "9999-12-31", "2026-00-10", "2026-13-10",
    "2026-01-00", "2026-1-10", "20261130", "2026-W01-1", "-026-01-01", "2026/01/01", "2026-334",
)  # fmt: skip


@given(
    st.one_of(
        st.tuples(st.sampled_from(DATES), st.sampled_from(CLOCKS), st.sampled_from(ZONES)).map("".join),
        st.tuples(st.dates().map(str), st.sampled_from(CLOCKS), st.sampled_from(ZONES)).map("".join),
        st.datetimes().map(str),
        st.datetimes(timezones=st.timezones()).map(str),
    ),
    st.sampled_from(("UTC", "Europe/Berlin")),
)
def test_a_time_in_words(text: str, zone: str) -> None:
    layout = Layout(("a",), time="t", timezone=zone)
    check("t,a", [text.encode() + b",1", text.encode() + b" ,1", b" " + text.encode() + b",1"], layout)
    check(None, [json.dumps({"t": text, "a": 1}).encode()], layout)


def test_usual_times_are_not_looked_at_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Times, "one", None)
    for text in ("2026-11-30", "2026-11-30 11:05", "2026-11-30T11:05:09Z", "2026-11-30T11:05:09.123+01:00"):
        assert scanned(decoder(LAYOUT, "t,k"), [f"{text},1".encode()], LAYOUT)[1] == 1
