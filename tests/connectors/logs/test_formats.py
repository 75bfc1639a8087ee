"""Lines as the programs write them: what is found in each, and what is done with ugly ones."""

from __future__ import annotations

import json

import pytest

from connectors.decode.errors import Undecodable
from connectors.logs.clock import Clock
from connectors.logs.event import Event
from connectors.logs.formats import FORMATS
from detector.errors import SourceError
from tests.connectors.logs.help import stream, stream_all

NOON = 1795953600.0  # 2026-11-29T12:00:00Z


def parsed(form: str, line: str | bytes, clock: Clock | None = None) -> Event:
    data = line.encode() if isinstance(line, str) else line
    return FORMATS[form](data, clock or Clock(year=2026))


TIMES = {
    "2026-11-29T12:00:00Z x": NOON,
    "2026-11-29T12:00:00.250+02:00 x": NOON - 7200 + 0.25,
    "2026-11-29 12:00:00,250 x": NOON + 0.25,
    "[2026-11-29 12:00:00.123456789] x": NOON + 0.123456,
    "2026/11/29 12:00:00 [error] 7#7: x": NOON,
    "1795953600 x": NOON,
    "1795953600.5 x": NOON + 0.5,
    "[1795953600250] x": NOON + 0.25,
    "Nov 29 12:00:00 host x": NOON,
    "Jan  5 00:00:01 host x": 1767571201.0,
    "[Sun Nov 29 12:00:00.250000 2026] [core:error] x": NOON + 0.25,
    "1117838570 2005.06.03 R02 2005-06-03-15.42.50.675872 R02 RAS KERNEL INFO x": 1117838570.0,
    "2005-06-03-15.42.50.675872 x": 1117813370.675872,
    "INFO 2026-11-29 12:00:00 x": NOON,
}


@pytest.mark.parametrize("line", TIMES)
def test_times(line: str) -> None:
    assert parsed("log", line).time == pytest.approx(TIMES[line], abs=1e-6)


@pytest.mark.parametrize(
    "line", ["12 apples", "2026-13-45 99:99:99 x", "", "at 10.0.0.1:8080", "Nov 99 x", "7" * 40]
)
def test_what_is_no_time(line: str) -> None:
    assert parsed("log", line).time is None


def test_a_time_of_the_given_format_and_zone_is_looked_for() -> None:
    clock = Clock("%d.%m.%Y %H:%M:%S", "Europe/Berlin")
    assert parsed("log", "[7] 29.11.2026 13:00:00 ERROR x", clock).time == NOON
    with pytest.raises(SourceError, match="cannot be looked for in a line; use %% %A"):
        Clock("%Q")


def test_a_year_that_is_left_out_is_the_one_nearest_to_the_line_before() -> None:
    lines = ["Dec 31 23:59:59 h p: x", "Jan  1 00:00:01 h p: x", "Dec 31 23:59:58 h p: x"]
    times = [row["time"] for row in stream(lines, "level", "syslog", per="line", year=2026)]
    assert times == [1798761599.0, 1798761601.0, 1798761598.0]


LEVELS = {
    "2026-11-29 12:00:00 ERROR x": 3,
    "2026-11-29 12:00:00 [warn] x": 2,
    "[main] DEBUG x": 0,
    "ts=1 level=info msg=x": 1,
    "FATAL: x": 4,
    "[core:error] x": 3,
    "an error that is only told of": None,
    "INFORMED": None,
}


@pytest.mark.parametrize("line", LEVELS)
def test_levels(line: str) -> None:
    assert parsed("log", line).level == LEVELS[line]


def test_syslog_of_both_kinds_and_as_it_stands_in_files() -> None:
    new = '<165>1 2026-11-29T12:00:00.25Z web shop 88 ID47 [a@1 k="v \\] \\" "][b@2] \ufeffpool is full'
    event = parsed("syslog", new)
    assert (event.time, event.level, event.message) == (NOON + 0.25, 1, "pool is full")
    assert event.fields == {"host": "web", "program": "shop", "pid": "88", "msgid": "ID47"}
    event = parsed("syslog", "<11>Nov 29 12:00:00 web sshd[4711]: Failed password for root")
    assert (event.time, event.level, event.message) == (NOON, 3, "Failed password for root")
    assert event.fields == {"host": "web", "program": "sshd", "pid": "4711"}
    event = parsed("syslog", "2026-11-29T12:00:00.250000+00:00 web kernel: ERROR disk is gone")
    assert (event.time, event.level, event.message) == (NOON + 0.25, 3, "ERROR disk is gone")
    assert event.fields == {"host": "web", "program": "kernel"}


def test_access_lines_of_nginx_and_apache() -> None:
    line = (
        r'10.0.0.7 - bob [29/Nov/2026:14:00:00 +0200] "GET /a/7?x=\"1\" HTTP/1.1" 503 9 "-" "c \"x\"" 0.250'
    )
    event = parsed("nginx", line)
    assert (event.time, event.level, event.message) == (NOON, 3, "GET /a /7")
    assert event.fields == {
        "client": "10.0.0.7",
        "method": "GET",
        "path": "/a/7",
        "status": 503,
        "bytes_sent": 9,
        "request_time": 0.25,
    }
    common = 'shop.example:443 ::1 - - [29/Nov/2026:12:00:00 +0000] "-" 408 -'
    event = parsed("apache", common)
    assert event.fields["vhost"] == "shop.example:443"
    assert (event.level, event.fields["bytes_sent"], event.fields["path"]) == (2, 0, "-")
    microseconds = '::1 - - [29/Nov/2026:12:00:00 +0000] "GET / HTTP/2.0" 200 5 "-" "x" 1500000'
    assert parsed("apache", microseconds).fields["request_time"] == 1.5


def test_json_as_loggers_write_it() -> None:
    pino = {"level": 50, "time": 1795953600250, "pid": 7, "msg": "failed", "err": {"code": 3}}
    event = parsed("json_log", json.dumps(pino))
    assert (event.time, event.level, event.message) == (NOON + 0.25, 3, "failed")
    ecs = {"@timestamp": "2026-11-29T12:00:00Z", "log.level": "WARN", "message": "slow", "log": {"x": 1}}
    event = parsed("json_log", json.dumps(ecs))
    assert (event.time, event.level, event.message) == (NOON, 2, "slow")
    rows = stream([json.dumps(pino)], "err.code level", "json_log", key="{pid}", per="line")
    assert rows == [{"err.code": 3.0, "level": 3.0, "time": NOON + 0.25, "key": "7"}]


JOURNAL = {
    "__CURSOR": "s=0e8;i=1f;b=9c;m=2b;t=5f;x=1",
    "__REALTIME_TIMESTAMP": "1795953600250000",
    "__MONOTONIC_TIMESTAMP": "725083",
    "_BOOT_ID": "9c0c4e3f7b1d4a0fb0b8f0c0f2a3b4c5",
    "PRIORITY": "3",
    "SYSLOG_IDENTIFIER": "sshd",
    "_HOSTNAME": "web",
    "_SYSTEMD_UNIT": "ssh.service",
    "_PID": "4711",
    "_TRANSPORT": "syslog",
    "MESSAGE": "error: kex_exchange_identification: Connection closed by remote host",
}


def test_the_journal_as_journalctl_writes_it() -> None:
    bytes_of = {**JOURNAL, "MESSAGE": list("naïve \x1b[31m".encode()), "PRIORITY": "6", "_PID": ["1", "2"]}
    left_out = {**JOURNAL, "MESSAGE": None}
    del left_out["PRIORITY"]
    lines = [json.dumps(entry) for entry in (JOURNAL, bytes_of, left_out)]
    rows = stream(lines, "level length", "journald", key="{host}/{unit}", per="line")
    assert [row.get("level") for row in rows] == [3.0, 1.0, None]
    assert {row["key"] for row in rows} == {"web/ssh.service"}
    assert {row["time"] for row in rows} == {NOON + 0.25}
    event = parsed("journald", lines[1])
    assert event.message.startswith("naïve")
    assert event.fields["pid"] == "1"


def ugly() -> list[bytes]:
    """Lines that a log may hold when things go wrong."""
    return [
        *(b"\x00\x01\x02 binary", bytes(range(1, 10)) + bytes(range(11, 256)), b"\xff\xfe\xfa", b"a\x00b"),
        *(b"\x1b[31mERROR\x1b[0m colours", b"\x1b[", b"\x1b]0;title\x07", b"\x9b31m", b"\r", b"\t"),
        *(b"x" * 1_000_000, b"1 " * 400_000, b"[" * 100_000, b'"' * 100_000, b"0x" + b"f" * 100_000),
        *(b'{"a": 1', b'{"time": 1e400, "level": {}, "msg": []}', b"{}", b"null", b"<999>1 - - - - - -"),
        *(
            b"<34>",
            b"%s %n {0.__class__} ${jndi:ldap://x}",
            "\uff12\uff10\uff12\uff16-\uff11\uff11-29 \u2460".encode(),
        ),
        *(b"9999-99-99T99:99:99Z INFO x", b"99999999999999999999 x", b"::::::::::::::::::::::", b"-" * 5000),
        *(b'1 - - [x] "' + b"\\" * 4001 + b'" 200 1', b"token=" * 1000, b"a=" + b"9" * 4000),
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_ugly_lines_are_taken_or_rejected_and_never_raise(form: str) -> None:
    assert len(ugly()) >= 25
    for line in ugly():
        try:
            event = FORMATS[form](line, Clock(year=2026))
        except Undecodable as error:
            assert error.reason.replace("_", "").isalnum()
            assert error.detail.isprintable()
        else:
            assert isinstance(event.message, str)
    good = "2026-11-29 12:00:00 INFO x"
    rows, reasons = stream_all([*ugly(), good], "length rarity", form, per="line", year=2026)
    assert (
        len(rows) + len(reasons) >= 25 - 5
    )  # blank lines are none, and "auto" joins those that are indented
    if form == "log":
        assert set(reasons) == {"not_text"}
        assert rows[-1]["time"] == NOON


def test_a_line_that_is_too_long_is_rejected_and_the_next_is_read() -> None:
    lines = [b"INFO a", b"x" * (2**20 + 1), b"INFO b"]
    rows, reasons = stream_all(lines, "length", per="line")
    assert [row["length"] for row in rows] == [6.0, 6.0]
    assert reasons == ["too_long"]
