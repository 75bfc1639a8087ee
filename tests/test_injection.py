"""P38: whatever a topic, key, payload, path or error says: one line for each event, all of it printable."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from connectors.decode import RowBuilder
from connectors.decode.json_lines import JsonLines
from connectors.sinks.stdout import StdoutSink, human_line
from detector.cli import app
from detector.cli.say import say
from detector.contracts import Alert, Layout, Reason
from detector.logs import configure
from detector.refused import Refused
from detector.study.text import bold, table

EXAMPLES = 1000 if os.environ.get("KYORI_FULL") else 100
HOSTILE = (
    "a\nb\r\nc", "\x1b[2J\x1b]0;title\x07", "\x1bP1$r\x1b\\", "\x9b2J", "%s%d%n%(x)s",
    "{0.__class__.__init__}", "{event}", "\u202edrow\u2066", "\ud83d", "\x00", "\u2028\u2029\x85",
    '", "event": "forged', "x" * 5000,
)  # fmt: skip


def hostile(function):
    """Run a test over hypothesis' strings, half of them of control characters, and those that are known."""
    odd = st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp"]) | st.sampled_from("[{%\\\"'a"))
    drawn = given(text=st.text() | odd)(function)
    for text in HOSTILE:
        drawn = example(text=text)(drawn)
    return pytest.mark.crash(settings(max_examples=EXAMPLES)(drawn))


def as_json_has_it(text: str) -> str:
    """In JSON two halves of a character, one after the other, are that character."""
    return str(json.loads(json.dumps(text)))


def logged(style: str, text: str) -> list[str]:
    """What the log says of an event that has the text in every place where data may stand."""
    written = io.StringIO()
    with redirect_stderr(written):
        configure("debug", style)
        log = structlog.get_logger()
        places = dict.fromkeys(("topic", "key", "payload", "field", "path", "error"), text)
        log.warning("record_refused", **places, nested={"x": [text]}, raw=text.encode("utf-8", "replace"))
    return written.getvalue().split("\n")


@hostile
def test_an_event_is_one_printable_line_of_json(text: str) -> None:
    line, end = logged("json", text)
    assert end == ""
    assert line.isprintable()
    told = json.loads(line)
    assert told["event"] == "record_refused"
    assert told["topic"] == told["nested"]["x"][0] == as_json_has_it(text)


@hostile
def test_an_event_for_people_is_one_printable_line(text: str) -> None:
    line, end = logged("human", text)
    assert end == ""
    assert line.isprintable()
    assert "record_refused" in line


@hostile
def test_a_refused_record_is_one_line_of_the_log_and_one_of_the_dead_letters(text: str) -> None:
    builder = RowBuilder(Layout(("a",), key="{k}"))
    raw = b"{" + text.encode("utf-8", "surrogatepass").replace(b"\n", b" ")
    JsonLines(f"in/{text}.jsonl", {}).feed([raw], 1, builder, 9)
    batch = builder.batch(arrival=0.0, position=b"")
    written = io.StringIO()
    with redirect_stderr(written), TemporaryDirectory() as folder:
        configure("debug", "json")
        told = Refused("p", Path(folder) / "refused.jsonl")
        told.note(batch.rejected, {("not_a_number", text): 1})
        told.keep()
        (letter,) = (Path(folder) / "refused.jsonl").read_text().splitlines()
    refused, value, end = written.getvalue().split("\n")
    assert end == ""
    assert [json.loads(line)["event"] for line in (refused, value)] == ["record_refused", "value_refused"]
    for line in (refused, value, letter):
        assert line.isprintable()
    assert len(refused) < 3000
    assert json.loads(letter)["raw"]


ALERT = Alert(
    "id", "open", "distance", "p", "k", 1.0, 1.0, 1, 1, 2.0, 1.0, 2.0, 0.1, "critical", "m",
    (Reason("flow", "l/s", 1.0, 2.0, 0.5, 1.0, "below"),), "model",
)  # fmt: skip


@hostile
def test_an_alert_on_standard_output_is_one_printable_line(text: str) -> None:
    reason = replace(ALERT.reasons[0], name=text, unit=text)
    alert = replace(ALERT, key=text, pipeline=text, message=text, known=text, reasons=(reason,))
    assert human_line(alert, colour=False).isprintable()
    written = io.StringIO()
    with redirect_stdout(written):
        sink = StdoutSink("out", StdoutSink.Options(format="json"))
        sink.open(b"")
        sink.write([alert])
    line, end = written.getvalue().split("\n")
    assert end == ""
    assert line.isprintable()
    assert Alert.from_json(line).key == as_json_has_it(text)


@hostile
def test_a_verb_says_nothing_that_a_terminal_obeys(text: str) -> None:
    written = io.StringIO()
    with redirect_stdout(written):
        say(table(["column", text], [[text, "1"]]))
        say(bold("head"))
    assert all(line.isprintable() for line in written.getvalue().replace("\x1b[1m", "").split("\n"))


def test_the_bold_of_our_own_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    monkeypatch.setattr(written, "isatty", lambda: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    with redirect_stdout(written):
        say(bold("head") + "\x1b[2J")
    assert written.getvalue() == "\x1b[1mhead\x1b[0m\\x1b[2J\n"


def test_every_verb_speaks_through_say() -> None:
    files = sorted((Path(__file__).parents[1] / "detector" / "cli").glob("*.py"))
    assert [file.name for file in files if "typer.echo(" in file.read_text()] == ["say.py"]


def test_hostile_columns_and_keys_do_not_reach_the_terminal(tmp_path: Path) -> None:
    name, key = "\x1b]0;owned\x07flow", "\x1b[2Jp\u202e1"
    rows = "\n".join(f'"{key}",{i % 7},{i % 5}' for i in range(60))
    (tmp_path / "a.csv").write_text(f'k,"{name}",temp\n{rows}\n')
    for verb in (["explain", "--record", "50"], ["features"]):
        done = CliRunner().invoke(app, [verb[0], str(tmp_path / "a.csv"), "--key", "k", *verb[1:]])
        assert done.exit_code == 0, done.output
        assert "\x1b" not in done.output, verb
        assert "\u202e" not in done.output, verb


def test_an_error_of_a_verb_is_printable(tmp_path: Path) -> None:
    path = tmp_path / "\x1b[2Jx\u202e.csv"
    path.write_text("a,b\n1,2\n")
    done = subprocess.run(
        [sys.executable, "-m", "detector.cli", "explain", str(path), "--record", "9"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"\x1b" not in done.stderr
    assert b"kyori: " in done.stderr
