"""``${...}``: filled in after parsing, never shown, and never missing in silence."""

import os
from pathlib import Path

import pytest

from detector.config.secrets import fill
from tests.config.fakes import GOOD, errors, load

SINK = "alerts: {type: file, path: out/alerts.jsonl}"


def filled(text: str, base: Path = Path(), **environ: str) -> object:
    value, _, problems = fill({"a": text}, {("a",): 7}, base, environ)
    if problems:
        assert problems[0].line == 7
        return f"{problems[0].path}: {problems[0].message} ({problems[0].remedy})"
    return value["a"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"),
        ("x${A}y${B}", "x1y"),
        ("${B:-z}", "z"),
        ("${C:-z}", "z"),
        ("${C:-}", ""),
        ("${A:-z}", "1"),
        ("${N}", "x\ny: ${A}"),
        ("$A {A} $$", "$A {A} $$"),
        ("${C}", "a: the environment variable C is not set (set it, or give a default: ${C:-default})"),
        ("${A", "a: a ${ is not closed (write ${NAME}, ${NAME:-default} or ${file:/path})"),
        ("${}", "a: ${} is no variable (write ${NAME}, ${NAME:-default} or ${file:/path})"),
        ("${1x}", "a: ${1x} is no variable (write ${NAME}, ${NAME:-default} or ${file:/path})"),
    ],
)
def test_fill(text: str, expected: str) -> None:
    assert filled(text, A="1", B="", N="x\ny: ${A}") == expected


def secret_file(folder: Path, content: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret"
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_file(tmp_path: Path) -> None:
    secret_file(tmp_path, b"pass word\n")
    assert filled("${file:secret}", tmp_path) == "pass word"
    assert filled(f"${{file:{tmp_path}/secret}}") == "pass word"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o601])
def test_file_that_others_may_use(tmp_path: Path, mode: int) -> None:
    path = secret_file(tmp_path, b"hunter2", mode)
    said = str(filled("${file:secret}", tmp_path))
    assert f"(chmod 600 {path})" in said
    assert f"mode {mode:o}" in said
    assert "hunter2" not in said


def test_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read: no such file" in str(filled("${file:nothing}", tmp_path))
    assert "is not a file" in str(filled("${file:.}", tmp_path))
    assert "cannot be read" in str(filled("${file:a\0b}", tmp_path))
    os.mkfifo(tmp_path / "pipe", 0o600)
    assert "is not a file" in str(filled("${file:pipe}", tmp_path))
    secret_file(tmp_path, b"x" * 70_000)
    assert "larger than 64 KiB" in str(filled("${file:secret}", tmp_path))
    secret_file(tmp_path, b"\xff")
    assert "not UTF-8" in str(filled("${file:secret}", tmp_path))


def test_keys_are_never_filled_in() -> None:
    assert fill({"${A}": "x"}, {}, Path(), {"A": "1"})[0] == {"${A}": "x"}


def test_error_names_variable_file_and_line() -> None:
    text = GOOD.replace(SINK, 'alerts: {type: file, path: "${NOPE}/x"}')
    (line,) = errors(text)
    assert line.startswith("config.yaml:22: outputs.alerts.path: the environment variable NOPE is not set")


CANARY = "kanarienvogel"


@pytest.mark.parametrize(
    "entry",
    [
        'type: mqtt, url: "http://${PW}@host", topics: {a: 0}',
        'type: mqtt, url: "${PW}", topics: {a: 0}',
        'type: mqtt, url: mqtt://h, topics: {a: "${PW}"}',
        'type: mqtt, url: mqtt://h, topics: {a: 0}, port: "${PW}"',
        'type: mqtt, url: mqtt://h, topics: {a: 0}, tls: "${PW}"',
        'type: "${PW}"',
        "type: mqtt, url: mqtt://h, topics: {a: 0}, password: [kanarienvogel]",
        "type: mqtt, url: 'http://user:kanarienvogel@host', topics: {a: 0}",
    ],
)
def test_errors_do_not_tell_secrets(entry: str) -> None:
    text = GOOD.replace('history: {type: file, paths: ["in/*.csv"]}', f"history: {{{entry}}}")
    said = "\n".join(errors(text, PW=CANARY))
    assert CANARY not in said
    assert "history" in said


def test_number_as_password_is_not_told() -> None:
    entry = "{type: mqtt, url: mqtt://h, topics: {a: 0}, password: 4711471147}"
    said = "\n".join(errors(GOOD.replace('{type: file, paths: ["in/*.csv"]}', entry)))
    assert "password: must be text, not ***" in said
    assert "4711471147" not in said


def test_config_does_not_tell_secrets() -> None:
    entry = '{type: mqtt, url: "mqtt://${HOST}", topics: {a: 0}, password: kanarienvogel, port: "${PORT}"}'
    config = load(GOOD.replace('{type: file, paths: ["in/*.csv"]}', entry), HOST=CANARY, PORT="1884")
    assert config.sources["history"].options.model_dump()["port"] == 1884
    shown = repr(config) + str(config.redacted)
    assert CANARY not in shown
    assert config.redacted["sources"]["history"] == {
        "type": "mqtt", "url": "***", "topics": {"a": 0}, "password": "***", "port": "***",
    }  # fmt: skip
