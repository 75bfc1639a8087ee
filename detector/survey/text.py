"""The text that ``kyori init`` prints: a configuration whose comments explain it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from detector.survey.quoting import as_is, quoted

if TYPE_CHECKING:
    from detector.survey.columns import Column
    from detector.survey.draft import Draft

_FRAME = """\
# kyori's configuration. `kyori validate` checks it, `kyori run` runs it, `kyori schema` describes all of it.
{seen}# Relative paths begin at the directory of this file. Durations are written 500ms, 30s, 5m, 2h or 7d.
# ${{VAR}}, ${{VAR:-default}} and ${{file:/path}} in values are filled in when the file is read.
version: 1
name: {name}
state_dir: {state_dir}    # what was learned, how far was read, which alerts are unsent

pipelines:
  main:
    sources: [records]
    outputs: [{told}]
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
      open_after: auto         # 3 of 5: so many anomalies among the last records open an episode; or 1 of 1
      close_after: 10          # so many calm records in a row close it

sources:
  records:
{source}

outputs:
{outputs}
  # on_terminal: {{type: stdout}}
{commands}
server: {{listen: 127.0.0.1:8480}}    # page, API and /metrics, for this machine only; others need a token
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


def render_sample(state_dir: str, alerts: str) -> str:
    """Return a configuration to fill in."""
    return _FRAME.format(
        seen="",
        name="plant-a",
        state_dir=quoted(state_dir),
        told="alerts",
        key='    # key: "{site}/{pump}"    # one model per site and pump, out of labels or fields',
        time="      time: ts                   # unix seconds, ms, us, ns, or ISO 8601",
        features=_SAMPLE_FEATURES,
        source=_SAMPLE_SOURCE,
        outputs=_file_output(alerts),
        commands="",
    )


def render(draft: Draft, state_dir: str, alerts: str | None, *, home_assistant: bool = False) -> str:
    """Return the configuration for what was found.

    Parameters
    ----------
    alerts : str or None
        File for the alerts; None where they go to the broker alone.
    home_assistant : bool
        Of a draft with a broker: let Home Assistant find it.
    """
    outputs = {} if alerts is None else {"alerts": _file_output(alerts)}
    commands = ""
    if draft.broker is not None:
        from detector.survey.broker import command_lines, output_lines  # noqa: PLC0415 - the sample needs none

        lines = output_lines(draft.broker, draft.name, home_assistant=home_assistant)
        outputs = {"broker": "\n".join(["  broker:", *_indented(lines, 4)])} | outputs
        told = f"commands:    # kyori/{draft.name}/cmd/label, learn and reload: what operators say of alerts"
        commands = "\n".join(["", told, *_indented(command_lines(draft.broker, draft.name), 2), ""])
    return _FRAME.format(
        seen=f"# {draft.seen}\n" if draft.seen else "",
        name=draft.name,
        state_dir=quoted(state_dir),
        told=", ".join(outputs),
        key="\n".join(_indented(_key_lines(draft), 4)),
        time="\n".join(_indented([*_join_lines(draft), *_time_lines(draft)], 6)),
        features="\n".join(_indented(_feature_lines(draft), 8)),
        source="\n".join(_indented(draft.source, 4)),
        outputs="\n".join(outputs.values()),
        commands=commands,
    )


def _file_output(path: str) -> str:
    return f"  alerts: {{type: file, path: {quoted(path)}}}"


def _indented(lines: Iterable[str], by: int) -> Iterator[str]:
    return (" " * by + line for line in lines)


def _key_lines(draft: Draft) -> Iterator[str]:
    if draft.key:
        yield f"key: {quoted(draft.key)}    # {draft.key_note}"
    else:
        yield f"# {draft.key_note}"


def _join_lines(draft: Draft) -> Iterator[str]:
    if draft.within:
        yield f"join: {{within: {draft.within}}}    # makes one record of values in several messages"


def _time_lines(draft: Draft) -> Iterator[str]:
    time = draft.time
    note = f"    # {time.note}" if time.note else ""
    if not time.field:
        yield note.strip()
    elif time.format == "auto":
        yield f"time: {quoted(time.field)}{note}"
    else:
        yield f"time: {{field: {quoted(time.field)}, format: {quoted(time.format)}}}{note}"


def _feature_lines(draft: Draft) -> Iterator[str]:
    for column in draft.features:
        yield f"- {_feature(column)}" + (f"    # {column.note}" if column.note else "")
    for name, why in draft.left_out.items():
        yield f"# - {as_is(name)}    # {why}"


def _feature(column: Column) -> str:
    more = {"field": column.field, "unit": column.unit}
    parts = [f"{name}: {quoted(text)}" for name, text in more.items() if text]
    parts += ["difference: true"] * column.difference
    return f"{{name: {quoted(column.name)}, {', '.join(parts)}}}" if parts else quoted(column.name)
