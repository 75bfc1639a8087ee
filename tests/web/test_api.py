"""What the API answers of a daemon that runs."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest

from detector.contracts import Alert
from detector.web.openapi import document
from tests.brokers import wait_until
from tests.daemon.running import lines
from tests.web.answering import FAULT, FEATURES, PUMPS, START, answering, done, faulty, fed, got, texts
from tests.web.serving import Serving

N, AT = 1800, 1500
X = faulty(N, AT)
PUMP = PUMPS[1]
KEY = quote(PUMP, safe="")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    with answering(tmp_path_factory.mktemp("api")) as serving:
        fed(serving, texts(X))
        yield serving


def alert_id(one: Serving) -> str:
    return str(got(one, f"/v1/alerts?key={KEY}")["alerts"][0]["id"])


def test_the_overview_counts_what_has_passed(one: Serving) -> None:
    told = got(one, "/v1/overview")
    (pipeline,) = told["pipelines"]
    assert (pipeline["name"], pipeline["records"], pipeline["keys"]) == ("pumps", N, len(PUMPS))
    assert pipeline["features"] == list(FEATURES) and pipeline["ready"] and told["learning"]
    assert pipeline["sources"] == [{"name": "log", "type": "tail", "connected": True}]
    made = len(lines(one.folder / "out.jsonl"))
    assert made > 0
    assert {output["name"]: output["delivered"] for output in pipeline["outputs"]} == {
        "out": made,
        "(history)": made,
    }
    assert pipeline["alerts"] == sum(
        json.loads(line)["status"] == "open" for line in lines(one.folder / "out.jsonl")
    )


def test_streams_are_ranked_sought_and_cut(one: Serving) -> None:
    told = got(one, "/v1/streams")
    levels = [stream["level"] for stream in told["streams"]]
    assert told["total"] == len(PUMPS) and levels == sorted(levels, reverse=True)
    assert [stream["key"] for stream in got(one, "/v1/streams?sort=key")["streams"]] == sorted(PUMPS)
    assert got(one, "/v1/streams?q=T/3")["streams"][0]["key"] == PUMPS[2]
    part = got(one, "/v1/streams?sort=key&limit=1&offset=1")
    assert (part["total"], part["streams"][0]["key"]) == (len(PUMPS), PUMPS[1])
    assert part["streams"][0]["time"] == START + N - 2


def test_a_window_has_the_records_and_what_was_expected_of_them(one: Serving) -> None:
    told = got(one, f"/v1/streams/window?key={KEY}&records=50")
    mine = X[np.arange(1, N, 3)][-50:]
    assert np.array_equal(np.array(told["values"]).T, mine)
    assert told["time"] == [START + i for i in range(1, N, 3)][-50:]
    assert [feature["name"] for feature in told["features"]] == list(FEATURES)
    expected, sd = np.array(told["expected"]).T, np.array(told["sd"]).T
    # b is a's own, and hardly its mean: the band follows it, and is narrower than b.
    assert np.corrcoef(expected[:, 1], mine[:, 1])[0, 1] > 0.5
    assert sd[0, 1] < 0.6 * mine[:, 1].std()
    assert sum(told["shares"]) == pytest.approx(1.0)
    assert told["seen"] == N / 3


def test_the_ellipse_knows_what_the_circle_does_not(one: Serving) -> None:
    told = got(one, f"/v1/streams/ellipse?key={KEY}&x=a&y=b&records=600")
    assert len(told["points"]) == N / 3 and told["ellipse"][0] == pytest.approx(told["ellipse"][-1])
    points, mean = np.array(told["points"], float), np.array(told["mean"])
    odd = points[AT // 3 : AT // 3 + 12, :2]  # the fault
    assert told["outside_ellipse"] >= len(odd)
    reach = np.abs(np.array(told["circle"]) - mean).max(axis=0)
    assert np.mean(np.sum(((odd - mean) / reach) ** 2, axis=1) < 1.0) >= 0.75
    inside = np.sum(((points[:, :2] - mean) / reach) ** 2, axis=1) <= 1.0
    assert told["outside_circle"] == np.sum(~inside)
    assert got(one, f"/v1/streams/ellipse?key={KEY}&x=a&y=z", 404)["error"].endswith("there are: a, b, c")
    assert "same feature" in got(one, f"/v1/streams/ellipse?key={KEY}&x=a&y=a", 422)["error"]


def test_a_plane_by_pca_and_none_by_lfda_without_labels(one: Serving) -> None:
    told = got(one, f"/v1/streams/embedding?key={KEY}&records=100")
    assert len(told["points"]) == 100 and len(told["axes"]) == 2 and "%" in told["note"]
    assert "label" in got(one, f"/v1/streams/embedding?key={KEY}&method=lfda", 409)["error"]


def test_alerts_are_told_as_the_outputs_have_them(one: Serving) -> None:
    told = got(one, "/v1/alerts?limit=500")["alerts"]
    written = [json.loads(line) for line in lines(one.folder / "out.jsonl")]
    newest = {alert["id"]: alert for alert in written}
    assert {alert["id"] for alert in told} == set(newest)
    for alert in told:
        assert {name: alert[name] for name in newest[alert["id"]]} == newest[alert["id"]]
        assert (alert["label"], alert["class"], alert["acked"], alert["quiet"]) == ("", "", None, "")
    assert got(one, "/v1/alerts?status=closed")["alerts"] == told
    assert got(one, "/v1/alerts?status=open")["alerts"] == []
    assert got(one, "/v1/alerts?kind=stale")["alerts"] == []
    assert [alert["key"] for alert in got(one, f"/v1/alerts?key={KEY}")["alerts"]] == [PUMP]


def test_alerts_are_told_in_pages(one: Serving) -> None:
    every = [alert["id"] for alert in got(one, "/v1/alerts?limit=500")["alerts"]]
    found, before = [], ""
    while True:
        page = got(one, f"/v1/alerts?limit=1{before}")
        found += [alert["id"] for alert in page["alerts"]]
        if page["next"] is None:
            break
        before = f"&before={page['next']}"
    assert found == every


def test_an_alert_has_its_window_and_what_was_expected_then(one: Serving) -> None:
    told = got(one, f"/v1/alerts/{alert_id(one)}")
    assert told["history"][0]["status"] == "open"
    window, first = told["window"], json.loads(next(
        line for line in lines(one.folder / "out.jsonl") if json.loads(line)["key"] == PUMP
    ))  # fmt: skip
    at = window["time"].index(first["opened"])
    assert 100 <= at < len(window["time"]) - 20
    for reason in first["reasons"]:
        j = FEATURES.index(reason["name"])
        # Today's kernel adds its floor elsewhere, and the model had learned that record's predecessor.
        assert window["expected"][j][at] == pytest.approx(reason["expected"], abs=0.5 * reason["sd"])
        assert window["sd"][j][at] == pytest.approx(reason["sd"], rel=0.2)


def test_what_is_not_there_is_told_so(one: Serving) -> None:
    assert "/v1/alerts" in got(one, "/v1/alerts/ffffffffffffffff", 404)["error"]
    assert "/v1/streams" in got(one, "/v1/streams/window?key=nobody", 404)["error"]
    assert "there is: pumps" in got(one, "/v1/streams/window?pipeline=pump", 404)["error"]
    assert got(one, "/v1/streams?limit=0", 422)["error"].startswith("limit: ")
    assert got(one, "/v1/streams?limt=5", 422)["error"].startswith("limt: ")
    assert "once" in got(one, "/v1/streams?q=a&q=b", 422)["error"]
    answer = one.post("/v1/learn", b"{")
    assert answer.status == 400 and "no JSON" in answer.json["error"]
    assert "learning" in done(one, "/v1/learn", {"learning": "off"}, 422)["error"]
    assert "detector.metric" in done(one, "/v1/models/promote", {"id": "kissme"}, 409)["error"]
    assert "detector.classes" in done(one, "/v1/nearest", {"records": [{"a": 1}]}, 409)["error"]


def test_a_score_is_what_the_record_will_get_and_changes_nothing(one: Serving) -> None:
    worker = one.inside.daemon.workers["pumps"]
    done(one, "/v1/labels", {"alert": alert_id(one), "label": "real", "class": "leak", "by": "page"})
    pipeline = worker.pipeline
    wait_until(lambda: pipeline.book.labels)

    def state() -> tuple[bytes, ...]:
        book = pipeline.book
        averages = [book._deciders[key].by.average.tobytes() for key in sorted(book._deciders)]
        return pipeline.pool.rows.tobytes(), *averages, json.dumps(sorted(map(str, book._changed))).encode()

    before = worker.questions.ask(state, 5.0)
    next_ = [dict(json.loads(text)) for text in texts(np.array([X[1], X[1] + FAULT, X[1]]), N)]
    for record in next_:
        record["pump"] = PUMP
    said = done(one, "/v1/score", {"records": next_})["results"]
    assert done(one, "/v1/score", {"records": next_})["results"] == said
    assert worker.questions.ask(state, 5.0) == before
    fed(one, [json.dumps(record) for record in next_])
    seen = got(one, f"/v1/streams/window?key={KEY}&records=3")
    assert said[1]["level"] == pytest.approx(seen["level"][1], rel=0.05)  # it has learned the first
    assert said[0]["level"] == seen["level"][0]
    assert not said[0]["anomaly"] and said[1]["reasons"] and said[1]["top"][0] in ("a", "b")


def test_what_cannot_be_scored_says_why(one: Serving) -> None:
    records = [
        {"pump": PUMP, "a": 20, "b": 20, "c": 20},
        {"a": 1},
        {"pump": "new", "a": 1, "b": 1, "c": 1},
        {"pump": PUMP},
    ]
    good, keyless, unknown, empty = done(one, "/v1/score", {"records": records})["results"]
    assert good["error"] == "" and good["level"] is not None
    assert keyless["error"].startswith("no_key") and "no model" in unknown["error"] and empty["error"]
    assert "new" not in one.inside.daemon.workers["pumps"].pipeline.pool
    (mine,) = done(one, "/v1/score", {"records": [{"a": 20, "b": 20, "c": 20}], "key": PUMP})["results"]
    assert mine["key"] == PUMP and mine["level"] is not None


def test_a_known_fault_is_near_its_alert(one: Serving) -> None:
    id_ = alert_id(one)
    done(one, "/v1/labels", {"alert": id_, "label": "real", "class": "leak"})
    page = got(one, f"/v1/alerts/{id_}")
    assert (page["alert"]["label"], page["alert"]["class"]) == ("real", "leak")
    assert page["labels"][-1]["by"] == "api" and page["labels"] == got(one, "/v1/labels")["labels"]
    (near,) = page["nearest"]
    assert near["class"] == "leak" and near["distance"] <= near["threshold"]


def test_secrets_are_not_in_the_configuration_told(one: Serving) -> None:
    told = got(one, "/v1/config")
    assert told["config"]["pipelines"]["pumps"]["key"] == "{pump}" and told["file"].endswith("config.yaml")


def test_the_description_is_served(one: Serving) -> None:
    assert got(one, "/v1/openapi.json") == json.loads(json.dumps(document()))


def test_the_history_is_beside_the_state_and_has_each_notice_once(one: Serving) -> None:
    rows = (
        sqlite3.connect(one.folder / "state" / "web" / "history.db")
        .execute("SELECT alert FROM alerts")
        .fetchall()
    )
    assert sorted(Alert.from_json(row[0]).to_json() for row in rows) == sorted(
        lines(one.folder / "out.jsonl")
    )
