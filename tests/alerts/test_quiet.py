"""Alerts that nobody is told of, and those that have to be told after all."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.alerts.hush import MOST, Ack, Hush, Silence
from detector.alerts.notices import Subject, subject
from detector.alerts.quiet import WORSE, Quiet, Records
from detector.contracts import Alert, Batch
from detector.errors import KyoriError
from detector.pipeline import Pipeline
from detector.settings import QuietWindow
from tests.checks import invariance
from tests.store.samples import make_alert
from tests.streams import FEATURES, batch, part, pipeline

HOUR = 1.7e9 - 1.7e9 % 3600
WASH = {"cron": "0 * * * *", "for": "20m", "why": "wash", "keys": "A/*"}


def stream(*faults: tuple[int, int], minutes: int = 120, key: str = "A/1") -> Batch:
    """A record each 10 s from the full hour on, with faults between these minutes; quiet is 0-20, 60-80."""
    n = minutes * 6
    X = np.random.default_rng(1).normal(size=(n + 1000, 4))
    for begin, end in faults:
        X[1000 + begin * 6 : 1000 + end * 6] += 12
    time = HOUR + (np.arange(n + 1000) - 1000) * 10.0
    return batch(X, time=time, key=np.full(len(X), key, object))


def made(alert: Any = None, **rest: Any) -> Pipeline:
    return pipeline(alert={"quiet": [WASH], "repeat_every": "5m"} | (alert or {}), mode="iid", **rest)


def told(alerts: list[Alert], since: float = HOUR) -> list[tuple[str, str, int]]:
    """Status, why it is quiet, and the minute, of each."""
    return [(one.status, one.quiet, int((one.time - since) // 60)) for one in alerts if one.time >= since]


def run(one: Pipeline, records: Batch) -> list[tuple[str, str, int]]:
    return told(one.process(records).alerts)


def test_what_opens_and_closes_in_a_window_is_made_and_not_told() -> None:
    notices = run(made(), stream((5, 12)))
    assert notices == [("open", "wash", 5), ("update", "wash", 10), ("closed", "wash", 13)]


def test_what_outlasts_the_window_is_told_then_as_its_opening_once() -> None:
    one = made()
    alerts = one.process(stream((16, 32))).alerts
    assert told(alerts) == [
        ("open", "wash", 16), ("open", "", 20), ("update", "", 21), ("update", "", 26),
        ("update", "", 31), ("closed", "", 33),
    ]  # fmt: skip
    quiet, opening = alerts[-6:-4]
    assert (opening.id, opening.opened, opening.time) == (quiet.id, quiet.time, HOUR + 20 * 60)
    assert opening.records == opening.record - quiet.record + 1 == 25


def test_what_was_told_before_is_closed_aloud_and_not_repeated_in_the_window() -> None:
    assert run(made(), stream((55, 68)))[-4:] == [
        ("open", "", 55), ("update", "wash", 60), ("update", "wash", 65), ("closed", "", 69),
    ]  # fmt: skip


def test_a_repetition_just_when_the_window_is_over_is_the_opening() -> None:
    notices = run(made({"quiet": [WASH | {"for": "21m"}]}), stream((16, 24)))
    assert notices == [("open", "wash", 16), ("open", "", 21), ("closed", "", 25)]


def test_the_opening_tells_of_the_worst_so_far_however_the_batches_are_cut() -> None:
    records = stream((16, 19))
    columns = {name: values.copy() for name, values in records.columns.items()}
    for name in FEATURES:
        columns[name][1000 + 19 * 6 : 1000 + 22 * 6] += 30.0
        columns[name][1000 + 22 * 6 : 1000 + 24 * 6] += 300.0
    records = replace(records, columns=columns)
    invariance.check_batches_do_not_matter(made, records, (7, 1000 + 21 * 6))
    levels = [alert.level for alert in made().process(records).alerts if alert.time >= HOUR]
    assert levels[1] > 1.5 * levels[0], "worse than it opened"
    assert levels[-1] > 1.2 * levels[1], "and not as bad as it got"


def test_other_keys_are_told() -> None:
    assert {quiet for _, quiet, _ in run(made(), stream((5, 12), key="B/1"))} == {""}


def test_batches_and_restarts_change_nothing() -> None:
    both = stream((5, 12), (16, 32), (55, 70), (75, 90))
    key = both.key.copy()
    key[::3] = "B/1"
    records = replace(both, key=key)
    invariance.check_batches_do_not_matter(made, records, (13, 200))
    invariance.check_restart_does_not_matter(made, records, range(1020, 1600, 90))


def test_nothing_is_learned_in_a_window_that_says_so() -> None:
    def row(learn: bool, key: str = "A/1") -> np.ndarray:
        one = made({"quiet": [WASH | {"learn": learn}]})
        one.process(part(stream(key=key), slice(0, 280)))
        before = one.normal(key).mean.copy()
        one.process(part(stream(key=key), slice(280, 400)))  # the window of two hours before
        return np.asarray(one.normal(key).mean - before)

    assert not row(False).any()
    assert row(True).any()
    assert row(False, "B/1").any(), "of another key it is"


def test_a_silence_is_a_window_without_end_until_its_time() -> None:
    one = made({"quiet": []})
    records = stream((5, 12), (16, 32))
    one.process(part(records, slice(0, 1000)))
    one.silence("s1", "A/*", HOUR + 18 * 60, "new pump", "ann")
    notices = run(one, part(records, slice(1000, None)))
    assert notices[:5] == [
        ("open", "new pump", 5), ("update", "new pump", 10), ("closed", "new pump", 13),
        ("open", "new pump", 16), ("open", "", 18),
    ]  # fmt: skip
    assert one.silences() == [Silence("s1", "A/*", HOUR + 18 * 60, "new pump", "ann")]


def test_when_a_silence_is_ended_what_it_held_back_is_told_with_the_next_record() -> None:
    one, records = made({"quiet": []}), stream((5, 12))
    one.silence("s1", "*", 2e9, "new pump")
    assert run(one, part(records, slice(0, 1000 + 8 * 6))) == [("open", "new pump", 5)]
    assert one.unsilence("s1")
    assert not one.unsilence("s1")
    assert run(one, part(records, slice(1000 + 8 * 6, None)))[0] == ("open", "", 8)


def test_an_acknowledged_alert_is_not_repeated_and_its_end_is_told() -> None:
    one, records = made({"quiet": []}), stream((5, 25))
    (alert,) = [a for a in one.process(part(records, slice(0, 1000 + 6 * 6))).alerts if a.time > HOUR]
    assert one.ack("no such", "ann", 1.7e9) is None
    assert one.ack(alert.id, "ann", 1.7e9, "on order") == Ack("ann", 1.7e9, "on order", alert.severity)
    restored = made({"quiet": []})
    invariance.restore(restored, invariance.outcome(one, [part(records, slice(1036, 1040))]))
    assert restored.acks() == one.acks()
    notices = run(restored, part(records, slice(1040, None)))
    assert notices == [
        ("update", "acknowledged by ann", 10), ("update", "acknowledged by ann", 15),
        ("update", "acknowledged by ann", 20), ("update", "acknowledged by ann", 25), ("closed", "", 26),
    ]  # fmt: skip


def test_an_acknowledged_warning_that_gets_critical_is_told() -> None:
    one, records = made({"quiet": [], "severity": {"critical": 5.0}}), stream()
    for name in FEATURES:
        records.columns[name][1030:1060] += 4.0
        records.columns[name][1060:1100] += 40.0
    (alert,) = [a for a in one.process(part(records, slice(0, 1031))).alerts if a.time >= HOUR]
    assert alert.severity == "warning"
    one.ack(alert.id, "ann", 1.7e9)
    later = [a for a in one.process(part(records, slice(1031, None))).alerts if a.status == "update"]
    assert later[0].severity == "critical"
    assert not later[0].quiet


def test_a_key_that_falls_silent_in_a_window_is_told_of_when_it_is_over() -> None:
    one = made(stale_after="5m")
    records = replace(stream(minutes=10), arrival=HOUR + 600.0)
    one.process(records)
    now = HOUR + 600.0
    notices = list[Alert]()
    for _ in range(200):
        now += 10.0
        notices += one.idle(now, 0.0)
    assert [(a.kind, a.status, a.quiet) for a in notices] == [
        ("stale", "open", "wash"),
        ("stale", "open", ""),
    ]
    assert notices[1].time == HOUR + 20 * 60, "when the window was over, not when somebody looked"


def test_an_episode_of_a_key_that_has_fallen_silent_is_told_of_when_its_window_is_over() -> None:
    """Its clock is taken to go on: here it is an hour behind the time of arrival."""
    one = made()
    one.process(replace(stream((5, 30), minutes=10), arrival=HOUR + 4200.0))
    again = made()
    invariance.restore(again, invariance.outcome(one, []))
    for pipeline_ in (one, again):
        assert pipeline_.idle(HOUR + 4200.0 + 609.0, 0.0) == []
        (opening,) = pipeline_.idle(HOUR + 4200.0 + 611.0, 0.0)
        assert (opening.status, opening.quiet, opening.time) == ("open", "", HOUR + 1200.0)
        assert pipeline_.idle(HOUR + 9000.0, 0.0) == []


def test_where_records_end_what_still_lasts_is_told() -> None:
    one = made()
    late = stream((5, 30), minutes=10)
    one.process(late)
    assert one.end() == [], "as far as is known the window is not over"
    one.process(stream(minutes=40, key="B/1"))
    assert [(a.key, a.status, a.quiet, a.time) for a in one.end()] == [("A/1", "open", "", HOUR + 1200.0)]
    assert one.end() == []


def test_what_a_source_has_lost_is_told_and_what_a_key_lacks_is_not() -> None:
    quiet = Quiet([QuietWindow.model_validate(WASH | {"keys": "*"})], {})
    gap = replace(make_alert(1), kind="gap", status="closed", key="", time=HOUR + 300.0, opened=HOUR + 60.0)
    lost, missing = replace(gap, record=0), replace(gap, record=7)
    before = replace(missing, opened=HOUR - 60.0)
    told_ = quiet.told([(0, lost), (0, missing), (0, before)], *_records([""], [HOUR + 300.0]))
    assert [alert.quiet for _, alert in told_] == ["", "wash", ""]


def test_quiet_alerts_do_not_use_up_the_budget() -> None:
    one = made({"max_per_minute": 1, "repeat_every": "20s"})
    alerts = one.process(stream((5, 12), (30, 31))).alerts
    assert not any(alert.grouped for alert in alerts if alert.quiet)


def test_silences_and_acknowledgements_are_checked_and_bounded() -> None:
    for wrong in ({"keys": ""}, {"why": ""}, {"why": "x" * 300}, {"until": np.nan}, {"by": "x" * 300}):
        with pytest.raises(KyoriError):
            Silence(**({"id": "s", "keys": "*", "until": 1.7e9, "why": "test"} | wrong))
    hush = Hush()
    for i in range(MOST + 10):
        hush.silence(Silence(f"s{i}", "*", 1.7e9 + i, "test"))
        hush.ack(f"a{i}", Ack("ann", 1.7e9 + i))
    assert len(hush.silences) == len(hush.acks) == MOST
    assert "s9" not in hush.silences
    assert "a9" not in hush.acks
    again = Hush()
    saved: dict[str, dict[str, bytes]] = {}
    for (kind, name), data in hush.entries().items():
        if data is not None:
            saved.setdefault(kind, {})[name] = data
    again.restore(saved)
    assert (again.silences, again.acks, hush.entries()) == (hush.silences, hush.acks, {})


# --- whatever happens


def _records(keys: list[str], clock: list[float]) -> tuple[Records, np.ndarray]:
    names = sorted(set(keys))
    slots = np.array([names.index(key) for key in keys], np.int64)
    numbers = np.arange(1.0, len(keys) + 1.0)
    return Records(slots, np.array(clock), np.nan, -np.inf, names.__getitem__), numbers


STEP = st.tuples(st.integers(0, 1), st.sampled_from(["", "toggle", "toggle", "worse", "update"]))


@settings(deadline=None, max_examples=60)
@given(st.lists(STEP, max_size=60), st.lists(st.integers(1, 59), max_size=5), st.integers(1, 30))
def test_told_openings_and_closings_pair_and_cuts_change_nothing(
    steps: list[tuple[int, str]], cuts: list[int], every: int
) -> None:
    """Whatever the windows: what is told is opened once, then closed; nothing that lasts is lost."""
    windows = [
        QuietWindow.model_validate({"cron": f"*/{every} * * * *", "for": "30s", "why": "w", "keys": "k0"}),
        QuietWindow.model_validate({"cron": "5,25 * * * *", "for": "7m", "why": "v"}),
    ]
    whole, left = _episodes(windows, steps, [])
    assert _episodes(windows, steps, cuts) == (whole, left)
    quiet, open_now = Quiet(windows, {}), {alert.id: alert for alert in left.values()}
    for id_ in {alert.id for alert in whole}:
        notices = [alert for alert in whole if alert.id == id_]
        aloud = [alert.status for alert in notices if not alert.quiet]
        assert aloud.count("open") <= 1
        assert aloud[:1] in ([], ["open"])
        assert aloud.count("closed") == (bool(aloud) and id_ not in open_now)
        if id_ in open_now:
            assert bool(open_now[id_].quiet) == (not aloud)
        for alert in notices:  # what is told is told at a time that is not quiet, but for closings
            if not alert.quiet and alert.status != "closed":
                assert not quiet.at(alert.key, alert.time)[0]
        if not aloud:  # no record after its opening and before its end was at a time that is not quiet
            end = next((a.time for a in notices if a.status == "closed"), np.inf)
            assert all(
                quiet.at(f"k{key}", HOUR + i * 45.0)[0]
                for i, (key, _) in enumerate(steps)
                if f"k{key}" == notices[0].key and notices[0].opened <= HOUR + i * 45.0 < end
            )


def _episodes(
    windows: list[QuietWindow], steps: list[tuple[int, str]], cuts: list[int]
) -> tuple[list[Alert], dict[Subject, Alert]]:
    """Return what is told of episodes that go as `steps` say, a record each 45 s; and what is open then."""
    open_alerts: dict[Subject, Alert] = {}
    quiet, out = Quiet(windows, open_alerts), list[Alert]()
    edges = [0, *sorted({cut for cut in cuts if cut < len(steps)}), len(steps)]
    for begin, end in pairwise(edges):
        made_ = list[tuple[int, Alert]]()
        for i in range(begin, end):
            key, what = steps[i]
            base = replace(make_alert(i), key=f"k{key}", time=HOUR + i * 45.0, record=i + 1, records=1)
            base = replace(base, opened=base.time, id=f"e{i}", kind="distance", status="open")
            about, before = subject(base), open_alerts.get(subject(base))
            if what == "toggle" and before is None:
                open_alerts[about] = base
                made_.append((i - begin, base))
            elif what and before is not None:
                status = {"toggle": "closed", "worse": WORSE, "update": "update"}[what]
                level = before.level + (what == "worse")
                now = replace(before, status=status, time=base.time, record=base.record, level=level)
                made_.append((i - begin, now))
                if what == "toggle":
                    del open_alerts[about]
                elif what == "worse":
                    open_alerts[about] = replace(before, level=level, quiet="")
        keys = [f"k{key}" for key, _ in steps[begin:end]]
        records, numbers = _records(keys, [HOUR + i * 45.0 for i in range(begin, end)])
        out += [alert for _, alert in quiet.told(made_, records, numbers + begin)]
    return out, open_alerts
