# ruff: noqa: E501 (a table of messages)
"""Waveforms in a configuration: what they stand for, and every wrong one is told with a remedy."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from connectors.decode.waveform import STATISTICS
from detector.features.vector import Vector
from detector.settings import Feature, Pipeline, Record, Waveform
from tests.config.fakes import GOOD, errors

ENVELOPE = "rpm: 1800, resonance: [1500, 3000], use: [envelope(3.5)]"

WRONG = [
    ("from: waveform, rate_hz: 8000, use: [loud]", "features[0].use[0]: 'loud' is not a statistic of a waveform (write rms, peak"),
    ("from: waveform, rate_hz: 8000, use: [band(50)]", "'band(50)' is not a statistic of a waveform"),
    ("from: waveform, rate_hz: 8000, use: [rms(3)]", "'rms(3)' is not a statistic of a waveform"),
    ("from: waveform, rate_hz: 8000, use: [band(400-50)]", "use: band(400-50): not a band of 8000 samples a second (write the lower end first, and no more than 4000 Hz)"),
    ("from: waveform, rate_hz: 8000, use: [band(50-5000)]", "use: band(50-5000): not a band of 8000 samples a second"),
    ("from: waveform, rate_hz: 8000, use: [rms, rms]", "record: features: x.rms is named twice (give each its own name)"),
    ("from: waveform, rate_hz: 8000, use: [envelope(3.5)]", "use: envelope(3.5) needs the speed of the shaft (add rpm: 1797, or the field with it)"),
    ("from: waveform, rate_hz: 8000, rpm: 1800, use: [envelope(3.5)]", "needs the band in which the housing rings (add resonance: [1000, 2666.67] if you do not know better)"),
    ("from: waveform, rate_hz: 8000, " + ENVELOPE.replace("3000", "1550"), "envelope(3.5) lies not between 0 and the width of resonance, 50 Hz (widen resonance)"),
    ("from: waveform, rate_hz: 8000, " + ENVELOPE.replace("3.5", "0"), "envelope(0) lies not between 0"),
    ("from: waveform, rate_hz: 8000, " + ENVELOPE.replace("3000", "4500"), "resonance: not a band of 8000 samples a second"),
    ("from: waveform, rate_hz: 8000, " + ENVELOPE.replace("1800", "0"), "not a speed"),
    ("from: waveform, rate_hz: 8000, " + ENVELOPE.replace("1800", '""'), "not a speed"),
    ("from: waveform, rate_hz: 8000, log: true, use: [skewness]", "skewness may be below 0 (give it an entry of its own, without log)"),
    ("from: waveform, use: [rms]", "features[0].rate_hz: is missing (add it: samples a second)"),
    ("from: waveform, rate_hz: 8000", "features[0].use: is missing"),
    ("rate_hz: 8000, use: [rms]", "features[0].from: is missing (add it: says that the field holds samples)"),
    ("from: wave, rate_hz: 8000, use: [rms]", "features[0].from: must be 'waveform', not 'wave'"),
    ("from: waveform, rate_hz: 0, use: [rms]", "features[0].rate_hz: must be more than 0, not 0"),
    ("from: waveform, rate_hz: 8000, use: [rms], hop: 0s", "features[0].hop: must be more than 0, not '0s'"),
    ("from: waveform, rate_hz: 8000, use: [rms], window: 1", "features[0].window: 1: a duration needs a unit"),
    ("from: waveform, rate_hz: 8000, use: [rms], encoding: int8", "encoding: must be 'array', 'int16' or 'float32', not 'int8'"),
    ("from: waveform, rate_hz: 8000, use: [rms], rate: 3", "features[0].rate: there is no such setting (did you mean"),
    ("from: waveform, rate_hz: 8000, use: [rms], valid: [0, 1]", "features[0].valid: there is no such setting (choose from"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "expected"), WRONG)
def test_every_wrong_one_is_told(written: str, expected: str) -> None:
    start, _, rest = GOOD.partition("{name: flow")
    found = errors(f"{start}{{name: x, {written}}}{rest[rest.index('}') + 1 :]}")
    assert any(expected in one for one in found), found


def test_waveforms_must_agree_and_not_hide_a_field() -> None:
    one = {"name": "a", "from": "waveform", "rate_hz": 100, "use": ["rms"]}
    for other, said in (
        ({**one, "name": "b", "hop": "2s"}, "write the same in each"),
        ({"name": "c", "field": "a.rms"}, "the field of c is also computed"),
        ({"name": "a.rms"}, "a.rms is named twice"),
    ):
        with pytest.raises(ValidationError, match=said):
            Record.model_validate({"features": [one, other]})


def wave(**how: object) -> dict[str, object]:
    return {"name": "vib", "from": "waveform", "rate_hz": 8000, "use": ["rms", "band(50-400)"]} | how


def test_it_is_a_feature_for_each_statistic() -> None:
    use = ["rms", "crest", "band(50-400)", "centroid", "envelope(3.5)"]
    given = wave(use=use, unit="m/s²", log=True, smooth=3, direction="above", rpm="n", resonance=[1000, 2000])
    made = Pipeline.model_validate({"record": {"features": ["flow", given], "sequence": "s"}})
    units = ["", "m/s²", "", "(m/s²)²", "Hz", "m/s²"]
    expected = [f"vib.{one}" for one in use]
    assert [feature.name for feature in made.record.judged] == ["flow", *expected]
    assert [feature.unit for feature in made.record.judged] == units
    assert {(f.log, f.smooth, f.direction) for f in made.record.judged[1:]} == {(True, 3, "above")}
    assert made.layout.numbers == ("flow", "s") and made.layout.computed == tuple(expected)
    (seen,) = made.layout.waves
    assert (seen.field, seen.rate, seen.rpm, seen.window, seen.hop) == ("vib", 8000.0, "n", 1.0, 1.0)
    assert [one.numbers for one in seen.statistics] == [(), (), (50.0, 400.0), (), (3.5,)]


def test_it_may_be_context() -> None:
    made = Pipeline.model_validate({"record": {"features": ["flow"], "context": {"features": [wave()]}}})
    assert Vector(made.record).labels == ("vib.rms", "vib.band(50-400)", "flow")
    assert made.layout.numbers == ("flow",) and made.layout.computed == ("vib.rms", "vib.band(50-400)")
    with pytest.raises(ValidationError, match=r"vib\.rms: context is not judged"):
        Record.model_validate({"features": ["flow"], "context": {"features": [wave(direction="above")]}})


@pytest.mark.parametrize(
    ("change", "anew"),
    [
        ({"rate_hz": 16000}, True),
        ({"use": ["rms", "band(50-500)"]}, True),
        ({"scale": 2.0}, True),
        ({"window": "2s"}, True),
        ({"unit": "g"}, False),
        ({"field": "w"}, False),
        ({"direction": "above"}, False),
    ],
)
def test_what_makes_other_numbers_starts_anew(change: dict[str, object], anew: bool) -> None:
    before, after = (Vector(Record.model_validate({"features": [wave(**how)]})) for how in ({}, change))
    assert (before.meaning != after.meaning) is anew


def test_what_may_be_written_can_be_computed() -> None:
    numbers = {"band": "(1-2)", "envelope": "(3)"}
    use = [kind + numbers.get(kind, "") for kind in STATISTICS]
    given = Waveform.model_validate(wave(use=use, rpm=60, resonance=[10, 20]))
    assert [statistic.kind for statistic in given.wave.statistics] == list(STATISTICS)
    with pytest.raises(ValidationError, match=re.escape(", ".join(kind for kind in use if "(" not in kind))):
        Waveform.model_validate(wave(use=["other"]))


def test_models_may_be_given_as_they_are() -> None:
    given = Waveform.model_validate(wave())
    record = Record(features=(Feature(name="flow"), given))
    assert [feature.name for feature in record.judged] == ["flow", "vib.rms", "vib.band(50-400)"]
