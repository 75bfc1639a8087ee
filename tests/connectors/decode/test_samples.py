"""From fields with samples to columns: encodings, what is missing, and what is wrong."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence

import numpy as np
import pytest

from connectors.decode import DECODERS, DecodeOptions
from connectors.decode.csv_lines import CsvLines
from connectors.decode.json_lines import JsonLines
from connectors.decode.rows import RowBuilder
from detector.contracts import MOST_SAMPLES, Batch, Layout, Statistic, Wave

SINE = (100 * np.sin(2 * np.pi * np.arange(400) / 20)).round()
RMS = float(np.sqrt(np.mean(SINE**2)))


def wave(**how: object) -> Wave:
    statistics = (Statistic("v.rms", "rms"), Statistic("v.crest", "crest"))
    return Wave("p.w", 1000.0, statistics, **how)  # type: ignore[arg-type]


def built(records: Sequence[object], made: Wave) -> Batch:
    builder = RowBuilder(Layout(("flow",), waves=(made,)))
    for record in records:
        builder.add(record, {}, "here")
    return builder.batch(arrival=0.0, position=b"")


def packed(samples: np.ndarray, kind: str) -> str:
    return base64.b64encode(samples.astype(kind).tobytes()).decode()


@pytest.mark.parametrize(
    ("value", "encoding"),
    [(SINE.tolist(), "array"), (packed(SINE, "<i2"), "int16"), (packed(SINE, "<f4"), "float32")],
)
def test_encodings_are_the_same_samples(value: object, encoding: str) -> None:
    batch = built([{"flow": 1, "p": {"w": value}}, {"p.w": value}], wave(encoding=encoding, scale=0.5))
    assert batch.columns["v.rms"] == pytest.approx([RMS / 2, RMS / 2])
    assert batch.columns["v.crest"] == pytest.approx([100 / RMS, 100 / RMS], rel=1e-3)
    assert batch.columns["flow"][0] == 1.0 and np.isnan(batch.columns["flow"][1])
    assert not batch.faults


@pytest.mark.parametrize(
    ("value", "encoding", "reason"),
    [
        (None, "array", ""),
        ([], "array", "too_short"),
        ([1.0] * 15, "array", "too_short"),
        ([1.0] * 15 + [None], "array", "bad_sample"),
        ([1.0] * 15 + ["2"], "array", "bad_sample"),
        ([1.0] * 15 + [True], "array", "bad_sample"),
        ([1.0] * 15 + [[2.0]], "array", "bad_sample"),
        ([1.0] * 15 + [1e200], "array", "out_of_range"),
        ([1] * 15 + [10**400], "array", "out_of_range"),
        ([1.0] * (MOST_SAMPLES + 1), "array", "too_long"),
        ("[1, 2, 3]", "array", "not_a_wave"),
        (17, "array", "not_a_wave"),
        (SINE.tolist(), "int16", "not_a_wave"),
        ("###", "int16", "not_a_wave"),
        ("AAAA", "int16", "not_a_wave"),  # three bytes
        ("", "int16", ""),  # an empty cell
        ("AAA=", "int16", "too_short"),
        (packed(np.full(16, np.nan), "<f4"), "float32", "bad_sample"),
        (packed(np.full(16, np.inf), "<f4"), "float32", "out_of_range"),
    ],
)
def test_a_wave_that_is_none_is_missing_and_counted_once(value: object, encoding: str, reason: str) -> None:
    batch = built([{"flow": 2, "p": {"w": value}}], wave(encoding=encoding))
    assert np.isnan(batch.columns["v.rms"]).all() and np.isnan(batch.columns["v.crest"]).all()
    assert batch.columns["flow"].tolist() == [2.0] and not batch.rejected
    assert batch.faults == ({(reason, "p.w"): 1} if reason else {})


def test_what_cannot_be_computed_is_counted_by_its_own_name() -> None:
    batch = built([{"p": {"w": [7.0] * 32}}], wave())
    assert batch.columns["v.rms"].tolist() == [0.0] and batch.faults == {("flat", "v.crest"): 1}


def test_speed_is_a_number_or_a_field() -> None:
    t = np.arange(1000) / 1000
    ringing = ((1 + 0.5 * np.cos(2 * np.pi * 40 * t)) * np.sin(2 * np.pi * 300 * t)).tolist()
    line = (Statistic("e", "envelope", (2.0,)),)
    fixed = Wave("w", 1000.0, line, rpm=1200.0, resonance=(200.0, 400.0))
    by_field = Wave("w", 1000.0, line, rpm="m.rpm", resonance=(200.0, 400.0))
    assert built([{"w": ringing}], fixed).columns["e"] == pytest.approx([0.5], rel=0.01)
    speeds = ({"rpm": "1200"}, {"rpm": 900}, {}, {"rpm": "fast"})
    batch = built([{"w": ringing, "m": m} for m in speeds], by_field)
    assert batch.columns["e"][0] == pytest.approx(0.5, rel=0.01) and batch.columns["e"][1] < 0.02
    assert batch.faults == {("no_speed", "e"): 2}


def test_every_way_in_computes_them() -> None:
    """Lines that are alike would be read by compiled code, which knows nothing of samples."""
    made = wave(encoding="int16")
    layout, text = Layout(("flow",), waves=(made,)), packed(SINE, "<i2")
    record = json.dumps({"flow": 1, "p.w": text}).encode()

    builder = RowBuilder(layout)
    data = (record + b"\n") * 3
    lines = JsonLines("f", {})
    assert lines.scan(data, builder, 10) == (0, 0)
    assert lines.feed(data.split(b"\n")[:3], 1, builder, 10) == 3
    rows = b"1,%b\n2,%b\n" % (text.encode(), text.encode())
    table = CsvLines("f", {}, (), header="flow,p.w")
    assert table.scan(rows, builder, 10) == (0, 0)
    assert table.feed(rows.split(b"\n")[:2], 1, builder, 10) == 2
    builder.add_all(DECODERS["json"](b"[%b,%b]" % (record, record), DecodeOptions()), {}, "topic")
    builder.add_columns({"flow": np.ones(1)}, {}, "npz")
    batch = builder.batch(arrival=0.0, position=b"")
    assert batch.columns["v.rms"][:7] == pytest.approx([RMS] * 7) and np.isnan(batch.columns["v.rms"][7])
    assert len(batch) == 8 and not batch.faults


def test_samples_are_not_kept() -> None:
    builder = RowBuilder(Layout((), waves=(wave(),)))
    builder.add({"p.w": SINE.tolist()}, {}, "here")
    builder.add_many([{"p.w": SINE.tolist()}], {})
    assert builder._records == []
