"""Labels in every form that is documented, beside the records that they belong to."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from detector.errors import KyoriError
from detector.study.history import Choice, History, load
from tests.study.help import START, write_config

N = 30
TRUE = [3, 4, 5, 17]


def history(path: Path, labels: str | None = "fault", **more: str) -> History:
    return load(Choice(str(path), labels=labels, **more))  # type: ignore[arg-type]


def csv(path: Path, normal: str, anomaly: str, header: str = "time,a,b,fault") -> Path:
    cells = [anomaly if i in TRUE else normal for i in range(N)]
    rows = [f"{START + i},{i % 7}.5,{i % 5}.25,{cell}" for i, cell in enumerate(cells)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def marked(made: History) -> list[int]:
    assert made.truth is not None
    return np.flatnonzero(made.truth).tolist()


@pytest.mark.parametrize(
    ("normal", "anomaly"),
    [("0", "1"), ("0.0", "1.0"), ("false", "true"), ("False", "TRUE"), ("", "leak"), ("-", "KERNDTLB"),
     ("normal", "valve 1"), ("Normal", "1"), ("", "1"), ("0", "-1"), ("nan", "1"), ("NULL", "x")],
)  # fmt: skip
def test_every_form_that_is_documented(tmp_path: Path, normal: str, anomaly: str) -> None:
    assert marked(history(csv(tmp_path / "a.csv", normal, anomaly))) == TRUE


def test_a_label_is_never_a_feature(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", "0", "1")
    assert list(history(file).columns) == ["a", "b"]
    assert list(history(file, None).columns) == ["a", "b", "fault"]
    with pytest.raises(KyoriError, match=r"fault: labels cannot be a feature, too"):
        history(file, features="a,fault")
    config = write_config(tmp_path / "c.yaml", "a, fault")
    with pytest.raises(KyoriError, match=r"fault: labels cannot be a feature, too"):
        history(file, config=config)  # type: ignore[arg-type]


@pytest.mark.parametrize(("normal", "value"), [(False, True), (0, 1), ("", "leak"), (None, "leak")])
def test_json_lines(tmp_path: Path, normal: object, value: object) -> None:
    lines = [json.dumps({"a": i % 7, "meta": {"fault": value if i in TRUE else normal}}) for i in range(N)]
    lines[10] = json.dumps({"a": 3})  # says nothing of it
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert marked(history(tmp_path / "a.jsonl", "meta.fault")) == TRUE


def test_only_the_faulty_records_have_the_field(tmp_path: Path) -> None:
    """Further on than anyone looks to find out the columns."""
    lines = [json.dumps({"a": i % 7} | ({"fault": "leak"} if i == 1500 else {})) for i in range(1600)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert marked(history(tmp_path / "a.jsonl")) == [1500]


def test_records_that_cannot_be_used_shift_nothing(tmp_path: Path) -> None:
    lines = csv(tmp_path / "a.csv", "", "leak").read_text().splitlines()
    clean = history(tmp_path / "a.csv")
    bad = {1: "1,2", 5: "1,2,3,4,5,6", 18: "x", 25: ",,,,,,,"}
    for place, line in sorted(bad.items()):
        lines.insert(place, line)
    (tmp_path / "b.csv").write_text("\n".join(lines))
    made = history(tmp_path / "b.csv")
    assert marked(made) == TRUE
    assert made.columns["a"].tolist() == clean.columns["a"].tolist()
    assert set(range(1, N + 5)) - set(made.row.tolist()) == set(bad)


def test_gzip_and_standard_input(tmp_path: Path) -> None:
    text = csv(tmp_path / "a.csv", "0", "1").read_bytes()
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(text))
    assert marked(history(tmp_path / "b.csv.gz")) == TRUE
    code = (
        "from detector.study.history import Choice, load\n"
        "made = load(Choice('-', labels='fault'))\n"
        "print(made.truth.nonzero()[0].tolist(), list(made.columns), len(made))"
    )
    done = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, check=True)
    assert done.stdout.decode() == f"{TRUE} ['a', 'b'] {N}\n"


def test_an_array_of_an_npz_file(tmp_path: Path) -> None:
    y = np.isin(np.arange(N), TRUE)
    X = np.arange(2.0 * N).reshape(N, 2)
    np.savez(tmp_path / "a.npz", X=X, y=y.astype(int), text=np.where(y, "leak", "-"), short=y[:5])
    for name in ("y", "text"):
        made = history(tmp_path / "a.npz", name)
        assert marked(made) == TRUE
        assert list(made.columns) == ["x0", "x1"]
    with pytest.raises(KyoriError, match=r"no array 'z' beside X.*it has: y, text, short"):
        history(tmp_path / "a.npz", "z")
    with pytest.raises(KyoriError, match=r"has the shape \(5,\); X has 30 records"):
        history(tmp_path / "a.npz", "short")
    np.savez(tmp_path / "b.npz", X=X, y=np.array([{}] * N, object))
    with pytest.raises(KyoriError, match=r"array 'y' cannot be read: its header is not that"):
        history(tmp_path / "b.npz", "y")


def test_a_file_of_incidents(tmp_path: Path) -> None:
    file = csv(tmp_path / "a.csv", "0", "1", "time,a,b,c")
    spans = tmp_path / "incidents.csv"
    spans.write_text(f"start,end\n{START + 3},{START + 5}\n2023-11-14T22:13:37Z,2023-11-14T22:13:37Z\n")
    made = history(file, str(spans))
    assert marked(made) == TRUE
    assert list(made.columns) == ["a", "b", "c"]
    spans.write_text(f"start,end\n{START + 3},{START + 5}\n{START + 9},{START + 8}\n")
    with pytest.raises(
        KyoriError, match=rf"incidents.csv:3: an incident from '{START + 9}' to .*earlier one"
    ):
        history(file, str(spans))
    spans.write_text("from,to\n1,2\n")
    with pytest.raises(KyoriError, match=r"incidents.csv:1: neither a column of the input nor"):
        history(file, str(spans))
    untimed = tmp_path / "untimed.csv"
    untimed.write_text("a,b\n" + "1,2\n" * N)
    with pytest.raises(KyoriError, match=r"incidents need the time of each record"):
        history(untimed, str(spans))


@pytest.mark.parametrize(
    ("normal", "anomaly", "labels", "said"),
    [
        ("0", "1", "nope", r"no column 'nope' for the labels, and no file of that name; it has: time"),
        ("0.25", "1", "fault", r"record 1: column 'fault' holds '0.25', a measurement and not a label"),
        ("1", "1", "fault", r"column 'fault' calls every record an anomaly; normal is what holds nothing"),
        ("ok", "bad", "fault", r"calls every record an anomaly"),
    ],
)
def test_what_is_no_label_is_told(tmp_path: Path, normal: str, anomaly: str, labels: str, said: str) -> None:
    with pytest.raises(KyoriError, match=said):
        history(csv(tmp_path / "a.csv", normal, anomaly), labels)


def test_an_input_without_records_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a,b,fault\n")
    with pytest.raises(KyoriError, match=r"a.csv: there is no record in it that can be read"):
        history(tmp_path / "a.csv")


def test_a_key_that_the_history_lacks_is_told(tmp_path: Path) -> None:
    """As when a configuration makes it of a topic, and the history is a file."""
    config = write_config(tmp_path / "c.yaml", "a, b", key='"{site}"')
    file = csv(tmp_path / "a.csv", "0", "1")
    with pytest.raises(
        KyoriError, match=r"no record in it that can be read; the first: .*a.csv:2: the key needs site"
    ):
        history(file, config=config)  # type: ignore[arg-type]
