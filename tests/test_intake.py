"""Each record that is not used is told its own reason, whatever was wrong with the one before."""

from __future__ import annotations

import numpy as np

from detector.contracts import Batch
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

nan = float("nan")


def test_reasons_do_not_depend_on_the_record_before() -> None:
    settings = {
        "key": "{k}",
        "record": {"features": ["a", "b", "c"], "missing": {"max_share": "50 %"}},
        "limits": {"max_keys": 1, "on_full": "reject"},
    }
    a, b, c = np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 1.0, nan, 1.0], [1.0, 1.0, nan, 1.0]])
    keys = np.array(["first", "second", "first", "first"], object)
    batch = Batch({"a": a, "b": b, "c": c}, np.arange(4.0), keys)
    result = Pipeline("p", Settings.model_validate(settings)).process(batch)
    assert [(one.row, one.reason) for one in result.rejected] == [
        (1, "too_many_keys"),
        (2, "too_many_missing"),
    ]
    assert result.used.tolist() == [0, 3]
