"""How a reference may be written, and what is said of one that cannot be."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from detector.settings import Detector, Pipeline, Reference

VALUES = {"flow": 3.2, "pressure": 1.1}


def written(reference: Any, features: Any = ("flow", "pressure"), **record: Any) -> Pipeline:
    return Pipeline.model_validate(
        {"record": {"features": features, **record}, "detector": {"reference": reference}}
    )


def test_the_kind_alone_is_enough() -> None:
    assert Detector.model_validate({"reference": "median"}).reference == Reference(kind="median")
    assert Detector().reference.kind == "mean"
    assert written({"kind": "fixed", "values": VALUES}).detector.reference.values == VALUES


def test_all_but_mean_and_frozen_are_plain() -> None:
    plain = {
        kind: Detector.model_validate({"reference": kind}).plain
        for kind in ("mean", "frozen", "median", "geometric_median", "trimmed", "medoid")
    }
    assert [kind for kind, is_plain in plain.items() if not is_plain] == ["mean", "frozen"]


@pytest.mark.parametrize(
    ("detector", "said"),
    [
        ({"reference": "mode"}, "Input should be"),
        ({"reference": "fixed"}, "needs a value of each feature; write"),
        ({"reference": {"kind": "median", "values": VALUES}}, "values are for fixed, median is learned"),
        ({"reference": {"kind": "fixed", "values": {"flow": "nan"}}}, "finite number"),
        (
            {"reference": "median", "mode": "series"},
            "mode: series measures from the mean, not from reference",
        ),
        ({"reference": "medoid", "mode": "iid"}, "leave out mode or reference"),
        ({"reference": "frozen", "learn_from": "all"}, "frozen learns nothing after the warm-up"),
    ],
)
def test_what_does_not_go_together(detector: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Detector.model_validate(detector)


@pytest.mark.parametrize(
    ("values", "record", "said"),
    [
        ({"flow": 3.2}, {}, r"reference.values lacks pressure; add pressure: 0.0, with what they should be"),
        ({"current": 1.0}, {}, "lacks flow, pressure; add flow: 0.0, pressure: 0.0"),
        (VALUES | {"temp": 1.0}, {}, "names temp, no feature; remove it"),
        (VALUES, {"context": {"hour_of_day": 2}}, "cannot say what holds in which context; leave out"),
        (VALUES, {"features": [{"name": "flow", "lags": 1}, "pressure"]}, "leave out record.context"),
        (VALUES, {"features": [{"name": "flow", "difference": True}, "pressure"]}, "the change counts"),
        (VALUES, {"features": [{"name": "flow", "valid": [4, 9]}, "pressure"]}, "3.2 is not valid; give"),
        (VALUES | {"flow": 0}, {"features": [{"name": "flow", "log": True}, "pressure"]}, "no logarithm"),
    ],
)  # fmt: skip
def test_a_fixed_reference_is_a_record(values: dict[str, float], record: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        written({"kind": "fixed", "values": values}, **{"features": ("flow", "pressure"), **record})
