"""A history that is learned before the first live record: what of it stays, and what must not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from detector.errors import KyoriError
from detector.history import History
from detector.pipeline import Pipeline
from detector.result import Result
from detector.settings import Pipeline as Settings
from tests.streams import batch, pipeline

NAMES = ("flow", "pressure")
YEAR = 365 * 86400.0
NOW = 1.75e9
KEYS = ("p1", "p2")


def values(n: int, seed: int = 0, far: slice | None = None) -> np.ndarray:
    X = np.random.default_rng(seed).normal(size=(n, 2)) @ np.array([[1.0, 0.7], [0.0, 0.5]]) + 20.0
    if far is not None:
        X[far, 1] += 30.0
    return X


def old(n: int = 600, far: slice | None = None, ends: float = NOW - YEAR) -> Any:
    """Records of two keys, one a second, the last one a year ago."""
    return batch(values(n, 0, far), ends - n + 1 + np.arange(n), [KEYS[i % 2] for i in range(n)], NAMES)


def live(n: int = 200, key: str = "p1", arrival: float = NOW, far: slice | None = None) -> Any:
    return batch(values(n, 1, far), NOW + np.arange(n) - n + 1, [key] * n, NAMES, arrival=arrival)


def made(**settings: Any) -> Pipeline:
    return pipeline(
        NAMES, settings.pop("alert", None), "time", **({"mode": "plain", "warmup": 100} | settings)
    )


def began(history: Any = None, *, begin: bool = True, **settings: Any) -> Pipeline:
    """A pipeline that has learned a history and goes live; without `begin` nobody told it."""
    fresh = made(**settings)
    fresh.process(old() if history is None else history)
    if begin:
        fresh.begin_live()
    return fresh


def test_the_first_live_record_has_a_verdict_and_a_new_key_starts_cold() -> None:
    assert np.isnan(made().process(live()).scores.level[:100]).all()
    ready = began()
    assert np.isfinite(ready.process(live(1)).scores.level).all()
    level = ready.process(live(150, "p3")).scores.level
    assert np.isnan(level[:100]).all()
    assert np.isfinite(level[100:]).all()


def test_its_records_count_for_the_warmup() -> None:
    level = began(warmup={"records": 400}).process(live(150)).scores.level  # it holds 300 of each key
    assert np.isnan(level[:100]).all()
    assert np.isfinite(level[100:]).all()


def test_an_episode_at_its_end_leaves_nothing_open() -> None:
    ends_badly = old(far=slice(580, 600))
    ready = began(ends_badly)
    assert not ready.open_alerts
    assert json.loads(ready.state()[1]) == []
    assert not ready.process(live(60)).alerts
    # Nor is an anomaly the third of five because the history ended with two.
    one = slice(0, 1)
    assert not began(old(far=slice(596, 600))).process(live(60, far=one)).alerts
    # The negative control: one that does not know that it is live closes what nobody opened.
    assert [one.status for one in began(ends_badly, begin=False).process(live(60)).alerts] == ["closed"]


def test_its_keys_are_not_silent_because_it_is_old() -> None:
    ready, control = began(stale_after="1h"), began(begin=False, stale_after="1h")
    assert not ready.process(live(5)).alerts
    assert not ready.idle(NOW + 10.0, NOW - 2 * YEAR)
    assert control.idle(NOW + 10.0, NOW - 2 * YEAR)
    # From its first live record on, a key is watched.
    (alert,) = ready.idle(NOW + 3700.0, NOW)
    assert (alert.kind, alert.key) == ("stale", "p1")


def test_a_run_of_one_value_at_its_end_does_not_count() -> None:
    history = old()
    history.columns["flow"][-100:] = 7.0
    stuck = live(20)
    stuck.columns["flow"][:] = 7.0

    def told(pipeline: Pipeline) -> list[int]:
        return [alert.record for alert in pipeline.process(stuck).alerts if alert.kind == "stuck"]

    assert not told(began(history, stuck_after=30))
    assert told(began(history, stuck_after=10)) == [310]
    assert not told(began(history, begin=False, stuck_after=10))  # it was told then, to nobody


def scored(pipeline: Pipeline, arrival: float = NOW) -> Result:
    return pipeline.process(live(200, arrival=arrival))


@pytest.mark.parametrize("mode", ["plain", "series", "iid", "auto"])
@pytest.mark.parametrize(
    "ends", [NOW - YEAR, NOW - 200.0, NOW + YEAR], ids=["old", "recent", "in the future"]
)
def test_the_time_between_does_not_count(mode: str, ends: float) -> None:
    """Neither is what was learned forgotten, nor is a budget of alerts a day spent, by the gap."""
    settings: dict[str, Any] = {"mode": mode, "memory": "1h", "threshold": {"value": "20 per day"}}

    def after(gap: float, *, begin: bool = True) -> Result:
        return scored(began(old(ends=gap), begin=begin, **settings))

    next_to, there = after(NOW - 199.5), after(ends)
    np.testing.assert_array_equal(there.scores.score, next_to.scores.score)
    np.testing.assert_array_equal(there.scores.threshold, next_to.scores.threshold)
    np.testing.assert_array_equal(there.clock, NOW + np.arange(-199.0, 1.0))
    if ends == NOW - YEAR:  # the negative control
        control = after(ends, begin=False)
        assert not np.array_equal(control.scores.score[20:], there.scores.score[20:])
        assert control.scores.threshold[-1] < there.scores.threshold[-1]


def test_nor_for_a_single_column() -> None:
    def after(gap: float, *, begin: bool = True) -> Result:
        one = pipeline(["flow"], None, "time", memory="1h", parts={"season": False})
        one.process(old(ends=gap))
        if begin:
            one.begin_live()
        return scored(one)

    next_to, there = after(NOW - 199.5), after(NOW - YEAR)
    np.testing.assert_array_equal(there.scores.score, next_to.scores.score)
    assert not np.array_equal(after(NOW - YEAR, begin=False).scores.score, there.scores.score)


def test_records_without_times() -> None:
    """The history is then timed by its records, the live ones by their arrival; the two do not meet."""
    ready = pipeline(NAMES, mode="plain")
    ready.process(batch(values(400), names=NAMES))
    ready.begin_live()
    result = ready.process(batch(values(5, 1), names=NAMES, arrival=NOW))
    assert (result.clock == NOW).all()
    assert np.isfinite(result.scores.level).all()


def test_a_difference_does_not_reach_back_into_it() -> None:
    features = ["flow", {"name": "pressure", "difference": True, "smooth": 5}]

    def anomalies(*, begin: bool) -> int:
        one = pipeline(features, None, "time", mode="plain")
        one.process(batch(np.cumsum(values(600), axis=0) * [0, 1] + values(600) * [1, 0], names=NAMES))
        if begin:
            one.begin_live()
        rest = np.cumsum(values(50, 1), axis=0) * [0, 1] + values(50, 1) * [1, 0] + [0, 1e6]
        return int(one.process(batch(rest, names=NAMES)).scores.anomaly.sum())

    assert anomalies(begin=False) >= 5
    assert anomalies(begin=True) == 0


def test_going_live_survives_a_restart() -> None:
    """What is saved between the history and the first live record goes on as if nothing had happened."""
    first, again = began(stale_after="1h", stuck_after=30), made(stale_after="1h", stuck_after=30)
    rows, open_alerts, *_ = first.state()
    assert set(rows) == set(KEYS)
    again.restore({key: row.copy() for key, row in rows.items()}, open_alerts)
    here, there = (one.process(live(far=slice(100, 150))) for one in (first, again))
    assert here.scores.score.tobytes() == there.scores.score.tobytes()
    assert [one.to_json() for one in here.alerts] == [one.to_json() for one in there.alerts] != []


def test_where_it_is_does_not_name_another_model() -> None:
    there = made(warmup={"from": "/elsewhere/old.csv"})
    assert there.model_id == made(warmup="auto").model_id != made().model_id


# --- the file ---


def settings(**more: Any) -> Settings:
    record = {"features": list(NAMES), "time": "ts"}
    return Settings.model_validate({"key": "{pump}", "record": record, "detector": {"mode": "plain"}} | more)


def refuse(what: str, remedy: str) -> KyoriError:
    return KyoriError(f"{what}; {remedy}")


def rows(n: int = 300) -> list[dict[str, Any]]:
    return [
        {"ts": NOW - YEAR + i, "pump": KEYS[i % 2], "flow": flow, "pressure": pressure}
        for i, (flow, pressure) in enumerate(values(n).tolist())
    ]


def csv_text(records: list[dict[str, Any]]) -> str:
    return "\n".join([",".join(records[0]), *(",".join(map(str, one.values())) for one in records)]) + "\n"


def written(path: Path) -> Path:
    """The same records in the form of the file's name."""
    text = csv_text(rows())
    if path.suffix == ".jsonl":
        text = "".join(json.dumps(one) + "\n" for one in rows())
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["old.csv", "old.csv.gz", "old.jsonl"])
def test_every_form_of_file(tmp_path: Path, name: str) -> None:
    one, expected = Pipeline("p", settings()), Pipeline("p", settings())
    with capture_logs() as said:
        history = History(written(tmp_path / name), settings(), refuse)
        history.check()
        assert history.learn(one)
    (line,) = said
    assert (line["event"], line["records"], line["keys"]) == ("history_learned", 300, 2)
    assert line["file"] == str(tmp_path / name)
    X = values(300)
    expected.process(batch(X, NOW - YEAR + np.arange(300), [KEYS[i % 2] for i in range(300)], NAMES))
    expected.begin_live()
    assert one.pool.rows.tobytes() == expected.pool.rows.tobytes()


def test_an_npz_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "old.npz", X=values(300))
    plain = Settings.model_validate({"record": {"features": ["x0", "x1"]}})
    one = Pipeline("p", plain)
    assert History(tmp_path / "old.npz", plain, refuse).learn(one)
    assert list(one.pool.keys()) == [""]


def test_what_cannot_be_used_of_it_is_told_once(tmp_path: Path) -> None:
    records = rows()
    for i in range(0, 300, 30):
        records[i]["pump"] = ""
    for i in range(1, 300, 50):
        records[i]["flow"] = "off"
    (tmp_path / "old.csv").write_text(csv_text(records))
    with capture_logs() as said:
        assert History(tmp_path / "old.csv", settings(), refuse).learn(Pipeline("p", settings()))
    refused, learned = said
    assert refused["event"] == "history_refused"
    assert refused["log_level"] == "warning"
    assert refused["reasons"]["no_key"] == 10
    assert sum(n for reason, n in refused["reasons"].items() if reason.endswith(" in flow")) == 6
    assert refused["where"].endswith("old.csv:2")
    assert learned["records"] == 290


def test_what_keeps_it_from_being_used(tmp_path: Path) -> None:
    files = {
        "empty.csv": ("", "there is no record in it; give a file with records"),
        "header.csv": ("ts,pump,flow,pressure\n", "none of its records can be used; mend it"),
        "other.csv": (
            "ts,pump,flw,pressure\n1,a,2,3\n",
            "it has no column flow; it has: ts, pump, flw, pressure; call its columns",
        ),
        "nokey.csv": ("ts,flow,pressure\n1,2,3\n", "it has no column pump; it has: ts, flow, pressure"),
        "text.csv": ("ts,pump,flow,pressure\n1,a,x,y\n2,a,x,y\n", "none of its records can be used"),
        "ragged.csv": (
            "ts,pump,flow,pressure\n1,a\n2,a\n",
            "none of its records can be used; the first: ",
        ),
    }
    for name, (text, expected) in files.items():
        (tmp_path / name).write_text(text)
        history = History(tmp_path / name, settings(), refuse)
        for use in (history.check, lambda history=history: history.learn(Pipeline("p", settings()))):
            with pytest.raises(KyoriError) as caught:
                use()
            assert str(caught.value).startswith(f"{tmp_path / name}: ")
            assert expected in str(caught.value)
    for path, expected in (
        (tmp_path / "none.csv", "there is no such file"),
        (tmp_path, "not a regular file"),
    ):
        with pytest.raises(KyoriError, match=expected):
            History(path, settings(), refuse).check()
    (tmp_path / "when.csv").write_text(csv_text([one | {"ts": "yesterday"} for one in rows()]))
    with pytest.raises(KyoriError, match=r"no time in its column ts can be read; see record\.time\.format"):
        History(tmp_path / "when.csv", settings(), refuse).learn(Pipeline("p", settings()))


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"detector": {"memory": "7d"}}, "memory as a duration needs it"),
        ({"detector": {"threshold": {"value": "1 per day"}}}, "a threshold of alerts per time needs it"),
        (
            {"record": {"features": ["flow"], "context": {"hour_of_day": 2}}},
            "hour_of_day or day_of_week needs it",
        ),
    ],
)
def test_without_times_nothing_may_go_by_them(more: dict[str, Any], expected: str) -> None:
    without = {"record": {"features": ["flow"]}} | more
    Settings.model_validate(without)
    without["detector"] = without.get("detector", {}) | {"warmup": {"from": "old.csv"}}
    with pytest.raises(ValueError, match=expected):
        Settings.model_validate(without)
