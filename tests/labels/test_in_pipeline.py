"""What operators say of alerts changes the verdict at once, and lasts."""

from __future__ import annotations

import numpy as np
import pytest

from detector.contracts import Alert
from detector.errors import KyoriError
from detector.labels.book import MOST_ALERTS, MOST_VECTORS, Book
from detector.pipeline import Pipeline
from tests.checks import invariance
from tests.models import correlated
from tests.streams import FEATURES, batch, messy, part, pipeline

D = len(FEATURES)
WASH, LEAK = np.array([0.0, 9.0, 0.0, 0.0]), np.array([-9.0, 0.0, 0.0, 6.0])
"""What the two do to a record, in standard deviations."""
MODES = ["auto", "series", "iid", "plain"]


def stream(n: int = 6000, seed: int = 0) -> tuple[np.ndarray, list[int], list[int]]:
    """Records, a wash every 500 from 1000 on and a leak 250 behind each: starts of both."""
    rng = np.random.default_rng(seed)
    X = correlated(rng, n, D)
    washes, leaks = list(range(1000, n - 300, 500)), list(range(1250, n - 300, 500))
    for starts, what in ((washes, WASH), (leaks, LEAK)):
        for start in starts:
            X[start : start + 12] += what * X[:900].std(0)
    return 20.0 + X, washes, leaks


def opened(alerts: list[Alert], starts: list[int]) -> list[Alert]:
    """The alerts that opened within the dozen records behind one of these starts."""
    return [a for a in alerts if a.status == "open" and any(s < a.record <= s + 14 for s in starts)]


def run(one: Pipeline, X: np.ndarray, start: int, stop: int) -> list[Alert]:
    return one.process(batch(X[start:stop])).alerts


@pytest.mark.parametrize("mode", MODES)
def test_a_false_alarm_does_not_come_back(mode: str) -> None:
    X, washes, leaks = stream()
    one, unlabelled = pipeline(mode=mode), pipeline(mode=mode)
    (alarm,) = opened(run(one, X, 0, 1100), washes)
    run(unlabelled, X, 0, 1100)
    assert one.knows(alarm.id)
    assert one.label(alarm.id, "false") is not None
    alerts, others = run(one, X, 1100, len(X)), run(unlabelled, X, 1100, len(X))
    later = [start for start in washes if start > 1100]
    assert len(opened(others, later)) >= 0.8 * len(later)  # else it would not show anything
    assert len(opened(alerts, later)) == 0
    assert len(opened(alerts, leaks)) >= len(opened(others, leaks)) - 1  # what is real is still told


def test_calm_records_and_those_of_other_keys_are_scored_as_before() -> None:
    X, washes, _ = stream()
    key = np.where(np.arange(len(X)) % 2 == 0, "a", "b").astype(object)
    labelled, other = pipeline(time=None), pipeline(time=None)
    whole = batch(np.repeat(X[:2400], 2, axis=0), key=np.tile(np.array(["a", "b"], object), 2400))
    head = [one.process(part(whole, slice(0, 2200))) for one in (labelled, other)]
    alarm = next(alert for alert in head[0].alerts if alert.key == "a" and alert.status == "open")
    labelled.label(alarm.id, "false")
    a, b = (one.process(part(whole, slice(2200, 4800))) for one in (labelled, other))
    of_b = whole.key[2200:4800] == "b"
    assert a.scores.score[of_b].tobytes() == b.scores.score[of_b].tobytes()
    assert not np.array_equal(a.scores.score[~of_b], b.scores.score[~of_b])
    assert len(key) and washes


def test_a_real_fault_is_known_again_by_its_class() -> None:
    X, _, leaks = stream()
    one = pipeline()
    (alarm,) = opened(run(one, X, 0, 1400), leaks)
    assert alarm.known == ""
    one.label(alarm.id, "real", "leak")
    again = opened(run(one, X, 1400, len(X)), leaks)
    assert len(again) >= 8
    assert {alert.known for alert in again} == {"leak"}
    assert "like the known fault leak" in again[0].message


def test_a_known_fault_raises_the_score_of_the_same_and_not_of_others() -> None:
    X, _, leaks = stream()
    labelled, other = pipeline(mode="plain"), pipeline(mode="plain")
    (alarm,) = opened(run(labelled, X, 0, 1400), leaks)
    run(other, X, 0, 1400)
    labelled.label(alarm.id, "real", "leak")
    a, b = (one.process(batch(X[1400:1800])).scores.score for one in (labelled, other))
    wash, leak = slice(100, 112), slice(350, 362)
    assert np.median(a[leak] / b[leak]) > 1.2
    assert np.median(a[wash] / b[wash]) < 1.1


def test_what_is_normal_now_is_learned_and_a_false_alarm_is_not() -> None:
    """Both are silent; only what is normal widens the model."""
    X, washes, _ = stream(20_000)
    spread = {}
    for label in ("false", "normal"):
        one = pipeline(mode="plain", memory=2000)
        (alarm,) = opened(run(one, X, 0, 1100), washes)
        one.label(alarm.id, label)
        alerts = run(one, X, 1100, len(X))
        assert len(opened(alerts, washes)) <= 1
        spread[label] = one.model.moments(one.pool.rows[0]).covariance[1, 1]
    assert spread["normal"] > 1.5 * spread["false"]


def test_the_newest_label_of_an_alert_counts() -> None:
    X, washes, _ = stream()
    one = pipeline()
    (alarm,) = opened(run(one, X, 0, 1100), washes)
    one.label(alarm.id, "false")
    one.label(alarm.id, "real")
    assert [label.label for label in one.book.labels.values()] == ["real"]
    assert len(opened(run(one, X, 1100, len(X)), washes)) >= 8


def test_nobody_knows_the_alert() -> None:
    X, _, _ = stream(2000)
    one = pipeline()
    run(one, X, 0, 1100)
    before = one.state()
    assert one.label("no such alert", "false") is None
    assert one.state().entries == {}
    assert before.entries


def test_a_record_can_be_labelled_by_its_values() -> None:
    X, washes, _ = stream()
    one = pipeline()
    run(one, X, 0, 990)
    values = dict(zip(FEATURES, X[1002:1010].mean(0).tolist(), strict=True))
    assert one.label("by hand", "false", values=values) is not None
    assert one.label("of no key", "false", values=values, key="nobody") is None
    assert opened(run(one, X, 990, 1400), washes) == []
    with pytest.raises(KyoriError, match="records have flow, pressure"):
        one.label("wrong", "false", values={"flow": 1.0})


@pytest.mark.parametrize("mode", MODES)
def test_a_feature_that_never_comes_does_no_harm(mode: str) -> None:
    X, _, leaks = stream(3000)
    X[:, 3] = np.nan
    one = pipeline(mode=mode)
    alarms = opened(run(one, X, 0, 1400), leaks)
    assert one.label(alarms[0].id, "real", "leak") is not None
    X[2000:, 3] = 5.0  # and then it does
    scores = one.process(batch(X[1400:])).scores
    assert np.isfinite(scores.score).all()
    assert np.isfinite(scores.level).all()


def test_a_restart_with_labels_changes_nothing() -> None:
    whole = messy(1)

    def make() -> Pipeline:
        return pipeline(time="time", alert={"open_after": 1, "close_after": 3}, warmup=40)

    first = make()
    invariance.outcome(first, [part(whole, slice(0, 300))])
    alerts = list(first.book.alerts)
    assert len(alerts) >= 2
    again = make()
    saved = invariance.outcome(make(), [part(whole, slice(0, 300))])
    invariance.restore(again, saved)
    for one in (first, again):
        for place, alert in enumerate(alerts):
            one.label(alert, ["false", "real", "normal"][place % 3], "wear")
    labelled = invariance.outcome(again, [part(whole, slice(300, 400))])
    invariance.outcome(first, [part(whole, slice(300, 400))])
    third = make()
    saved.state |= labelled.state
    saved.entries |= labelled.entries
    saved.open_alerts = labelled.open_alerts
    invariance.restore(third, saved)
    rest = [part(whole, slice(400, None))]
    here, there = invariance.outcome(first, rest), invariance.outcome(third, rest)
    assert here.numbers == there.numbers
    assert here.alerts == there.alerts
    assert here.entries == there.entries


def test_labels_that_are_not_restored_are_missed() -> None:
    """The control of the test above: the labels do change these scores."""
    whole = messy(1)
    scores = []
    for labelled in (True, False):
        one = pipeline(time="time", alert={"open_after": 1, "close_after": 3}, warmup=40)
        one.process(part(whole, slice(0, 300)))
        for alert in list(one.book.alerts) if labelled else ():
            one.label(alert, "false")
        scores.append(one.process(part(whole, slice(300, None))).scores.score)
    assert not np.array_equal(*scores)


def an_alert(number: int) -> Alert:
    return Alert(
        str(number), "open", "distance", "p", "", 0.0, 0.0, 1, 1, 2.0, 1.0, 2.0, None, "warning", "", (), ""
    )


def test_the_memory_is_bounded() -> None:
    book = Book()
    for number in range(MOST_ALERTS + 50):
        book.note(an_alert(number), np.full(2, float(number)))
    assert len(book.alerts) == MOST_ALERTS
    entries = book.entries()
    assert sum(data is None for data in entries.values()) == 50
    last = str(MOST_ALERTS + 49)
    for further in range(500):
        book.add(last, np.full(2, float(further)), 1.0 + further)
    kept = book.alerts[last]
    assert MOST_VECTORS // 2 <= len(kept.X) <= MOST_VECTORS
    assert kept.level == 500.0
    gaps = np.diff(kept.X[1:, 0])
    assert len(set(gaps.tolist())) == 1  # evenly over the episode
