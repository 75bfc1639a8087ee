"""The conservation law finds what is missing, and what was counted twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.conserved import assert_conserved
from tests.daemon.process import records, write_csv
from tests.daemon.running import Inside, write_config


def test_the_law_holds_over_restarts_and_a_lost_count_breaks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_csv(tmp_path / "in.csv", records(500))
    with (tmp_path / "in.csv").open("a") as file:
        file.write("1.7e9,no,number,at,all\n1.7e9,1\n")
    config = write_config(tmp_path, {"in": {"type": "file", "paths": ["in.csv", "more*.csv"]}})
    with Inside(config, once=True):
        pass
    counts = assert_conserved(tmp_path / "state", received=502)
    assert (counts.scored, counts.rejected) == (500, 2)

    write_csv(tmp_path / "more.csv", records(100))
    monkeypatch.setattr("detector.counts.Counts.add", lambda *_, **__: None)
    with Inside(config, once=True):
        pass
    with pytest.raises(AssertionError):
        assert_conserved(tmp_path / "state")
