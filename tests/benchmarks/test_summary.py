"""Choices are made on half A, and kept figures are not made twice."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.accuracy import report
from benchmarks.accuracy.data import Series, in_halves, make
from benchmarks.accuracy.figures import Cache, Figures, measure
from benchmarks.accuracy.output import Output
from benchmarks.accuracy.summary import Group


def files(group: str = "asd") -> list[Series]:
    return in_halves(make(group, name, np.arange(40.0)[:, None], np.arange(40) % 2, 10) for name in "abcd")


def ranked(by_span: dict[int, float]) -> Figures:
    return Figures(1.0, {span: (auc, 0.1) for span, auc in by_span.items()})


def test_half_a_chooses_and_half_b_is_reported():
    on_a, on_b = ranked({1: 0.6, 10: 0.7, 30: 0.5}), ranked({1: 0.9, 10: 0.8, 30: 0.95})
    group = Group(files(), {0: {"a": on_a, "b": on_b, "c": on_a, "d": on_b}})
    assert group.chosen() == (0, 10)
    assert group.ranked("B", group.chosen()).auc == pytest.approx(0.8)
    assert group.ranked("all").auc == pytest.approx(0.75)


def test_a_delay_is_chosen_only_where_it_helps():
    plain, late = ranked(dict.fromkeys((1, 10, 30), 0.6)), ranked(dict.fromkeys((1, 10, 30), 0.6))
    assert Group(files(), {0: dict.fromkeys("abcd", plain), 32: dict.fromkeys("abcd", late)}).chosen() == (
        0,
        1,
    )
    better = ranked({1: 0.6, 10: 0.61, 30: 0.6})
    assert Group(files(), {0: dict.fromkeys("abcd", plain), 32: dict.fromkeys("abcd", better)}).chosen() == (
        32,
        10,
    )


def test_files_of_one_label_do_not_count():
    nothing = Figures(1.0, dict.fromkeys((1, 10, 30), (float("nan"), float("nan"))))
    group = Group(files(), {0: {"a": ranked({1: 0.6}), "c": nothing, "b": nothing, "d": nothing}})
    assert group.ranked("A").auc == pytest.approx(0.6)
    assert np.isnan(group.ranked("B").auc)


def test_nab_takes_the_threshold_of_half_a_to_half_b():
    def one(name: str, *peaks: tuple[int, float]) -> tuple[Series, Figures]:
        from dataclasses import replace  # noqa: PLC0415

        series = replace(make("nab", name, np.zeros((40, 1)), np.zeros(40), 6), windows=((20, 24),))
        return series, Figures(1.0, peaks={span: list(peaks) for span in (1, 10, 30)})

    both = [one("a", (20, 5.0), (10, 4.0)), one("b", (20, 3.0), (10, 2.0))]
    figures = {series.name: kept for series, kept in both}
    result = Group(in_halves(series for series, _ in both), {0: figures}).nab()
    assert (result.a, result.b, result.b_own) == pytest.approx((100.0, 0.0, 100.0))
    # All at 3.0: both windows found, one false alarm.
    assert result.all == pytest.approx(100 * (2 - 0.11 + 2) / 4)


def test_measure_leaves_the_first_rows_out():
    series = files()[0]
    score = np.where(series.y, 1.0, 0.0)
    score[: series.warm] = 1.0 - score[: series.warm]
    figures = measure(series, Output(score, 2.0, anomaly=series.y, opened=np.array([3, 12])))
    assert figures.ranked[1] == (1.0, 1.0)
    assert figures.verdict == (15, 0, 0, 15)
    assert (figures.in_alert, figures.opened, figures.seconds) == (None, [3, 12], 2.0)


def test_kept_figures_are_made_again_only_for_another_version_or_other_data(tmp_path: Path):
    made = []

    def make_output() -> Output:
        made.append(1)
        return Output(np.arange(40.0), 1.0)

    path = tmp_path / "figures.json"
    one, other = files()[0], make("asd", "a", np.ones((40, 1)), np.arange(40) % 2, 10)
    first = Cache(path).get("x", "x 1", one, make_output)
    cache = Cache(path)
    assert cache.get("x", "x 1", one, make_output) == first
    assert cache.get("x", "", one, None) == first
    assert (len(made), cache.versions) == (1, {"x 1"})
    assert cache.get("x", "", other, None) is None
    cache.get("x", "x 2", one, make_output)
    cache.get("x", "x 2", other, make_output)
    assert len(made) == 3


def test_the_report_says_where_ours_is_behind():
    def detector(auc: float) -> dict[str, Group]:
        return {"asd": Group(files(), {0: dict.fromkeys("abcd", ranked(dict.fromkeys((1, 10, 30), auc)))})}

    results = {"ours": detector(0.7), "better": detector(0.75), "worse": detector(0.6)}
    assert report.behind(results, "ours") == ["- asd, ROC AUC: better by 0.050."]
    assert report.behind({"ours": detector(0.8), "worse": detector(0.6)}, "ours") == ["- Nowhere, on half B."]
    assert "| better | .750/.100 |" in report.ranking(results, ["B"])
