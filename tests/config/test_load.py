# ruff: noqa: E501 (a table of messages)
"""Right configs are read, and every wrong one is told by file, line, setting, value and remedy."""

from pathlib import Path

import pytest

from detector.config.load import load as load_file
from detector.config.words import dotted
from detector.errors import ConfigError
from tests.config.fakes import DISTANCES, GOOD, SINKS, SOURCES, errors, load

FILE = '{type: file, paths: ["in/*.csv"]}'
MQTT = "{type: mqtt, url: mqtt://h, topics: {a/b: 0}}"

# What is replaced in the good config, by what, and what the error must say.
WRONG = [
    ("version: 1", "version: 2", "config.yaml:1: version: must be 1, not 2"),
    ("version: 1", 'version: "1"', "version: must be 1, not '1'"),
    ("version: 1\n", "", "version: is missing (add it: version of this format)"),
    ("name: plant-a", "name: plant a", "name: 'plant a' is not a name (a name has letters, digits, _ and - only)"),
    ("name: plant-a", "name: 17", "config.yaml:2: name: must be text, not 17 (put it in quotes: '17')"),
    ("name: plant-a", "nam: plant-a", "nam: there is no such setting (did you mean 'name'?)"),
    ("state_dir: ./state", "state_dir: null", "state_dir: must be text, not null"),
    ("state_dir: ./state", "state_dir: ''", "state_dir: must be text that is not empty, not ''"),
    ("  pumps:", "  pump station:", "pipelines.'pump station': 'pump station' is not a name"),
    ("[history]", "[histery]", "config.yaml:6: pipelines.pumps.sources[0]: there is no source 'histery' (did you mean 'history'?)"),
    ("[history]", "[histery]", "config.yaml:20: sources.history: the source is not used (name it in a pipeline's sources, or remove it)"),
    ("[history]", "[]", "pipelines.pumps.sources: must be at least 1 long, not a list (names from sources: below)"),
    ("[history]", "history", "pipelines.pumps.sources: must be a list, not 'history'"),
    ("[history]", "[history, history]", "pipelines.pumps.sources[1]: the source history is named twice"),
    ("[alerts]", "[alert]", "pipelines.pumps.outputs[0]: there is no output 'alert' (did you mean 'alerts'?)"),
    ("[alerts]", "[alert]", "outputs.alerts: the output is not used"),
    ("    outputs: [alerts]\n", "", "pipelines.pumps.outputs: is missing (add it: names from outputs: below)"),
    ("{site}/{pump}", "{site", "pipelines.pumps.key: '{site' is not a key template"),
    ("{site}/{pump}", "{}", "pipelines.pumps.key: '{}' is not a key template"),
    ("{site}/{pump}", "{a!r}", "is not a key template"),
    ("{site}/{pump}", "{a[0]}", "is not a key template"),
    ("{site}/{pump}", "{a:>9999}", "is not a key template"),
    ("max_skew: 30s", "max_skew: 30", "config.yaml:10: pipelines.pumps.record.time.max_skew: 30: a duration needs a unit (write 500ms"),
    ("max_skew: 30s", "max_skew: 30 sec", "max_skew: '30 sec' is not a duration (write a number and a unit"),
    ("max_skew: 30s", "tz: Berlin", "time.tz: 'Berlin' is not a known time zone (write its IANA name"),
    ("max_skew: 30s", "format: iso", "time.format: 'iso' is not a format of times"),
    ("field: ts, ", "", "pipelines.pumps.record.time.field: is missing (add it: field with the event time)"),
    ("[0, 500]", "[500, 0]", "config.yaml:12: pipelines.pumps.record.features[0]: valid: the first number must be below"),
    ("[0, 500]", "[0, much]", "pipelines.pumps.record.features[0].valid[1]: must be a number, not 'much'"),
    ("[0, 500]", "[0]", "features[0].valid[1]: is missing"),
    ("name: flow, ", "", "features[0].name: is missing (add it: how alerts call it)"),
    ("unit:", "units:", "features[0].units: there is no such setting (did you mean 'unit'?)"),
    ("- temp", "- flow", "pipelines.pumps.record: features: flow is named twice"),
    ("- temp", "- 3", "features[1]: must be a map, not 3"),
    ("unit: l/min", "log: yes", "config.yaml:12: pipelines.pumps.record.features[0].log: must be true or false, not 'yes'"),
    ("unit: l/min", "log: off", "log: must be true or false, not 'off'"),
    ("unit: l/min", "log: 1", "log: must be true or false, not 1"),
    ("unit: l/min", 'smooth: "3"', "smooth: must be a number, not the text '3' (write it without quotes)"),
    ("unit: l/min", "smooth: true", "smooth: must be a number, not true"),
    ("unit: l/min", "smooth: 0", "smooth: must be at least 1, not 0"),
    ("unit: l/min", "smooth: 1.5", "smooth: must be a whole number, not 1.5"),
    ("minkowski:3", "euclidian", "config.yaml:15: pipelines.pumps.detector.distance: there is no distance 'euclidian' (did you mean 'euclidean'?)"),
    ("minkowski:3", "minkowski:0.5", "distance: 'minkowski:0.5': p must be a number of at least 1 (write it as minkowski:3)"),
    ("minkowski:3", "minkowski:x", "p must be a number"),
    ("minkowski:3", "manhattan:3", "the distance manhattan takes no parameter"),
    ("minkowski:3", "qqq", "(choose from: euclidean, mahalanobis, manhattan, minkowski)"),
    ("memory: 2000 records", "memory: long", "memory: 'long' is not a memory (write auto, forever, 2000 records or 7d)"),
    ("memory: 2000 records", "memory: 0 records", "memory: '0 records': a memory of nothing"),
    ("memory: 2000 records", "memory: 1.5", "memory: 1.5 is not a memory"),
    ("memory: 2000 records", "covariance: {shrink: much}", "covariance.shrink: must be 'auto' or 'off' or a number, not 'much'"),
    ("memory: 2000 records", "warmup: 0", "warmup: must be 'auto' or at least 1, not 0"),
    ("memory: 2000 records", "reference: mode", "detector.reference: must be 'mean', 'median', 'geometric_median'"),
    ("memory: 2000 records", "reference: fixed", "a fixed reference needs a value of each feature (write {kind: fixed, values: {flow: 3.2}})"),
    ("memory: 2000 records", "reference: {kind: fixed, values: {flow: high}}", "reference.values.flow: must be a number, not 'high'"),
    ("memory: 2000 records", "reference: {kind: fixed, values: {flow: 1}}", "reference.values lacks temp (add temp: 0.0, with what they should be)"),
    ("memory: 2000 records", "warmup: {record: 5}", "warmup.record: there is no such setting (did you mean 'records'?)"),
    ("memory: 2000 records", "warmup: {from: 3}", "warmup.from: must be text, not 3"),
    ("memory: 2000 records", "drift: cusum", "drift: must be 'page_hinkley' or 'adwin', not 'cusum'"),
    ("memory: 2000 records", "drift: {delta: 1}", "drift.test: is missing (add it: which detector)"),
    ("memory: 2000 records", "drift: {test: adwin, threshold: 3}", "drift: threshold: adwin has none (leave it out, or use delta)"),
    ("memory: 2000 records", "learn_from: some", "learn_from: must be 'gated', 'all' or 'never', not 'some'"),
    ("value: 0.1 %", "value: 100 %", "threshold.value: '100 %': a share must lie between 0 and 100 %"),
    ("value: 0.1 %", "value: rare", "threshold.value: 'rare' is not a share or a budget (write it as 0.1 %, 1 per day or 0.001)"),
    ("3 of 5", "5 of 3", "config.yaml:18: pipelines.pumps.alert.open_after: '5 of 3': 5 of 3 can never happen"),
    ("3 of 5", "often", "open_after: 'often': write it as 3 of 5"),
    ("repeat_every: 4h", "repeat_every: 0s", "repeat_every: must be more than 0, not '0s'"),
    ("repeat_every: 4h", "severity: {warning: 3}", "alert.severity: critical may not be below warning"),
    ("    outputs: [alerts]\n", "    outputs: [alerts]\n    limits: {max_stored: 10}\n", "pipelines.pumps: limits.max_stored 10 is below limits.max_keys 10000, but those in memory count too (raise max_stored or lower max_keys)"),
    ("    record:\n", "    limits: {on_full: evict}\n    record:\n      stale_after: 5m\n", "pipelines.pumps: record.stale_after looks at all models at once, so none can be evicted (write limits.on_full: reject)"),
    ("type: file, paths", "typ: file, paths", "config.yaml:20: sources.history.type: is missing (add one of: file, mqtt)"),
    ("type: file, paths", "type: fil, paths", "sources.history.type: there is no type of source 'fil' (did you mean 'file'?)"),
    ("type: file, paths", "type: [file], paths", "sources.history.type: there is no type of source a list"),
    ("type: file, path:", "type: kafka, path:", "outputs.alerts.type: there is no type of output 'kafka' (choose from: file)"),
    (FILE, "in/*.csv", "sources.history: must be a map, not 'in/*.csv'"),
    (FILE, "{type: file, paths: []}", "sources.history.paths: must be at least 1 long, not a list"),
    (FILE, "{type: file, paths: [x], fromat: csv}", "sources.history.fromat: there is no such setting (did you mean 'format'?)"),
    (FILE, "{type: file, paths: [x], format: xls}", "sources.history.format: must be 'csv' or 'jsonl', not 'xls' (form of the lines)"),
    (FILE, "{type: file}", "sources.history.paths: is missing (add it: files to read, with wildcards)"),
    (FILE, MQTT.replace("mqtt://", "http://"), "sources.history.url: 'http://h': http://h is not for me (write mqtt://host:port)"),
    (FILE, MQTT.replace(": 0", ": 1"), "sources.history: QoS 1 needs a client_id (give it one of its own)"),
    (FILE, MQTT.replace(": 0", ": high"), "sources.history.topics.'a/b': must be a whole number, not 'high'"),
    (FILE, MQTT.replace("}}", "}, retain: on}"), "sources.history.retain: must be true or false, not 'on'"),
    (FILE, MQTT.replace("}}", "}, port: 70000}"), "sources.history.port: must be at most 65535, not 70000"),
    (FILE, MQTT.replace("}}", "}, tls: {cs: x}}"), "sources.history.tls.cs: there is no such setting (choose from: ca)"),
    ("log: {level: debug}", "log: {level: loud}", "log.level: must be 'debug', 'info', 'warning' or 'error', not 'loud'"),
    ("log: {level: debug}", "log: {levle: info}", "config.yaml:23: log.levle: there is no such setting (did you mean 'level'?)"),
    ("log: {level: debug}", "log: debug", "log: must be a map, not 'debug' (what the daemon says about itself)"),
    ("dead_letter: ./out/dead.jsonl", "dead_letter: [x]", "dead_letter: must be text, not a list"),
    ("dead_letter: ./out/dead.jsonl", "dead_leter: x", "dead_leter: there is no such setting (did you mean 'dead_letter'?)"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "expected"), WRONG, ids=[f"{new[:30]}-{n}" for n, (_, new, _) in enumerate(WRONG)]
)
def test_wrong(old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) == 1
    said = errors(GOOD.replace(old, new))
    assert any(expected in line for line in said), said


def test_good(tmp_path: Path) -> None:
    config = load(GOOD, tmp_path)
    assert config.name == "plant-a"
    assert config.state_dir == tmp_path / "state"
    assert config.dead_letter == tmp_path / "out/dead.jsonl"
    assert config.log.level == "debug"
    pipeline = config.pipelines["pumps"]
    assert pipeline.sources == ("history",)
    assert pipeline.detector.memory == 2000
    assert pipeline.detector.threshold.value == 0.001
    assert pipeline.alert.repeat_every == 4 * 3600
    assert (pipeline.alert.open_after.k, pipeline.alert.open_after.n) == (3, 5)
    assert pipeline.record.time is not None
    assert pipeline.record.time.max_skew == 30
    assert [feature.name for feature in pipeline.record.features] == ["flow", "temp"]
    assert config.sources["history"].type == "file"
    assert config.sources["history"].options.model_dump()["paths"] == (f"{tmp_path}/in/*.csv",)
    assert config.outputs["alerts"].options.model_dump()["path"] == f"{tmp_path}/out/alerts.jsonl"


def test_paths_begin_at_the_file(tmp_path: Path) -> None:
    folder = tmp_path / "a[1]"
    folder.mkdir()
    entry = "{type: mqtt, url: mqtt://h, topics: {a: 0}, tls: {ca: ../ca.pem}}"
    text = GOOD.replace(FILE, entry).replace("out/alerts", "/var/alerts").replace("jsonl}", "jsonl, base: x}")
    (folder / "config.yaml").write_text(text)
    config = load_file(folder / "config.yaml", SOURCES, SINKS, DISTANCES)
    assert config.sources["history"].options.model_dump()["tls"] == {"ca": tmp_path / "ca.pem"}
    assert config.outputs["alerts"].options.model_dump() == {"path": "/var/alerts.jsonl", "base": str(folder)}
    (folder / "config.yaml").write_text(GOOD)
    config = load_file(folder / "config.yaml", SOURCES, SINKS, DISTANCES)
    assert config.sources["history"].options.model_dump()["paths"] == (f"{tmp_path}/a[[]1]/in/*.csv",)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"none.yaml: cannot be read: no such file or directory \(`kyori init`"
    ):
        load_file(tmp_path / "none.yaml", SOURCES, SINKS, DISTANCES)
    with pytest.raises(ConfigError, match="is a directory"):
        load_file(tmp_path, SOURCES, SINKS, DISTANCES)


def test_second_pipeline_may_not_read_the_same_source() -> None:
    second = "  two: {sources: [history], outputs: [alerts], record: {features: [x]}}\nsources:"
    (said,) = errors(GOOD.replace("sources:\n  h", f"{second}\n  h"))
    assert said.startswith(
        "config.yaml:19: pipelines.two.sources[0]: the source history is already read by the pipeline pumps"
    )


def test_variables_become_numbers_and_truth() -> None:
    entry = "{type: mqtt, url: mqtt://h, topics: {a: 0}, port: '${P}', retain: '${R:-true}', keepalive: '${K:-5m}'}"
    options = load(GOOD.replace(FILE, entry), P="1884").sources["history"].options.model_dump()
    assert (options["port"], options["retain"], options["keepalive"]) == (1884, True, 300.0)


def test_everything_is_told_at_once_in_the_order_of_the_file() -> None:
    text = GOOD
    for old, new in (
        ("version: 1", "version: 3"),
        ("{site}/{pump}", "{site"),
        ("minkowski:3", "euklid"),
        ("type: file, paths", "type: fil, paths"),
        ("type: file, path:", "type: file, pth:"),
        ("level: debug", "level: loud"),
        ("./out/dead", "${NOPE}/dead"),
    ):
        text = text.replace(old, new)
    lines = [int(line.split(":")[1]) for line in errors(text)]
    assert lines == [1, 8, 15, 20, 22, 22, 23, 24]


@pytest.mark.parametrize(
    "whole", ["version: 1", "pipelines: 3", "sources: [a]\noutputs: x\npipelines: {a: b}", "a: 1"]
)
def test_wrong_shapes_do_not_stop_the_checks(whole: str) -> None:
    assert all(line.startswith("config.yaml") for line in errors(whole))


def test_messages_are_printable() -> None:
    said = "\n".join(errors(GOOD.replace("name: plant-a", 'name: "a\\e[2J\\nb"\n"x\\ey": 1')))
    assert "\x1b" not in said
    assert all(line.startswith("config.yaml:") for line in said.splitlines())


def test_paths_of_settings() -> None:
    assert dotted(("a", 0, "b", "c.d")) == "a[0].b.'c.d'"
