"""What is changed by the API counts at once, and after the next start."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote

import numpy as np

from detector.contracts import Batch
from detector.labels import stored as stored_classes
from detector.labels.classes import Classes
from detector.labels.heldout import held_out
from detector.metric import archive
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.training import Models, files
from detector.web.asked import Which
from detector.web.recent import Recent
from detector.web.streams import Streams
from tests.brokers import wait_until
from tests.daemon.running import Inside, lines
from tests.models import metric_of
from tests.web.answering import (
    FAULT,
    FEATURES,
    PUMPS,
    START,
    answering,
    append,
    config,
    done,
    faulty,
    fed,
    got,
    normal,
    texts,
)

N, AT = 1500, 1200
KEY = quote(PUMPS[1], safe="")


def odd(time: int) -> str:
    """A record of the second pump with the fault."""
    values = dict(zip(FEATURES, (20.0 + FAULT).tolist(), strict=True))
    return json.dumps({"time": START + time, "pump": PUMPS[1], **values})


def test_a_label_changes_the_verdict_on_the_next_like_record(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(faulty(N, AT)))
        record = json.loads(odd(N))
        before = done(one, "/v1/score", {"records": [record]})["results"][0]
        (alert,) = got(one, f"/v1/alerts?key={KEY}")["alerts"]
        told = done(one, "/v1/labels", {"alert": alert["id"], "label": "false", "class": "", "by": "page"})
        assert (told["by"], told["pipeline"]) == ("page", "pumps")
        one.inside.wait_for("labelled")
        after = done(one, "/v1/score", {"records": [record]})["results"][0]
        assert before["anomaly"] and before["level"] > 1.0
        assert not after["anomaly"] and after["level"] < 1.0
        fed(one, [odd(N)])
        stream = got(one, f"/v1/streams?q={KEY}")["streams"][0]
        assert not stream["anomaly"] and stream["level"] < 1.0
        assert done(one, "/v1/labels", {"alert": "ffff", "label": "real"}, 404)["error"].endswith("newest")
        assert done(one, "/v1/labels", {"alert": alert["id"], "label": "fals"}, 422)
        assert done(one, "/v1/labels", {"alert": alert["id"], "label": "real", "class": "a\nb"}, 422)
        assert len(lines(tmp_path / "state" / "labels.jsonl")) == 1


def test_learning_pauses_and_a_restart_changes_nothing_of_that(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(normal(600)))
        assert done(one, "/v1/learn", {"learning": False, "pipeline": "pumps"})["pipelines"] == ["pumps"]
        assert not got(one, "/v1/overview")["learning"]
    with answering(tmp_path) as one:
        assert not got(one, "/v1/overview")["learning"]
        done(one, "/v1/learn", {"learning": True})
        assert got(one, "/v1/overview")["learning"]
        assert done(one, "/v1/learn", {"learning": True, "pipeline": "other"}, 404)


def test_what_an_alert_was_about_is_there_after_a_restart(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(faulty(N, AT)))
        (alert,) = got(one, f"/v1/alerts?key={KEY}")["alerts"]
        before = got(one, f"/v1/alerts/{alert['id']}")
    with answering(tmp_path) as one:
        wait_until(lambda: one.inside.events("ready"))
        after = got(one, f"/v1/alerts/{alert['id']}")
        assert before == after and len(after["window"]["time"]) > 240
        assert got(one, f"/v1/streams/window?key={KEY}")["time"] == []  # nothing has come since the start


def test_a_metric_is_promoted_and_rolled_back(tmp_path: Path) -> None:
    first, second = metric_of(FEATURES, 1), metric_of(FEATURES, 2, k=2)
    files.write(tmp_path / "first.npz", archive.to_bytes(first))
    with answering(tmp_path, detector={"distance": "learned", "metric": "first.npz"}) as one:
        fed(one, texts(normal(600)))
        Models.of(tmp_path / "state", "pumps").add(second, None, 1.0)
        (told,) = got(one, "/v1/models")["pipelines"]
        assert [version["id"] for version in told["versions"]] == [second.id] and not told["can_rollback"]
        assert done(one, "/v1/models/promote", {"id": second.id[:-2]})["in_force"] == second.id
        wait_until(lambda: got(one, "/v1/overview")["pipelines"][0]["metric"] == second.id)
        (told,) = got(one, "/v1/models")["pipelines"]
        assert told["versions"][0]["in_force"] and told["can_rollback"]
        assert done(one, "/v1/models/rollback", {"pipeline": "pumps"})["in_force"] == ""
        wait_until(lambda: got(one, "/v1/overview")["pipelines"][0]["metric"] == first.id)
        assert "nothing to roll back" in done(one, "/v1/models/rollback", {}, 409)["error"]
        assert "no version" in done(one, "/v1/models/promote", {"id": "nca-0123456789ab"}, 409)["error"]
        shares = got(one, f"/v1/streams/window?key={KEY}&records=5")["shares"]
        assert np.isclose(sum(shares), 1.0)


def test_a_record_is_told_its_nearest_class(tmp_path: Path) -> None:
    idle, run = normal(60), normal(60, seed=1) + np.array([0.0, 0.0, 30.0])
    X, names = np.vstack([idle, run]), ["idle"] * 60 + ["run"] * 60
    classes = Classes.fit(X, names, FEATURES)
    files.write(tmp_path / "classes.npz", stored_classes.to_bytes(classes, held_out(X, names, FEATURES)))
    with answering(tmp_path, detector={"classes": "classes.npz"}) as one:
        asked = [
            dict(zip(FEATURES, x, strict=True))
            for x in (idle[0], run[0], run[0] + np.array([0.0, 0.0, 200.0]))
        ]
        found = done(one, "/v1/nearest", {"records": [*asked, {"a": "x"}], "key": PUMPS[0]})["results"]
        assert [each["class"] for each in found] == ["idle", "run", "run", None]
        assert [each["unknown"] for each in found] == [False, False, True, True]
        truth = classes.nearest(np.array([list(each.values()) for each in asked]))
        for each, distance, level in zip(found, truth.distance, truth.level, strict=False):
            assert each["distances"] == dict(zip(classes.names, distance, strict=True))
            assert each["levels"] == dict(zip(classes.names, level, strict=True))
        assert found[0]["second"] == "run" and found[0]["margin"] > 0.0 and not found[0]["error"]
        assert found[3]["error"] == "no usable number" and set(found[3]["levels"].values()) == {None}


def test_labels_of_two_kinds_make_a_plane_by_lfda(tmp_path: Path) -> None:
    X = faulty(N, AT)
    X[np.arange(1, N, 3)[300:312]] += [0.0, 0.0, 9.0]
    with answering(tmp_path) as one:
        fed(one, texts(X))
        alerts = got(one, f"/v1/alerts?key={KEY}")["alerts"]
        assert len(alerts) >= 2
        for alert, label in zip(alerts, ("real", "false"), strict=False):
            done(
                one,
                "/v1/labels",
                {"alert": alert["id"], "label": label, "class": "leak" if label == "real" else ""},
            )
        book = one.inside.daemon.workers["pumps"].pipeline.book
        wait_until(lambda: len(book.labels) == 2)
        told = got(one, f"/v1/streams/embedding?key={KEY}&method=lfda&records=200")
        assert {point[3] for point in told["points"]} == {"", "leak", "false"}
        kinds = {
            kind: np.array([point[:2] for point in told["points"] if point[3] == kind], float)
            for kind in ("leak", "false")
        }
        apart = np.linalg.norm(kinds["leak"].mean(axis=0) - kinds["false"].mean(axis=0))
        assert apart > 3 * max(kind.std() for kind in kinds.values()) / 2


def test_a_reload_says_what_it_exchanges_and_refuses_a_bad_file(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(normal(300)))
        nothing = done(one, "/v1/reload", {})
        assert nothing == {"started": [], "stopped": [], "kept": ["pumps"], "changes": []}
        config(tmp_path, detector={"threshold": {"value": "5 %"}})
        changed = done(one, "/v1/reload", {})
        assert changed.pop("changes") == ["pipelines.pumps.detector: added"]
        assert changed == {"started": ["pumps"], "stopped": ["pumps"], "kept": []}
        wait_until(lambda: len(one.inside.events("reloaded")) == 2, 30)
        append(tmp_path, texts(normal(30, 1), 300))
        wait_until(lambda: got(one, "/v1/overview")["pipelines"][0]["records"] == 30)
        (tmp_path / "config.yaml").write_text("version: 1\n")
        assert "pipelines" in done(one, "/v1/reload", {}, 409)["error"]


def test_nothing_is_remembered_for_a_server_that_is_not_there(tmp_path: Path) -> None:
    with Inside(config(tmp_path, file={"server": None})) as inside:
        append(tmp_path, texts(faulty(N, AT)))
        inside.wait_records(N, "pumps")
        worker = inside.daemon.workers["pumps"]
        assert worker.observer is None and list(worker.outputs()) == ["out"]
    assert not (tmp_path / "state" / "web").exists()


HOSTILE = (
    '<img src=x onerror="alert(1)">',
    "a\r\ndata: {}\n\nevent: tick",
    "\u202e\u2028 \x00 \x1b[31m",
    "'; DROP TABLE alerts; --",
)


def hostile() -> list[str]:
    """Records of such keys, with a fault of each."""
    X = normal(2000)
    X[1600:1650] += FAULT
    records = enumerate(map(json.loads, texts(X)))
    return [json.dumps(record | {"pump": HOSTILE[i % len(HOSTILE)]}) for i, record in records]


def test_a_key_may_be_as_hostile_as_it_likes(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, hostile())
        answer = one.ask("/v1/streams?limit=100")
        assert answer.body.isascii() and b"\n" not in answer.body
        assert {stream["key"] for stream in answer.json["streams"]} == set(HOSTILE)
        for key in HOSTILE:
            window = got(one, f"/v1/streams/window?key={quote(key, safe='')}&records=3")
            assert window["key"] == key and len(window["time"]) == 3
        alerts = got(one, "/v1/alerts")["alerts"]
        assert {alert["key"] for alert in alerts} == set(HOSTILE)
        assert all(got(one, f"/v1/alerts/{alert['id']}")["window"]["key"] == alert["key"] for alert in alerts)


def test_half_a_surrogate_pair_is_shown_and_found_again() -> None:
    pipeline = Pipeline("p", Settings.model_validate({"key": "{k}", "record": {"features": list(FEATURES)}}))
    recent = Recent(pipeline)
    batch = Batch(
        dict.fromkeys(FEATURES, np.zeros(3)), np.arange(3.0), np.full(3, "pump\udc80", object), arrival=3.0
    )
    recent.note(pipeline.process(batch))
    worker: Any = SimpleNamespace(pipeline=pipeline, observer=recent)
    (stream,) = Streams({"p": worker}).ranked(Which())["streams"]
    assert stream["key"] == "pump\\udc80" and json.dumps(stream).isascii()


def test_a_silence_keeps_alerts_quiet_until_it_is_ended_and_over_a_restart(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(normal(AT)))
        made = done(one, "/v1/silences", {"keys": "plant/*", "for": "2h", "why": "new pumps", "by": "me"})
        (silence,) = made["silences"]
        # The records are of another year: the silence goes by their time.
        assert silence["until"] == START + AT - 1 + 7200 and silence["pipeline"] == "pumps"
    with answering(tmp_path) as one:
        assert got(one, "/v1/silences") == {"windows": [], "silences": [silence]}
        fed(one, texts(faulty(N, AT)[AT:], AT))
        (alert,) = got(one, f"/v1/alerts?key={KEY}")["alerts"]
        assert alert["quiet"] == "new pumps"
        assert one.ask(f"/v1/silences/{silence['id']}", "DELETE", **one.bearer()).json == {"ok": True}
        assert one.ask(f"/v1/silences/{silence['id']}", "DELETE", **one.bearer()).status == 404
        assert got(one, "/v1/silences")["silences"] == []
        assert "for: " in done(one, "/v1/silences", {"keys": "*", "for": "2 hours", "why": "x"}, 422)["error"]
        assert done(one, "/v1/silences", {"keys": "*", "for": "2h"}, 422)


def test_quiet_windows_are_told_with_their_next_start(tmp_path: Path) -> None:
    window = {"cron": "0 2 * * SUN", "for": "2h", "why": "wash", "keys": "plant/1"}
    with answering(tmp_path, alert={"quiet": [window]}) as one:
        fed(one, texts(normal(30)))  # Tuesday, 2023-11-14
        (told,) = got(one, "/v1/silences")["windows"]
        assert (told["pipeline"], told["keys"], told["lasts"], told["active"]) == (
            "pumps",
            "plant/1",
            7200.0,
            False,
        )
        assert told["next"] == 1700359200.0  # Sunday, 2023-11-19 02:00


def test_an_open_alert_is_acknowledged_and_that_is_taken_back(tmp_path: Path) -> None:
    with answering(tmp_path) as one:
        fed(one, texts(faulty(AT + 30, AT)))
        (alert,) = got(one, "/v1/alerts?status=open")["alerts"]
        path = f"/v1/alerts/{alert['id']}"
        assert got(one, f"/v1/streams?q={KEY}")["streams"][0]["since"] == alert["opened"]
        done(one, f"{path}/ack", {"by": "me", "note": "on my way"})
        acked = got(one, path)["alert"]["acked"]
        assert (acked["by"], acked["note"]) == ("me", "on my way")
        assert got(one, "/v1/alerts?status=open")["alerts"][0]["acked"] == acked
    with answering(tmp_path) as one:
        assert got(one, path)["alert"]["acked"] == acked
        done(one, f"{path}/unack", {})
        assert got(one, path)["alert"]["acked"] is None
        assert done(one, f"{path}/unack", {}, 404)
        assert "status=open" in done(one, "/v1/alerts/ffff/ack", {}, 404)["error"]
