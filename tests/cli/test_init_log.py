"""``kyori init --from log``: the format is found, and what is printed reads the log."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from detector.errors import KyoriError
from tests.brokers import wait_until
from tests.cli.test_init import invoke, valid
from tests.daemon.running import Inside, lines

EXAMPLE = Path(__file__).parents[2] / "examples" / "app.log"
FAULT = (1767571200 + 200 * 60, 1767571200 + 216 * 60)
"""From minute 200 on, see examples/make_log.py."""


def minutes(line: str, count: int = 200) -> str:
    """Return one line a minute; %H:%M is filled in, and {n}."""
    return "".join(
        line.replace("%H", f"{n // 60:02}").replace("%M", f"{n % 60:02}").replace("{n}", str(n)) + "\n"
        for n in range(count)
    )


LOGS = {
    "nginx": '10.0.0.7 - - [30/Nov/2026:%H:%M:00 +0000] "GET /a/{n} HTTP/1.1" 200 512 "-" "curl" 0.012',
    "apache": '10.0.0.7 - - [30/Nov/2026:%H:%M:00 +0000] "GET /a/{n} HTTP/1.1" 200 512',
    "syslog": "Nov 30 %H:%M:00 web sshd[{n}]: session opened for user root",
    "syslog-iso": "2026-11-30T%H:%M:00.250000+00:00 web cron[7]: job {n} done",
    "syslog-5424": "<34>1 2026-11-30T%H:%M:00Z web su 230 ID47 - 'su root' failed",
    "journald": '{"__REALTIME_TIMESTAMP": "1796{n}000000000", "PRIORITY": "6", "MESSAGE": "ok"}',
    "json_log": '{"ts": "2026-11-30T%H:%M:00Z", "level": "info", "msg": "served in {n} ms"}',
    "log": "2026-11-30 %H:%M:00,250 INFO app: order {n} served",
    "log-bare": "order {n} served by someone: ok",
}


@pytest.mark.parametrize("kind", LOGS)
def test_the_format_is_found(tmp_path: Path, kind: str) -> None:
    file = tmp_path / f"{kind}.log"
    file.write_text(minutes(LOGS[kind]))
    text = invoke("--from", "log", str(file))
    config = valid(text)
    options = config.sources["records"].options.model_dump()
    assert options["format"] == kind.partition("-")[0]
    assert options["paths"] == (str(file),)
    record = config.pipelines["main"].record
    names = {feature.name for feature in record.features}
    assert names >= {"rate", "new_templates", "rarity_max"}
    assert ("status_5xx" in names) == (kind in ("nginx", "apache"))
    assert ("request_time_max" in names) == (kind == "nginx")
    assert ("errors" in names) == (kind in ("journald", "json_log", "log", "syslog-5424"))
    assert (record.time is None) == (kind == "log-bare")
    assert config.name == kind


def test_the_window_fits_the_log(tmp_path: Path) -> None:
    file = tmp_path / "slow.log"
    file.write_text(
        "".join(f"2026-11-{n // 24 + 1:02} {n % 24:02}:00:00 INFO backup done\n" for n in range(200))
    )
    assert valid(invoke("--from", "log", str(file))).sources["records"].options.log.window == 21600.0  # type: ignore[attr-defined]


def test_programs_that_share_a_log_are_told(tmp_path: Path) -> None:
    file = tmp_path / "syslog"
    file.write_text(minutes("Nov 30 %H:%M:00 web sshd[1]: a") + minutes("Nov 30 %H:%M:00 web cron: b"))
    text = invoke("--from", "log", str(file))
    assert '# one model for all; `key: "{program}"` makes one for each of 2 programs' in text
    valid(text.replace("# one model for all; `", "").replace("` makes one", "  # makes one"))


@pytest.mark.parametrize(
    ("content", "said"), [(b"", "holds no line"), (b"\x1f\x8b\0\0\n", "is no text"), (None, "cannot be read")]
)
def test_what_is_no_log_is_told(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "a.log"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(KyoriError, match=said):
        invoke("--from", "log", str(file))


def test_what_is_printed_runs_and_finds_the_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.log").write_bytes(EXAMPLE.read_bytes())
    (tmp_path / "app.yaml").write_text(invoke("--from", "log", "app.log"))
    with Inside(tmp_path / "app.yaml") as daemon:
        wait_until(lambda: lines(tmp_path / "alerts.jsonl"), 30)
        assert daemon.events("record_refused") == []
    opened = json.loads(lines(tmp_path / "alerts.jsonl")[0])
    assert opened["status"] == "open"
    assert (
        "2026-01-05T03:20" <= opened["time"] < "2026-01-05T03:35" if isinstance(opened["time"], str) else True
    )
