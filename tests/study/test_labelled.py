"""Labelled records to learn from: what their labels mean, and which vectors they are."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.errors import KyoriError
from detector.metric.compare import figure_for
from detector.study.history import Choice
from detector.study.labelled import Labelled, load

CONFIG = """\
version: 1
pipelines:
  pumps:
    sources: [in]
    outputs: [out]
    key: "{pump}"
    record:
      features: [a, {name: b, log: true}, {name: c, difference: true}]
      context: {hour_of_day: 1, lags: 1}
      time: t
sources: {in: {type: file, paths: [a.csv]}}
outputs: {out: {type: stdout}}
"""


def labels(*texts: str | None) -> Labelled:
    return Labelled("a.csv", np.zeros((len(texts), 1)), ("x",), "fault", list(texts))


def write(path: Path, columns: dict[str, Any]) -> str:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]) + "\n")
    return str(path)


@pytest.mark.parametrize(
    ("texts", "classes", "names", "by"),
    [
        (["0", "1", "", "-"], [0, 1, 0, 0], ["normal", "1"], "average_precision"),
        (["false", "TRUE", "False"], [0, 1, 0], ["normal", "TRUE"], "average_precision"),
        (["Normal", "leak", None, "leak"], [0, 1, -1, 1], ["normal", "leak"], "average_precision"),
        (["1", "2", "1.0"], [1, 2, 1], ["1", "2"], "accuracy"),
        (["b", "a", "b", "a"], [2, 1, 2, 1], ["a", "b"], "accuracy"),
        (["0", "1", "2", "10"] * 2, [0, 1, 2, 3] * 2, ["normal", "1", "2", "10"], "accuracy"),
        (["", "leak", "bearing"] * 2, [0, 2, 1] * 2, ["normal", "bearing", "leak"], "accuracy"),
        (["0", "0", "1", "1", "odd", "0"], [0, 0, 1, 1, -1, 0], ["normal", "1"], "average_precision"),
    ],
)
def test_what_labels_mean(texts: list[str | None], classes: list[int], names: list[str], by: str) -> None:
    y, found = labels(*texts).classes()
    assert y.tolist() == classes
    assert found == names
    assert figure_for(y) == by


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        (["0", "1", "0.5"], "holds '0.5', a measurement and not a label; mlkr learns"),
        ([str(i) for i in range(50)], "holds 50 different values"),
        (["some text", "another", "a third"], "holds 3 different values"),
    ],
)
def test_what_is_no_label_is_refused(texts: list[str], said: str) -> None:
    with pytest.raises(KyoriError, match=said):
        labels(*texts).classes()


def test_numbers() -> None:
    np.testing.assert_array_equal(labels("0.5", "", None, "3").numbers(), [0.5, np.nan, np.nan, 3.0])
    with pytest.raises(KyoriError, match=r"record 2: column 'fault' holds 'high' \(not_a_number\)"):
        labels("1", "high").numbers()


def test_every_format_gives_the_same(tmp_path: Path) -> None:
    columns = {"a": [1.5, 2.5, 3.5], "b": [4.0, 5.0, 6.0], "fault": ["", "leak", ""]}
    names = [write(tmp_path / "x.csv", columns)]
    lines = [json.dumps(dict(zip(columns, row, strict=True))) for row in zip(*columns.values(), strict=True)]
    (tmp_path / "x.jsonl").write_text("\n".join(lines) + "\n")
    (tmp_path / "x.csv.gz").write_bytes(gzip.compress((tmp_path / "x.csv").read_bytes()))
    for name in ("x.jsonl", "x.csv.gz"):
        names.append(str(tmp_path / name))
    for name in names:
        found = load(Choice(name, labels="fault"))
        np.testing.assert_array_equal(found.X, [[1.5, 4.0], [2.5, 5.0], [3.5, 6.0]])
        assert found.features == ("a", "b")
        assert found.classes()[0].tolist() == [0, 1, 0]
    path = tmp_path / "x.npz"
    np.savez(path, X=np.arange(6.0).reshape(3, 2), fault=np.array(columns["fault"]), other=np.zeros(2))
    found = load(Choice(str(path), labels="fault"))
    assert found.classes()[0].tolist() == [0, 1, 0]
    for wrong, said in (("nonsense", "there is no array 'nonsense'"), ("other", "has the shape")):
        with pytest.raises(KyoriError, match=said):
            load(Choice(str(path), labels=wrong))


def test_records_that_cannot_be_read_keep_their_place(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("a,b,fault\n1,2,0\n3\n4,x,1\n5,6,1\n7\n")
    found = load(Choice(str(path), labels="fault", features="a,b"))
    assert found.texts == ["0", None, "1", "1", None]
    assert np.isfinite(found.X).all(axis=1).tolist() == [True, False, False, True, False]
    assert found.complete == 2
    np.testing.assert_array_equal(found.X[[0, 3]], [[1, 2], [5, 6]])


def test_the_vectors_are_those_of_the_pipeline(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG)
    rng = np.random.default_rng(0)
    columns = {
        "t": [1.7e9 + 60.0 * i for i in range(20)], "pump": ["p1", "p2"] * 10,
        "a": rng.normal(size=20).tolist(), "b": rng.uniform(1, 2, 20).tolist(),
        "c": rng.normal(size=20).tolist(), "fault": ["0", "1"] * 10,
    }  # fmt: skip
    found = load(Choice(write(tmp_path / "a.csv", columns), tmp_path / "config.yaml", labels="fault"))
    assert found.features == ("a", "b:log", "c:difference")
    np.testing.assert_allclose(found.X[:, 0], columns["a"])
    np.testing.assert_allclose(found.X[:, 1], np.log(columns["b"]))
    for first in (0, 1):
        assert np.isnan(found.X[first, 2])  # nothing to subtract from yet
        np.testing.assert_allclose(found.X[first::2, 2][1:], np.diff(columns["c"][first::2]))


@pytest.mark.parametrize(
    ("column", "said"),
    [("nonsense", "no column 'nonsense' for the labels; it has: a, b, fault"), ("{a}", "brace")],
)
def test_no_such_column(tmp_path: Path, column: str, said: str) -> None:
    name = write(tmp_path / "x.csv", {"a": [1.0, 2.0], "b": [3.0, 4.0], "fault": [0, 1]})
    with pytest.raises(KyoriError, match=said):
        load(Choice(name, labels=column))
