"""`kyori report`: honest figures, pictures that load nothing, and text that cannot break out."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from detector.cli.data import points
from detector.errors import KyoriError, MetricError
from detector.metric.archive import to_bytes
from detector.metric.compare import folds
from detector.metric.learned import Metric
from detector.metric.learners import learn
from detector.study.report import svg
from detector.study.report.records import MOST_CLASSES, Records, sample
from detector.study.report.rings import ring
from detector.study.report.spaces import as_given, held_out, learner
from detector.study.text import share
from tests.study.help import run, run_json

FEATURES = ("f1", "f2", "f3", "f4", "f5")
SVG = "{http://www.w3.org/2000/svg}"


def written(path: Path, names: list[str], X: np.ndarray, labels: list[str]) -> Path:
    lines = [names, *([*map(str, x), label] for x, label in zip(X.tolist(), labels, strict=True))]
    quoted = [",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines]
    path.write_text("\n".join(quoted) + "\n")
    return path


def small(n: int = 30, d: int = 3) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(1)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d))
    X[:, 0] += 4.0 * y
    return X.round(4), ["normal" if one == 0 else "leak" for one in y]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], str]:
    """Figures and page of the tutorial's data."""
    folder = tmp_path_factory.mktemp("report")
    run("data", "tutorial", "--output", folder / "tutorial.csv")
    page = folder / "page.html"
    found = run_json(
        "report", folder / "tutorial.csv", "--labels", "label", "--algorithm", "kissme", "--output", page
    )
    return found, page.read_text()


def pictures(page: str) -> list[ET.Element]:
    return [ET.fromstring(text) for text in re.findall(r"<svg.*?</svg>", page, re.DOTALL)]  # noqa: S314


def texts(element: ET.Element) -> list[str]:
    return [one.text or "" for one in element.iter(f"{SVG}text")]


# Figures


def test_the_figures_are_the_tutorials(made: tuple[dict[str, Any], str]) -> None:
    spaces = {one["name"]: one for one in made[0]["spaces"]}
    assert list(spaces) == ["raw", "standardised", "whitened", "kissme"]
    assert spaces["raw"]["accuracy"] < 0.7
    assert min(spaces[name]["accuracy"] for name in ("standardised", "whitened", "kissme")) > 0.9
    assert spaces["raw"]["silhouette"] < 0.05 < spaces["standardised"]["silhouette"]
    assert all(one["trustworthiness"] > 0.9 for one in spaces.values() if one["name"] != "whitened")
    assert made[0]["promoted"] is False


def test_the_comparison_has_the_same_figures(made: tuple[dict[str, Any], str]) -> None:
    spaces = {one["name"]: one["accuracy"] for one in made[0]["spaces"]}
    comparison = made[0]["comparison"]
    figures = {one["name"]: one["figure"] for one in comparison["candidates"] + comparison["baselines"]}
    assert figures["kissme"] == pytest.approx(spaces["kissme"])
    assert figures["standardize"] == pytest.approx(spaces["standardised"])
    assert figures["covariance"] == pytest.approx(spaces["whitened"])


def test_a_metric_of_random_labels_is_no_better_than_chance() -> None:
    """It is learned without the fold that judges it; the control saw all, and looks good."""
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(90, 60)), rng.permutation(np.arange(90) % 3)
    names = [f"x{j}" for j in range(60)]
    fold, honest = folds(y, rng), learner("lfda", names, 0)
    flattered = honest(X, y)
    assert held_out(honest, X, y, fold).accuracy < 0.5
    assert held_out(lambda X, y: flattered, X, y, fold).accuracy > 0.65


def test_a_given_metric_of_these_records_is_learned_again_without_those_that_judge_it() -> None:
    X, y = points(0)
    known = learn("kissme", X, y, FEATURES, seed=3)
    fit, foreign = as_given(known, X, y)
    assert not foreign
    assert fit(X, y).id == known.id
    assert fit(X[:80], y[:80]).id != known.id
    other, foreign = as_given(known, X[:80], y[:80])
    assert foreign
    assert other(X[:80], y[:80]) is known


def test_a_given_metric_is_looked_at(tmp_path: Path) -> None:
    X, labels = small()
    path = written(tmp_path / "a.csv", ["x", "y", "z", "fault"], X, labels)
    metric = Metric(np.array([[0.0, 1.0, 0.0]]), np.zeros(3), np.ones(3), ("x", "y", "z"), "kissme")
    (tmp_path / "m.npz").write_bytes(to_bytes(metric))
    found = run_json(
        "report", path, "--labels", "fault", "--metric", tmp_path / "m.npz", "--output", tmp_path / "a.html"
    )
    assert found["metric"]["id"] == metric.id
    assert found["metric"]["learned_elsewhere"] is True
    assert found["metric"]["rank"] == 1
    assert found["spaces"][-1]["accuracy"] < 0.8 < found["spaces"][0]["accuracy"]
    assert "its figures are too good" in (tmp_path / "a.html").read_text()


def test_rings_go_through_the_farthest_member() -> None:
    rng = np.random.default_rng(2)
    P, own = rng.normal(size=(60, 2)) @ np.array([[2.0, 1.5], [0.0, 0.4]]), np.arange(60) < 40
    one = ring(P, own)
    assert one.ellipse is not None
    distance = np.linalg.norm(P - one.center, axis=1) / one.radius
    whitened = np.linalg.norm(np.linalg.solve(one.ellipse, (P - one.center).T), axis=0)
    for depth, inside in ((distance, one.in_circle), (whitened, one.in_ellipse)):
        assert depth[own].max() == pytest.approx(1.0)
        assert inside == int((depth[~own] <= 1.0).sum())
    assert abs(np.linalg.det(one.ellipse)) < one.radius**2


def test_a_flat_class_has_no_ellipse() -> None:
    P = np.column_stack([np.arange(6.0), np.arange(6.0)])
    assert ring(P, np.arange(6) < 4).ellipse is None


def test_a_sample_keeps_the_shares_and_the_rare() -> None:
    y = np.repeat([0, 1, 2], [8000, 1996, 4])
    records = Records(np.arange(10_000.0)[:, None], y, ("a", "b", "c"), ("x",))
    drawn = sample(records, 0)
    assert np.bincount(drawn.y).tolist() == [1200, 299, 3]
    assert drawn.X.tolist() == sample(records, 0).X.tolist()
    assert drawn.X.tolist() != sample(records, 1).X.tolist()
    assert "of 10000 records" in drawn.notes[-1]
    assert sample(drawn, 0, 2000) is drawn


# The page


def test_the_page_holds_every_figure(made: tuple[dict[str, Any], str]) -> None:
    found, page = made
    shown = [text for picture in pictures(page) for text in texts(picture)]
    for one in found["spaces"]:
        for name in ("accuracy", "silhouette", "trustworthiness"):
            if one["trustworthiness"] is not None:
                assert share(one[name]) in shown
            assert one["name"] in page
    for one in found["pair"]["classes"]:
        assert f"{one['in_circle']} of {one['others']} others in" in shown
        assert f"{one['in_ellipse']} of {one['others']} others in" in shown
    assert found["metric"]["id"] in page
    assert "mean nothing" in page


def test_every_record_is_marked_in_every_picture(made: tuple[dict[str, Any], str]) -> None:
    marks = [
        sum(len(group) for group in picture.iter(f"{SVG}g") if group.get("class"))
        for picture in pictures(made[1])
    ]
    assert marks == [3 + 3 * 100, 3 * 100, 0]  # the legend has a mark of each class


def test_the_page_loads_nothing(made: tuple[dict[str, Any], str]) -> None:
    page = made[1]
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|\ssrc=|href=", page)
    assert set(re.findall(r"https?://[^\"'<> ]+", page)) == {"http://www.w3.org/2000/svg"}
    assert "default-src 'none'" in page
    assert "prefers-color-scheme:dark" in page
    assert "@media print" in page


class Elements(HTMLParser):
    """What a browser would make of a page: elements, and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes |= {name for name, _ in attrs}


HOSTILE = ["</title><script>alert(1)</script>", "a\"onload='x'&amp;", "]]><img/src=x onerror=y>"]
LABELS = ["</text></svg><img src=x onerror=alert(2)>", "\x0b\u202e<b>bold</b>&"]


@pytest.mark.parametrize("ending", ["html", "svg"])
def test_names_from_the_input_stay_text(tmp_path: Path, ending: str) -> None:
    X, labels = small()
    path = written(
        tmp_path / "a.csv", [*HOSTILE, "<i>"], X, [LABELS[label == "leak"] for label in labels]
    )  # fmt: skip
    plain = written(tmp_path / "b.csv", ["x", "y", "z", "k"], X, labels)
    outputs = [tmp_path / f"{name}.{ending}" for name in "ab"]
    for source, column, output in zip((path, plain), ("<i>", "k"), outputs, strict=True):
        run("report", source, "--labels", column, "--algorithm", "kissme", "--output", output)
    hostile, harmless = (Elements(output.read_text()) for output in outputs)
    assert hostile.names == harmless.names
    assert hostile.attributes == harmless.attributes
    text = outputs[0].read_text()
    assert "&lt;/title&gt;&lt;script&gt;" in text
    assert "\u202e" not in text
    assert "\x0b" not in text
    shown = [word for picture in pictures(text) for word in texts(picture)]  # each is sound XML, too
    assert any(word.startswith("</text></sv") for word in shown)
    # The control: unescaped, it would have been found.
    assert Elements(f"<title>{HOSTILE[0]}").names == {"title", "script"}


def test_the_same_seed_gives_the_same_page(tmp_path: Path) -> None:
    X, labels = small()
    path = written(tmp_path / "a.csv", ["x", "y", "z", "k"], X, labels)
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(
            "report", path, "--labels", "k", "--algorithm", "kissme", "--seed", seed,
            "--output", tmp_path / f"{name}.svg",
        )  # fmt: skip
    first, second, other = ((tmp_path / f"{name}.svg").read_text() for name in "abc")
    assert first == second
    assert first != other


def test_classes_differ_in_colour_or_shape() -> None:
    at = np.zeros((1, 2))
    assert len({svg.marks(label, at) for label in range(MOST_CLASSES)}) == MOST_CLASSES


def test_the_default_is_a_page_beside_you(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    X, labels = small(d=1)
    X[3, 0] = np.nan
    written(tmp_path / "one.csv", ["x", "fault"], X, labels)
    monkeypatch.chdir(tmp_path)
    said = run("report", "one.csv", "--labels", "fault", "--algorithm", "kissme")
    assert said.endswith("one.report.html\n")
    assert "1 records were left out: they lack a value" in said
    page = Path("one.report.html").read_text()
    assert len(pictures(page)) == 2  # one feature makes no pair
    assert "average precision" in said  # there is a normal class and one other


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--labels", "nothing"], "no column 'nothing'"),
        (["--labels", "x"], "measurements"),
        (["--labels", "k", "--output", "a.pdf"], "ends in .html or .svg"),
        (["--labels", "k", "--pair", "y"], "two different ones of the features"),
        (["--labels", "k", "--pair", "y,nothing"], "two different ones of the features"),
        (["--labels", "k", "--features", "x,nothing"], "no column 'nothing'"),
        (["--labels", "k", "--metric", "none.npz"], "none.npz"),
        (["--labels", "k", "--output", "no/such/a.svg", "--algorithm", "kissme"], "cannot be written"),
    ],
)
def test_what_is_wrong_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    X, labels = small()
    written(tmp_path / "a.csv", ["x", "y", "z", "k"], X, labels)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KyoriError, match=message):
        run("report", "a.csv", *arguments)


def test_an_unknown_algorithm_and_records_that_do_not_differ_are_said(tmp_path: Path) -> None:
    X, labels = small()
    path = written(tmp_path / "a.csv", ["x", "y", "z", "k"], X, labels)
    with pytest.raises(MetricError, match="there is no learner 'magic'"):
        run("report", path, "--labels", "k", "--algorithm", "magic", "--output", tmp_path / "a.svg")
    same = written(tmp_path / "b.csv", ["x", "y", "z", "k"], X, ["normal"] * len(labels))
    with pytest.raises(KyoriError, match="2 classes"):
        run("report", same, "--labels", "k", "--output", tmp_path / "a.svg")
    still = written(tmp_path / "c.csv", ["x", "y", "z", "k"], 0.0 * X, labels)
    with pytest.raises(KyoriError, match="all records are the same in x, y, z"):
        run("report", still, "--labels", "k", "--output", tmp_path / "a.svg")
    assert not (tmp_path / "a.svg").exists()
