from __future__ import annotations

import dataclasses
import io
import sys
from typing import Any

import pytest

from connectors.sinks.stdout import StdoutSink, human_line
from detector.contracts import Alert
from detector.errors import SinkUnavailable
from tests.checks.sinks import alert, alerts


class Terminal(io.StringIO):
    encoding = "utf-8"  # type: ignore[assignment]

    def isatty(self) -> bool:
        return True


def written(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, form: str = "auto") -> str:
    monkeypatch.setattr(sys, "stdout", stream)
    sink = StdoutSink("out", StdoutSink.Options(format=form))  # type: ignore[arg-type]
    sink.open(b"")
    assert sink.write([alert(1)]) == b""
    sink.close()
    return stream.getvalue()


def test_auto_is_json_off_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream: Any = io.StringIO()
    assert Alert.from_json(written(monkeypatch, stream)) == alert(1)


def test_auto_is_for_people_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    line = written(monkeypatch, Terminal())
    assert line == (
        "2023-11-14T22:13:21.000Z  OPEN   critical  "
        "pumps/north/flow is 3 l/min, expected 7  flow is 3 l/min, expected 7\n"
    )
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[31;1mOPEN   critical\x1b[0m" in written(monkeypatch, Terminal())
    assert "\x1b" not in written(monkeypatch, io.StringIO(), "human")


@pytest.mark.parametrize("time", [float("nan"), 1e300, -1e18])
def test_time_that_is_no_date(time: float) -> None:
    line = human_line(dataclasses.replace(alert(1), time=time), colour=False)
    assert line.startswith(str(time))


class Full(io.StringIO):
    def flush(self) -> None:
        raise OSError(28, "No space left on device")


def test_what_cannot_be_written_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, why in ((Full(), "No space left"), (io.StringIO(), "closed")):
        monkeypatch.setattr(sys, "stdout", stream)
        sink = StdoutSink("out", StdoutSink.Options())
        sink.open(b"")
        if why == "closed":
            stream.close()
        with pytest.raises(SinkUnavailable, match=why):
            sink.write(alerts(1))
