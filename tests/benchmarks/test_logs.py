"""What `benchmarks.logs` promises of BGL, where its lines are: KYORI_DATA=directory/with/logs."""

import os
from pathlib import Path

import pytest

from benchmarks.accuracy.metrics import ranking
from benchmarks.logs import FILE, OURS, forest, ours, read

DATA = Path(os.environ.get("KYORI_DATA", "data")) / "logs"
needs_bgl = pytest.mark.skipif(
    not (DATA / FILE).exists(), reason=f"needs KYORI_DATA with logs/{FILE} of loghub"
)


@needs_bgl
@pytest.mark.parametrize("name", OURS)
def test_the_alerts_of_bgl_rank_high(name: str) -> None:
    lines, y, _ = read(DATA)
    score = ours(lines, OURS[name])
    for part in (slice(len(y) // 2, None), slice(None)):
        auc, ap = ranking(score[part], y[part])
        assert auc >= 0.85
        assert ap >= 0.20


def test_each_line_has_a_score_of_both() -> None:
    lines = [
        f"{1_700_000_000 + i} INFO request {i} served by {'abc'[i % 3] * (i % 5 + 1)}" for i in range(300)
    ]
    lines[250] = f"{1_700_000_250} FATAL the disk is on fire and nobody knows why"
    for settings in OURS.values():
        score = ours(lines, settings)
        assert len(score) == 300
        assert score[250] == score[200:].max() > score[249]
    score = forest(lines, 1)
    assert score[250] == score[120:].max() > score[249]
    windows = forest(lines, 7)
    assert len(windows) == 300
    assert (windows[: 7 * 42].reshape(42, 7) == windows[: 7 * 42 : 7, None]).all()
