"""What `kyori validate` says of options of logs that are wrong."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from connectors.logs.pattern import LOOKED_AT, compile_start
from detector.errors import ConfigError
from detector.registry import load_config

CONFIG = """\
version: 1
pipelines:
  web: {sources: [log], outputs: [out], record: {time: time, features: [lines]}}
sources:
  log: {type: tail, paths: [a.log], format: nginx, log: {window: 1m}}
outputs:
  out: {type: stdout}
"""


def problems(tmp_path: Path, old: str, new: str) -> str:
    file = tmp_path / "c.yaml"
    assert old in CONFIG
    file.write_text(CONFIG.replace(old, new))
    try:
        load_config(file)
    except ConfigError as error:
        return str(error)
    return ""


GOOD = [
    ("nginx", "log"),
    ("window: 1m", "lines: 100"),
    ("window: 1m", "multiline: off"),
    ("window: 1m", "multiline: {starts_with: '^\\d{4}-'}"),
    ("window: 1m", "templates: {similarity: 0.6, max: 200}"),
    ("features: [lines]", "features: [{name: e, field: status_5xx}, paths, request_time_max]"),
    ("nginx, log: {window: 1m}", "json_log, log: {per: line}"),
]


@pytest.mark.parametrize(("old", "new"), GOOD)
def test_right(old: str, new: str, tmp_path: Path) -> None:
    assert problems(tmp_path, old, new) == ""


BAD = [
    ("window: 1m", "multiline: {starts_with: '^a['}", "starts_with: .* is not a regular expression"),
    ("window: 1m", "multiline: {starts_with: '(a+)+$'}", "can take forever"),
    ("window: 1m", "multiline: {starts_with: '(a|b|ab)*c'}", "can take forever"),
    ("window: 1m", "multiline: {starts_with: '.*a.*b.*c'}", "can take forever"),
    ("window: 1m", "multiline: sometimes", "must be 'auto' or 'off'"),
    ("window: 1m", "window: 1ms", "must be at least"),
    ("window: 1m", "window: 1m, lines: 5", "a window is a time or a number of lines .give one"),
    ("window: 1m", "window: 1m, per: line", "window: there are no windows with per: line"),
    ("window: 1m", "templates: {max: 1}", "must be at least 10"),
    ("nginx", "csv", "log: is for logs only .*add a format: log, syslog, nginx"),
    ("nginx", "ngnix", "must be"),
    (
        "features: [lines]",
        "features: [lines, flow]",
        r"features\[1\]: flow: .* no such field \(they have: bytes",
    ),
    ("nginx", "log, delimiter: xx", "delimiter"),
]


@pytest.mark.parametrize(("old", "new", "said"), BAD)
def test_wrong(old: str, new: str, said: str, tmp_path: Path) -> None:
    text = problems(tmp_path, old, new)
    assert re.search(said, text), text


def test_without_the_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "drain3", None)
    assert "pip install 'kyori[logs]'" in problems(tmp_path, "1m", "2m")


@pytest.mark.parametrize(
    "text",
    [
        "(a?)*b",
        "(a|aa)+b",
        "(a{1,9}){1,9}b",
        "(?=(a+)+b)",
        "((?:a*)b)*c",
        "(?P<x>a*)*",
        "(?i:(a*)*)",
        ".*.*.*b",
    ],
)
def test_patterns_that_can_take_forever_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="can take forever"):
        compile_start(text)


@pytest.mark.parametrize(
    "text",
    [
        r"^\d{4}-\d\d .*\[!",
        r".*.*!",
        r"(?:\d{1,3}\.){3}\d{1,3}!",
        r"\[?(INFO|WARN|ERROR)\]? .*!",
        "a+a+!",
    ],
)
def test_those_that_are_allowed_come_to_an_end(text: str) -> None:
    pattern = compile_start(text)
    hostile = ["a", " ", "1", "1.", "ab", "2026-01 ", "INFO "]
    assert not any(pattern.match((part * LOOKED_AT)[:LOOKED_AT]) for part in hostile)
