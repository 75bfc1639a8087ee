"""A configuration: a `Config`, or a `ConfigError` each of whose lines can be printed."""

from __future__ import annotations

from pathlib import Path

from detector.config.load import load_text
from detector.errors import ConfigError
from detector.metric.distances import DISTANCES
from detector.registry import check_shared, command_options, fleet_options, sink_options, source_options

_MODELS = (source_options(), sink_options(), DISTANCES)

SEEDS = (
    b"""version: 1
pipelines:
  p:
    sources: [in]
    outputs: [out]
    key: "{site}/{pump}"
    record: {time: {field: t, format: "%d.%m.%Y"}, features: [flow, {name: temp, valid: [0, 90]}]}
    detector: {warmup: 500}
    alert: {hold: 2}
sources:
  in: {type: mqtt, url: "mqtt://localhost:1883", topics: {"a/+site/+pump": 1}, client_id: k}
outputs:
  out: {type: file, path: out.jsonl}
""",
    b'a: &x [1, 2]\nb: *x\n<<: {c: 0123}\n? [1]\n: "2026-11-29"\n',
    b'a: "\\x41\\u00e9\\U0001F600\\0"\nb: |\n  x\nc: {d: [1.5, true, null, 12:30, .inf]}\n',
    b"version: 1\n---\n!!python/object/apply:os.system [ls]\n",
)


def one(data: bytes) -> None:
    """Load a configuration."""
    try:
        config = load_text(
            data,
            "c.yaml",
            *_MODELS,
            base=Path("/nowhere"),
            environ={},
            commands=command_options(),
            fleet=fleet_options(),
        )
        check_shared(config)
    except ConfigError as error:
        assert error.problems
        assert all(problem.message for problem in error.problems)
