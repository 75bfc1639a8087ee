"""The examples of docs/waveforms.md find what the page says: another voice, and which part of a bearing."""

from __future__ import annotations

import json
import runpy
import shutil
import sys
from pathlib import Path

import pytest

from tests.daemon.running import Inside, lines

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(config: Path, alerts: Path) -> list[dict[str, object]]:
    with Inside(config, once=True) as daemon:
        daemon.stop()
    return [json.loads(line) for line in lines(alerts)]


def test_the_other_speaker_is_not_the_same(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "voice", tmp_path / "voice")
    opened, *more = run(tmp_path / "voice" / "voice.yaml", tmp_path / "out" / "voice.jsonl")
    # 38 windows of the reference and 16 of the same speaker before the first of the other one.
    assert (opened["status"], opened["record"], more) == ("open", 38 + 16 + 3, [])
    assert opened["reasons"][0]["name"] == "voice.band(75-150)"  # type: ignore[index]


def test_distances_of_the_voices(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What the script prints stands in the page."""
    monkeypatch.setattr(sys, "argv", ["same.py"])
    runpy.run_path(str(EXAMPLES / "voice" / "same.py"), run_name="__main__")
    # A connection of an earlier test may still say that it finds nobody.
    printed = [line for line in capsys.readouterr().out.splitlines() if line.endswith("the same")]
    assert [line.rpartition(": ")[2] for line in printed] == ["the same", "not the same"]
    assert all(line in (EXAMPLES.parent / "docs" / "waveforms.md").read_text() for line in printed)


def test_the_bearing_is_told_by_its_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bearing").mkdir()
    shutil.copy(EXAMPLES / "bearing" / "bearing.yaml", tmp_path / "bearing")
    records = tmp_path / "records.jsonl"
    monkeypatch.setattr(sys, "argv", ["make_bearing.py", str(records)])
    runpy.run_path(str(EXAMPLES / "bearing" / "make_bearing.py"), run_name="__main__")
    monkeypatch.setenv("KYORI_BEARING", str(records))
    opened, *more = run(tmp_path / "bearing" / "bearing.yaml", tmp_path / "out" / "bearing-alerts.jsonl")
    assert opened["status"] == "open" and 201 <= opened["record"] <= 206  # type: ignore[operator]
    assert opened["reasons"][0]["name"] == "vib.envelope(3.585)"  # type: ignore[index]
    assert opened["reasons"][0]["direction"] == "above"  # type: ignore[index]
    assert all(one["status"] == "closed" for one in more)


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")
def test_the_voices_can_be_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EXAMPLES / "voice" / "make_voices.py", tmp_path)
    runpy.run_path(str(tmp_path / "make_voices.py"), run_name="__main__")
    made = {path.name: path.stat().st_size for path in tmp_path.glob("*.wav")}
    assert made.keys() == {"a.wav", "a-again.wav", "b.wav"} and min(made.values()) > 30_000
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match="apt-get install espeak-ng"):
        runpy.run_path(str(tmp_path / "make_voices.py"), run_name="__main__")
