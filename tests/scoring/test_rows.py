"""One row out for each row in, in order, with what the pipeline says of it."""

from __future__ import annotations

import gzip
import math

import numpy as np
import pytest

from detector import scored, scoring
from detector.contracts import Batch
from detector.errors import KyoriError
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from tests.scoring.help import FEATURES, csv_text, json_text, rows, run, score, stream

COLUMNS = ["time", "key", "score", "level", "p", "anomaly", "top"]


@pytest.fixture(name="X")
def made():
    return stream()


@pytest.fixture
def csv_file(tmp_path, X):
    file = tmp_path / "in.csv"
    file.write_text(csv_text(X))
    return file


def test_each_row_has_its_time_score_and_verdict(csv_file, tmp_path):
    got = score(csv_file, tmp_path / "out.csv")
    assert len(got) == 400
    assert list(got[0]) == COLUMNS == list(scored.COLUMNS)
    assert [row["time"] for row in got[:2]] == ["2020-09-13T12:26:40Z", "2020-09-13T12:26:41Z"]
    assert [float(row["score"]) for row in got[:3]] == [0, 0, 0]
    assert all(math.isfinite(float(row["score"])) and float(row["score"]) >= 0 for row in got)
    assert all(float(row["score"]) > 0 for row in got[3:])
    assert all((row["level"], row["p"], row["anomaly"]) == ("", "", "0") for row in got[:100])
    assert all(float(row["level"]) > 0 and 0 < float(row["p"]) <= 1 for row in got[100:])
    found = [i for i, row in enumerate(got) if row["anomaly"] == "1"]
    assert set(range(350, 360)) <= set(found)
    assert len(found) < 15
    for row in got:
        assert (float(row["level"] or 0) >= 1) == (row["anomaly"] == "1") == bool(row["top"])
    assert got[350]["top"].startswith("b=")


def test_it_is_the_same_as_the_pipeline_however_it_is_cut(csv_file, tmp_path, X, monkeypatch):
    pipeline = Pipeline("score", Settings.model_validate({"record": {"features": FEATURES, "time": "time"}}))
    columns = {name: X[:, j].copy() for j, name in enumerate(FEATURES)}
    scores = pipeline.process(Batch(columns, 1.6e9 + np.arange(400), np.full(400, "", object))).scores
    whole = score(csv_file, tmp_path / "out.csv")
    assert [float(row["score"]) for row in whole] == scores.score.tolist()
    assert [float(row["level"]) for row in whole[100:]] == scores.level[100:].tolist()
    assert [row["anomaly"] == "1" for row in whole] == scores.anomaly.tolist()
    for size in (1, 7):
        monkeypatch.setattr(scoring, "_ROWS", size)
        assert score(csv_file, tmp_path / f"out{size}.csv") == whole


def test_all_forms_of_the_same_records_score_the_same(csv_file, tmp_path, X):
    expected = [row["score"] for row in score(csv_file, tmp_path / "out.csv")]
    (tmp_path / "in.jsonl").write_text(json_text(X))
    (tmp_path / "in.csv.gz").write_bytes(gzip.compress(csv_file.read_bytes()))
    np.savez(tmp_path / "in.npz", X=X)
    for name in ("in.jsonl", "in.csv.gz", "in.npz"):
        got = score(tmp_path / name, tmp_path / "out.jsonl")
        assert [str(row["score"]) for row in got] == expected, name
        assert list(got[0]) == COLUMNS
        assert (got[0]["level"], got[0]["top"]) == (None, "")
    assert {row["time"] for row in got} == {None}  # .npz has no times


def test_standard_input_scores_the_same(csv_file, tmp_path):
    done = run("-", stdin=csv_file.read_bytes())
    assert done.returncode == 0
    assert done.stderr == b""
    score(csv_file, tmp_path / "out.csv")
    assert done.stdout == (tmp_path / "out.csv").read_bytes()


def test_rows_that_cannot_be_used_keep_their_places_in_csv(tmp_path, X):
    text = csv_text(X[:20]).encode().splitlines(keepends=True)
    bad = {3: b"1,2\n", 4: b"1,2,3,4,5\n", 9: b"9,\xff,x,\n", 15: b"15,,,\n", 21: b"\xff\xfe\n"}
    for place, line in bad.items():
        text.insert(place, line)
    (tmp_path / "in.csv").write_bytes(b"".join(text))
    got = score(tmp_path / "in.csv", tmp_path / "out.csv")
    assert len(got) == 25
    assert [i + 1 for i, row in enumerate(got) if row["score"] == ""] == sorted(bad)
    assert all((row["level"], row["anomaly"]) == ("", "0") for row in got if row["score"] == "")
    clean = tmp_path / "clean.csv"
    clean.write_text(csv_text(X[:20]))
    kept = [row["score"] for row in got if row["score"]]
    assert kept == [row["score"] for row in score(clean, tmp_path / "out2.csv")]


def test_rows_that_cannot_be_used_keep_their_places_in_json_lines(tmp_path, X):
    text = json_text(X[:20]).splitlines()
    bad = {0: "{", 5: "[1]", 6: "7", 12: '{"a": null}', 13: "{}", 24: "not json"}
    for place, line in bad.items():
        text.insert(place, line)
    (tmp_path / "in.jsonl").write_text("\n".join(text))
    got = score(tmp_path / "in.jsonl", tmp_path / "out.jsonl")
    assert len(got) == 26
    assert [i for i, row in enumerate(got) if row["score"] is None] == list(bad)


def test_a_value_that_is_missing_or_no_number_does_not_drop_the_others(tmp_path, X):
    lines = csv_text(X[:200]).splitlines()
    for place, value in ((50, ""), (60, "text"), (70, "inf"), (80, "1e308"), (90, "nan")):
        cells = lines[place].split(",")
        lines[place] = ",".join([*cells[:2], value, cells[3]])
    (tmp_path / "in.csv").write_text("\n".join(lines))
    got = score(tmp_path / "in.csv", tmp_path / "out.csv")
    assert all(math.isfinite(float(row["score"])) for row in got)


def test_one_model_for_each_key(tmp_path, X):
    lines = [line + f",{'pump °' if i % 2 else 'b'}" for i, line in enumerate(csv_text(X).splitlines()[1:])]
    file = tmp_path / "in.csv"
    file.write_text("time,a,b,c,k\n" + "\n".join(lines))
    got = score(file, tmp_path / "out.csv", key="k")
    assert [row["key"] for row in got[:4]] == ["b", "pump °", "b", "pump °"]
    assert [float(row["score"]) for row in got[:6]] == [0] * 6
    alone = tmp_path / "alone.csv"
    alone.write_text("time,a,b,c\n" + "\n".join(line.rpartition(",")[0] for line in lines[::2]))
    expected = [row["score"] for row in score(alone, tmp_path / "out2.csv")]
    assert [row["score"] for row in got[::2]] == expected
    done = run(file, "--key", "k", "--output", tmp_path / "out3.csv")
    assert (done.returncode, rows(tmp_path / "out3.csv")) == (0, got)


@pytest.mark.parametrize("text", ["", "\n", "a,b\n", "a,b"])
def test_nothing_in_gives_nothing_but_the_header(tmp_path, text):
    (tmp_path / "in.csv").write_text(text)
    assert score(tmp_path / "in.csv", tmp_path / "out.csv") == []
    assert (tmp_path / "out.csv").read_text() == ",".join(COLUMNS) + "\n"


def test_a_file_of_text_has_an_empty_score_in_each_row(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\nx,y\nu,v\n")
    assert [row["score"] for row in score(tmp_path / "in.csv", tmp_path / "out.csv")] == ["", ""]


def test_constant_columns_score_and_a_change_of_one_is_found(tmp_path):
    X = np.column_stack([np.full(300, 4.0), np.zeros(300), np.arange(300) % 5])
    X[250, 0] = 4.5
    (tmp_path / "in.csv").write_text(csv_text(X))
    got = score(tmp_path / "in.csv", tmp_path / "out.csv")
    assert all(math.isfinite(float(row["score"])) for row in got)
    assert [i for i, row in enumerate(got) if row["anomaly"] == "1"] == [250]
    assert got[250]["top"].startswith("a=")


def test_the_input_is_never_overwritten(csv_file):
    before = csv_file.read_bytes()
    with pytest.raises(KyoriError, match="this is the input"):
        score(csv_file, csv_file)
    assert csv_file.read_bytes() == before
