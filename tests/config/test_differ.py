"""What a reload says of a changed file: each setting by its path, and no secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from detector.config.differ import differences
from detector.config.load import load_text
from detector.config.models import Config
from detector.registry import DISTANCES, sink_options, source_options

TEXT = """
version: 1
pipelines:
  p:
    sources: [in]
    outputs: [out]
    record: {features: [a, {name: b, unit: bar}]}
    detector: {memory: 7d}
sources:
  in: {type: mqtt, url: "mqtt://host", client_id: c, username: u, password: "${WORD}", topics: {t/+: 1}}
outputs:
  out: {type: stdout}
"""


def read(text: str, word: str = "secret-one") -> Config:
    return load_text(text, "c.yaml", source_options(), sink_options(), DISTANCES, environ={"WORD": word})


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("memory: 7d", "memory: 8d", ["pipelines.p.detector.memory: '7d' -> '8d'"]),
        ("detector: {memory: 7d}", "detector: {}", ["pipelines.p.detector.memory: removed, '7d'"]),
        ("unit: bar", "unit: Pa", ["pipelines.p.record.features[1].unit: 'bar' -> 'Pa'"]),
        ("[a, {", "[a, c, {", ["pipelines.p.record.features: a list of 2 -> a list of 3"]),
        (
            "t/+: 1",
            "u: 1",
            ["sources.in.topics.'t/+': removed, 1", "sources.in.topics.u: added, 1"],
        ),
        ("mqtt://host", "mqtt://else", ["sources.in.url: 'mqtt://host' -> 'mqtt://else'"]),
        ("version: 1", "version: 1\nname: x", ["name: added, 'x'"]),
        ("version: 1", "version: 1\nlog: {level: error}", ["log: added"]),
        ("version: 1", "# nothing\nversion: 1", []),
    ],
)
def test_each_change_is_told_by_its_path(before: str, after: str, said: list[str]) -> None:
    assert differences(read(TEXT), read(TEXT.replace(before, after, 1))) == said


def test_a_secret_is_another_one_and_not_shown() -> None:
    changed = TEXT.replace("username: u", "username: v")
    assert differences(read(TEXT), read(changed, "secret-two")) == [
        "sources.in.username: 'u' -> 'v'",
        "sources.in.password: another secret",
    ]
    plain = TEXT.replace('"${WORD}"', '"${WORD}-more"')
    assert differences(read(TEXT), read(plain)) == ["sources.in.password: another secret"]


def test_a_secret_that_is_added_or_removed_is_not_shown() -> None:
    without = TEXT.replace('username: u, password: "${WORD}", ', "")
    said = differences(read(without), read(TEXT)) + differences(read(TEXT), read(without))
    assert "sources.in.password: added, '***'" in said
    assert "secret-one" not in str(said)


def test_another_file_altogether_is_told_in_few_lines() -> None:
    data: dict[str, Any] = YAML(typ="safe").load(TEXT)
    names = [f"p{i}" for i in range(80)]
    one = data["pipelines"]["p"]
    data["pipelines"] = {name: one | {"sources": [name]} for name in names}
    data["sources"] = {name: {"type": "tail", "paths": [f"{name}.csv"]} for name in names}
    said = differences(read(TEXT), read(json.dumps(data)))
    assert len(said) == 51
    assert said[-1].startswith("and ")


def test_what_a_configuration_shows_of_itself_has_no_secret(tmp_path: Path) -> None:
    assert "secret-one" not in repr(read(TEXT))
