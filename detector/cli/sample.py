"""The text that ``kyori init`` prints: a configuration whose comments explain it."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.cli.survey import Survey

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\.?/[A-Za-z0-9_./-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

_FRAME = """\
# kyori's configuration. `kyori validate` checks it, `kyori run` runs it, `kyori schema` describes all of it.
# Relative paths begin at the directory of this file. Durations are written 500ms, 30s, 5m, 2h or 7d.
# ${{VAR}}, ${{VAR:-default}} and ${{file:/path}} in values are filled in when the file is read.
version: 1
name: {name}
state_dir: {state_dir}    # what was learned, how far was read, which alerts are unsent

pipelines:
  main:
    sources: [records]
    outputs: [alerts]
{key}
    record:
{time}
      features:    # the columns that are compared together
{features}

    detector:
      distance: mahalanobis    # takes into account how features move together
      memory: forever          # half-life of what is learned: forever, 2000 records or 7d
      learn_from: gated        # gated: an anomaly does not become normal at once
      threshold: {{kind: false_alarm_rate, value: 0.1 %}}    # share of normal records that may be flagged

    alert:
      open_after: 3 of 5       # so many anomalies among the last records open an episode
      close_after: 10          # so many calm records in a row close it

sources:
  records:
{source}

outputs:
  alerts: {{type: file, path: {alerts}}}
  # on_terminal: {{type: stdout}}

log: {{level: info, format: auto}}    # auto: readable on a terminal, JSON otherwise
# dead_letter: ./rejected.jsonl     # keeps the records that could not be used
"""

_SAMPLE_SOURCE = """\
    type: file                 # read once, from beginning to end
    paths: [./in/*.csv]        # a .csv begins with a line of names; .jsonl has one object a line
  # A log that grows, and is rotated:
  # records:
  #   type: tail
  #   paths: [/var/log/plant/*.jsonl]
  # Messages of a broker; +site makes a label that a key can use:
  # records:
  #   type: mqtt
  #   url: mqtt://localhost:1883
  #   client_id: kyori-plant-a
  #   topics: {plant/+site/telemetry: 1}"""

_SAMPLE_FEATURES = """\
        - {name: flow, unit: l/min}
        - {name: pressure, unit: bar}
        # - {name: hot, field: payload.temp, valid: [-40, 150]}    # outside of this is missing
        # - {name: total, difference: true}                        # a counter: its change counts"""


def render(survey: Survey | None, state_dir: str, alerts: str) -> str:
    """Return the configuration for what was found in a file, or a sample."""
    places = {"state_dir": quoted(state_dir), "alerts": quoted(alerts)}
    if survey is None:
        return _FRAME.format(
            name="plant-a",
            key='    # key: "{site}/{pump}"    # one model per site and pump, out of labels or fields',
            time="      time: ts                   # unix seconds, ms, us, ns, or ISO 8601",
            features=_SAMPLE_FEATURES,
            source=_SAMPLE_SOURCE,
            **places,
        )
    return _FRAME.format(
        name=survey.name,
        key=_key_lines(survey),
        time=f"      time: {quoted(survey.time)}" if survey.time else "      # no column holds a time",
        features=_feature_lines(survey),
        source=_source_lines(survey),
        **places,
    )


def _key_lines(survey: Survey) -> str:
    if survey.key is None:
        return "    # no column names the sender of a record: one model for all"
    template = quoted(f"{{{survey.key}}}")
    return f"    key: {template}    # one model for each; {survey.models} among the records looked at"


def _feature_lines(survey: Survey) -> str:
    lines = [f"        - {quoted(name)}" for name in survey.features]
    return "\n".join(
        lines + [f"        # - {quoted(name)}    # {why}" for name, why in survey.left_out.items()]
    )


def _source_lines(survey: Survey) -> str:
    lines = ["    type: file    # read once, from beginning to end; tail follows a file that grows"]
    if survey.format != "auto":
        lines.append(f"    format: {survey.format}")
    lines += [f"    {name}: {quoted(value)}" for name, value in survey.written.items()]
    return "\n".join([*lines, f"    paths: [{quoted(survey.path)}]"])


def quoted(text: str) -> str:
    r"""Return `text` as a YAML value: plain where that is safe, else in double quotes.

    >>> quoted("flow"), quoted("no"), quoted("a: b\n")
    ('flow', '"no"', '"a: b\\n"')
    """
    if "${" in text:
        raise KyoriError(f"{text!r} holds ${{, which a configuration would take for a variable; rename it")
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = json.dumps(text, ensure_ascii=False)
    return "".join(char if char.isprintable() else _escape(char) for char in escaped)


def _escape(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
