"""`warmup.from`: a daemon that has learned a history first, whatever happens meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector import history
from detector.contracts import Alert, Batch
from detector.errors import ConfigError
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.daemon.process import FEATURES, Daemon, records, saved_row, settings, write_csv
from tests.daemon.running import Inside, lines, write_config

IN = {"in": {"type": "file", "paths": ["in.csv"]}}
HISTORY, LIVE = records(3_000), records(2_000, seed=0)
"""Of one plant; the history ends within a fault, and the first live records hold one."""
HISTORY[-5:, 1] += 40.0
LIVE[20:40, 2] += 40.0


def configured(folder: Path, **warmup: Any) -> Path:
    """A configuration with a history in another folder, as a user would write it."""
    (folder / "history").mkdir(exist_ok=True)
    write_csv(folder / "history" / "old.csv", HISTORY)
    write_csv(folder / "in.csv", LIVE)
    return write_config(folder, IN, detector={"warmup": {"from": "./history/old.csv"} | warmup})


def without_daemon() -> tuple[np.ndarray, list[Alert]]:
    """The row and the alerts that a history and these records come to."""
    pipeline = Pipeline("p", Settings.model_validate(settings()))

    def batch(X: np.ndarray) -> Batch:
        columns = {feature: X[:, j].copy() for j, feature in enumerate(FEATURES)}
        return Batch(columns, 1.6e9 + np.arange(len(X)), np.full(len(X), "", object))

    assert pipeline.process(batch(HISTORY)).alerts
    pipeline.begin_live()
    alerts = pipeline.process(batch(LIVE)).alerts
    (row,) = pipeline.state()[0].values()
    return row.copy(), alerts


def check(folder: Path) -> None:
    """The alerts file is the same to the byte as without daemon, kill and files; and so is the model."""
    row, alerts = without_daemon()
    assert alerts[0].record < len(HISTORY) + 60  # no cold start: a fault within the first hundred is told
    assert lines(folder / "out.jsonl") == [alert.to_json() for alert in alerts]
    np.testing.assert_array_equal(saved_row(folder / "state"), row)


@pytest.mark.crash
@pytest.mark.parametrize("point", [None, "before_commit", "after_commit"])
def test_killed_before_or_after_what_was_learned_is_stored(tmp_path: Path, point: str | None) -> None:
    """A process as a user starts it; the first commit is that of the history."""
    config = configured(tmp_path)
    if point is not None:
        daemon = Daemon(config, "--once", KYORI_FAILPOINT=f"{point}:1")
        daemon.finish()
        assert daemon.code == -9
        assert not lines(tmp_path / "out.jsonl")
    last = Daemon(config, "--once")
    event = "history_not_read" if point == "after_commit" else "history_learned"
    line = last.wait_for(event)
    last.finish()
    assert last.code == 0
    if event == "history_learned":
        assert (line["records"], line["keys"]) == (3_000, 1)
        assert line["file"] == str(tmp_path / "history" / "old.csv")
        assert line["seconds"] >= 0
    check(tmp_path)


def test_a_cold_start_would_be_seen(tmp_path: Path) -> None:
    """The negative control of the check above: the same without the history."""
    config = configured(tmp_path)
    content = json.loads(config.read_text())
    content["pipelines"]["p"]["detector"]["warmup"] = "auto"
    config.write_text(json.dumps(content))
    with Inside(config, once=True):
        pass
    assert lines(tmp_path / "out.jsonl")
    with pytest.raises(AssertionError):
        check(tmp_path)


def test_it_is_read_once_and_may_then_go_away(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with Inside(config, once=True) as daemon:
        pass
    assert [line["event"] for line in daemon.log][:3] == ["state_loaded", "history_learned", "ready"]
    (tmp_path / "history" / "old.csv").unlink()
    with Inside(config, once=True) as daemon:
        pass
    assert daemon.events("history_not_read")
    check(tmp_path)


def test_models_of_other_features_learn_it_again(tmp_path: Path) -> None:
    config = configured(tmp_path)
    with Inside(config, once=True):
        pass
    content = json.loads(config.read_text())
    content["pipelines"]["p"]["record"]["features"] = ["a", "b", "c"]
    config.write_text(json.dumps(content))
    with Inside(config, once=True) as daemon:
        pass
    assert daemon.events("models_of_other_features")
    assert daemon.events("history_learned")[0]["records"] == 3_000


def test_asked_to_end_meanwhile_it_ends_and_keeps_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = configured(tmp_path)
    whole = history.scoring.batches

    def slowly(source: Any) -> Iterator[Batch]:
        for batch in whole(source):
            yield batch
            daemon.daemon.stop()
            daemon.daemon.workers["p"]._halt.wait(10)
            yield batch

    with monkeypatch.context() as patched:
        patched.setattr(history.scoring, "batches", slowly)
        daemon = Inside(config)
        with daemon:
            pass
    assert not daemon.events("history_learned")
    assert not daemon.events("ready")
    with Inside(config, once=True) as daemon:
        pass
    assert daemon.events("history_learned")
    check(tmp_path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "there is no such file (give a CSV, JSON Lines, WAV or .npz file)"),
        ("", "there is no record in it"),
        ("time,a,b\n1,2,3\n", "it has no column c, d; it has: time, a, b (call its columns"),
        ("time,a,b,c,d\n1,x,x,x,x\n", "none of its records can be used"),
    ],
)
def test_one_that_cannot_be_used_is_told_with_its_line(
    tmp_path: Path, text: str | None, expected: str
) -> None:
    config = configured(tmp_path)
    old = tmp_path / "history" / "old.csv"
    old.unlink() if text is None else old.write_text(text)
    number = next(i for i, line in enumerate(config.read_text().splitlines(), 1) if '"from"' in line)
    with pytest.raises(ConfigError) as caught, Inside(config, once=True):
        pass
    assert str(caught.value).startswith(f"{config}:{number}: pipelines.p.detector.warmup.from: {old}: ")
    assert expected in str(caught.value)
    assert not lines(tmp_path / "out.jsonl")
    configured(tmp_path)  # mended, it starts as if nothing had been
    with Inside(config, once=True):
        pass
    check(tmp_path)
