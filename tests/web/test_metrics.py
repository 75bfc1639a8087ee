"""What Prometheus is told is what the daemon counts; dashboard and rules ask for nothing else."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from detector.web.metrics import FIGURES
from tests.brokers import wait_until
from tests.daemon.process import payloads, records
from tests.daemon.running import lines
from tests.web.serving import Serving, serving

ROOT = Path(__file__).parents[2]
RULES = ROOT / "examples" / "prometheus"
DASHBOARD = ROOT / "examples" / "grafana" / "kyori.json"
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool: apt-get install prometheus")
N = 400

Scraped = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A daemon that has read good records, records that are none, a refused value, and faults."""
    folder = tmp_path_factory.mktemp("metrics")
    told = payloads(records(N))
    told[3] = json.dumps(json.loads(told[3]) | {"a": "text"})
    told[10:10] = ["{", "[]", "{}"]
    (folder / "log.jsonl").write_text("\n".join(told) + "\n")
    with serving(folder) as serves:
        serves.inside.wait_records(N)
        wait_until(lambda: len(lines(folder / "out.jsonl")) == sum(serves.inside.progress().notices.values()))
        yield serves


def scrape(one: Serving, path: str = "/metrics") -> Scraped:
    """Read it as Prometheus does: one value for each name and labels, all of one family together."""
    answer = one.ask(path)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    found: Scraped = {}
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert len({family.name for family in families}) == len(families)
    for family in families:
        assert family.documentation
        assert family.type != "unknown"
        for sample in family.samples:
            place = sample.name, frozenset(sample.labels.items())
            assert place not in found
            assert math.isfinite(sample.value)
            found[place] = sample.value
    return found


def value(scraped: Scraped, name: str, **labels: str) -> float:
    return scraped[f"kyori_{name}", frozenset(labels.items())]


def total(scraped: Scraped, name: str) -> float:
    return sum(number for (found, _), number in scraped.items() if found == f"kyori_{name}")


def test_the_figures_are_those_of_the_daemon(one: Serving) -> None:
    said, worker = scrape(one), one.inside.daemon.workers["p"]
    progress, counts = worker.progress, worker.counts
    p = {"pipeline": "p"}
    assert value(said, "records_received_total", **p, source="s") == counts.received == N + 3
    assert value(said, "records_scored_total", **p) == counts.scored == progress.records == N
    assert total(said, "records_dropped_total") == counts.rejected == progress.refused == 3
    assert value(said, "records_dropped_total", **p, reason="bad_json") == 1
    assert value(said, "values_refused_total", **p, reason="not_a_number") == 1
    assert value(said, "records_redelivered_total", **p) == counts.redelivered == 0
    assert total(said, "records_received_total") == sum(
        total(said, f"records_{what}_total") for what in ("scored", "dropped", "redelivered")
    )
    assert value(said, "anomalies_total", **p) == progress.anomalies > 0
    told = [json.loads(line) for line in lines(one.folder / "out.jsonl")]
    opened = sum(notice["status"] == "open" for notice in told)
    assert value(said, "alerts_total", **p, kind="distance", status="open") == opened == progress.alerts > 0
    assert total(said, "alerts_total") == len(told)
    assert value(said, "alerts_sent_total", **p, output="out", result="delivered") == len(told)
    assert total(said, "alerts_open") == progress.open_alerts
    assert value(said, "queue_length", **p, output="out") == 0
    assert value(said, "keys_active", **p) == value(said, "keys_known", **p) == 1
    assert value(said, "source_connected", **p, source="s") == 1
    assert value(said, "learning", **p) == value(said, "pipeline_ready", **p) == 1
    assert value(said, "state_snapshot_timestamp_seconds", **p) == progress.stored
    newest = 1.6e9 + N - 1
    assert value(said, "source_lag_seconds", **p, source="s") == pytest.approx(
        progress.heard["s"].arrival - newest, rel=1e-12
    )
    assert value(said, "score_duration_seconds_count", **p) == progress.batches > 0
    assert value(said, "score_duration_seconds_sum", **p) == progress.busy_s > 0


def test_the_levels_are_those_of_the_records(one: Serving) -> None:
    said = scrape(one)
    buckets = {
        float(dict(labels)["le"]): number
        for (name, labels), number in said.items()
        if name == "kyori_level_bucket"
    }
    upto = [buckets[bound] for bound in sorted(buckets)]
    assert upto == sorted(upto)
    count = value(said, "level_count", pipeline="p")
    assert buckets[math.inf] == count
    assert 0 < count <= N  # a verdict that is silent has no level
    assert count - buckets[1.0] == one.inside.progress().anomalies
    assert value(said, "level_sum", pipeline="p") > 2 * one.inside.progress().anomalies


def test_reloads_are_counted(tmp_path: Path) -> None:
    with serving(tmp_path) as one:
        daemon, config = one.inside.daemon, tmp_path / "config.yaml"
        before = scrape(one)
        daemon.reload()
        one.inside.wait_for("reloaded")
        config.write_text(config.read_text().replace('"out.jsonl"', "3"))
        daemon.reload()
        one.inside.wait_for("reload_refused")
        wait_until(lambda: value(scrape(one), "config_reloads_total", status="failure") == 1)
        said = scrape(one)
        assert value(said, "config_reloads_total", status="success") == 1
        at = "config_last_reload_success_timestamp_seconds"
        assert value(said, at) > value(before, at) > 1.6e9


def test_metrics_can_be_left_out(tmp_path: Path) -> None:
    with serving(tmp_path, metrics=False) as one:
        assert one.ask("/metrics").status == 404
        assert one.inside.progress().spread is None


def test_a_disk_that_hangs_holds_up_one_who_asks_and_not_all(one: Serving, monkeypatch: Any) -> None:
    from detector.web import metrics  # noqa: PLC0415

    monkeypatch.setattr(metrics, "_WAIT_S", 0.05)
    store = one.inside.daemon.workers["p"].parts.store
    tallies, asked = store.tallies, threading.Event()
    monkeypatch.setattr(store, "tallies", lambda: (asked.set(), tallies())[1])
    with store._lock:
        first = one.raw(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert asked.wait(60)
        assert one.ask("/metrics").status == 503
        assert one.ask("/readyz").status == 200
    assert b"200 OK" in first.recv(1000)
    first.close()


def test_the_documentation_names_every_figure(one: Serving) -> None:
    page = (ROOT / "docs" / "server.md").read_text()
    table = set(re.findall(r"^\| `(kyori_\w+)", page, re.MULTILINE))
    served = {
        re.sub(r"_(bucket|count|sum)$", "", name) for name, _ in scrape(one) if name.startswith("kyori_")
    }
    assert table >= served
    known = {f"kyori_{figure.name}" for figure in FIGURES}
    assert {name.removesuffix("_total") for name in table} >= known
    assert len(table) <= len(known) + 6


def asked_for(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:kyori|process)_\w+", expression))


def known_names(one: Serving) -> set[str]:
    """Return what a scrape can bring: what it has, and figures that have no value yet."""
    return {name for name, _ in scrape(one)} | {
        f"kyori_{figure.name}" + ("_total" if "Counter" in figure.kind.__name__ else "") for figure in FIGURES
    }


def test_the_dashboard_asks_for_figures_that_there_are(one: Serving) -> None:
    board = json.loads(DASHBOARD.read_text())
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(expressions) >= len(panels) > 8
    for expression in expressions:
        assert asked_for(expression) and asked_for(expression) <= known_names(one), expression
    labels = {label for expression in expressions for label in re.findall(r"(\w+)=~?\"", expression)}
    there = {label for _, labels in scrape(one) for label, _ in labels}
    assert labels <= there | {"instance", "job"}
    queried = [item["query"]["query"] for item in board["templating"]["list"] if item["type"] == "query"]
    assert queried and all(asked_for(query) <= known_names(one) for query in queried)
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
    assert len({*places}) == len(places) and len({panel["id"] for panel in board["panels"]}) == len(places)


def test_the_rules_ask_for_figures_that_there_are(one: Serving) -> None:
    rules = YAML(typ="safe").load(RULES / "kyori.rules.yml")
    found = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len(found) > 5
    for rule in found:
        assert asked_for(rule["expr"]) <= known_names(one), rule["expr"]
        assert rule["annotations"]["summary"] and rule["annotations"]["description"]


@needs_promtool
@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "rules", "kyori.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "kyori.test.yml"),
    ],
    ids=["rules", "config", "test"],
)
def test_promtool_finds_nothing_wrong(arguments: tuple[str, ...]) -> None:
    done = subprocess.run([str(PROMTOOL), *arguments], cwd=RULES, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_finds_nothing_wrong_with_a_scrape(one: Serving) -> None:
    """Its linter, on what Prometheus gets."""
    scraped = one.ask("/metrics").body
    done = subprocess.run(
        [str(PROMTOOL), "check", "metrics"], input=scraped, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode() + done.stderr.decode()
