"""Writes configuration.md from the JSON Schema of the configuration. ``python docs/make_reference.py``.

A test (tests/docs/test_reference.py) fails while the page is not what this makes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detector.config.schema import json_schema
from detector.registry import DISTANCES, command_options, fleet_options, sink_options, source_options

Schema = dict[str, Any]

PAGE = Path(__file__).parent / "configuration.md"

HEAD = """\
# Configuration

<!-- Made by docs/make_reference.py; change the descriptions in the models instead. -->

One YAML file runs the daemon. `kyori validate` checks it and starts nothing; `kyori schema` prints the JSON
Schema from which this page is made; [`kyori init`](init.md) writes a file to begin with.

- An unknown setting is an error, and so is a repeated one. Every problem of a file is told at once, with its
  line.
- Relative paths begin at the file's directory.
- A duration is a number and a unit: `500ms`, `30s`, `5m`, `2h`, `7d`. A share is `0.1 %` or `0.001`. A size
  is `64 KiB`, `1 MiB` or `2 GiB`.
- `${VAR}`, `${VAR:-default}` and `${file:/path}` in a value are filled in when the file is read. What was
  filled in is masked in errors. A file with a secret must be mode 600.
- Text that YAML would turn into something else (`no`, `12:30:00`, `0123`) is refused with a hint to quote it.
  Anchors and aliases are refused.

The smallest file that runs:

```yaml
version: 1
pipelines:
  pumps:
    sources: [records]
    outputs: [alerts]
    record: {features: [flow, pressure]}
sources:
  records: {type: file, paths: [pumps.csv]}
outputs:
  alerts: {type: stdout}
```
"""

SECTIONS = (
    (
        "pipelines.NAME",
        "PipelineConfig",
        "One way from sources to outputs. A source belongs to one pipeline.",
    ),
    ("pipelines.NAME.record", "Record", "From a record to a vector."),
    (
        "pipelines.NAME.record.features[]",
        "Feature",
        "One column of the vector; a name alone is enough: `flow` is `{name: flow}`. The steps come in this "
        "order: unit, valid range, logarithm, difference, outliers, smoothing, forecast; see [Cleaning and "
        "residuals](cleaning.md).",
    ),
    (
        "pipelines.NAME.record.features[] with from: waveform",
        "Waveform",
        "Several columns, computed of the samples in one field; see [Waveforms](waveforms.md).",
    ),
    (
        "pipelines.NAME.record.context",
        "Context",
        "What explains a record and is not judged; see [Context, silence, what to ignore](context.md).",
    ),
    ("pipelines.NAME.record.missing", "Missing", "What to do with records that lack values."),
    (
        "pipelines.NAME.record.time",
        "Time",
        "The event time; the name of the field alone is enough: `time: ts` is `{field: ts}`.",
    ),
    (
        "pipelines.NAME.record.join",
        "Join",
        "Values that come in several messages become one record; see [Values from several "
        "topics](joining.md). For `mqtt` sources.",
    ),
    (
        "pipelines.NAME.record.features[].convert",
        "Convert",
        "From the unit that is sent to that of the feature; see [Units](cleaning.md#units).",
    ),
    ("pipelines.NAME.record.clean", "Clean", "What is done to each feature's values."),
    (
        "pipelines.NAME.record.clean.hampel",
        "Hampel",
        "Also of a feature; the action alone is enough: `hampel: replace`. See [Outliers]"
        "(cleaning.md#outliers).",
    ),
    (
        "pipelines.NAME.record.residual",
        "Residual",
        "The model alone is enough: `residual: profile`. See [What a forecast missed]"
        "(cleaning.md#what-a-forecast-missed).",
    ),
    ("pipelines.NAME.detector", "Detector", "What is normal, and how far is too far."),
    (
        "pipelines.NAME.detector.reference",
        "Reference",
        "What the distance is measured from; the kind alone is enough: `reference: median`. See [choosing "
        "settings](choosing.md#the-reference).",
    ),
    (
        "pipelines.NAME.detector.parts",
        "Parts",
        "See [The default detector](detector.md) for what each is worth.",
    ),
    (
        "pipelines.NAME.detector.warmup",
        "Warmup",
        "A number or `auto` alone is enough: `warmup: 200` is `{records: 200}`. "
        "See [A history to begin with](operations.md#a-history-to-begin-with).",
    ),
    (
        "pipelines.NAME.detector.drift",
        "Drift",
        "The test alone is enough: `drift: adwin`. See [Scores that drift](detector.md#scores-that-drift).",
    ),
    (
        "pipelines.NAME.detector.metric",
        "Metric",
        "The learned transform; a file alone is enough: `metric: a.npz`. See [Learned metrics](metric.md).",
    ),
    (
        "pipelines.NAME.detector.metric.retrain",
        "Retrain",
        "When labels train a candidate, and what it may take.",
    ),
    (
        "pipelines.NAME.detector.metric.promote",
        "Promote",
        "When a candidate takes the place of the metric in force.",
    ),
    (
        "pipelines.NAME.detector.modes",
        "Modes",
        "A number alone, `3`, is that of the modes. See [Operating modes](classes.md).",
    ),
    ("pipelines.NAME.detector.covariance", "Covariance", "How the covariance is kept well-behaved."),
    ("pipelines.NAME.detector.threshold", "Threshold", "From which distance on a record is an anomaly."),
    (
        "pipelines.NAME.detector.shift",
        "Shift",
        "Whether the group has moved; a number alone, `200`, is the window. See [The group moved, the model "
        "drifted](detector.md#the-group-moved-the-model-drifted).",
    ),
    (
        "pipelines.NAME.detector.watch",
        "Watch",
        "Whether the model has drifted from what it was; `auto`, or a number alone, is what is trusted.",
    ),
    ("pipelines.NAME.alert", "Alerting", "From anomalies to alerts: one for each episode."),
    (
        "pipelines.NAME.alert.open_after",
        "OpenAfter",
        "Usually written as text: `3 of 5`. A number alone, `4`, means 4 of 4.",
    ),
    (
        "pipelines.NAME.alert.severity",
        "Severity",
        "The level from which an alert has this severity; 1.0 is on the threshold.",
    ),
    (
        "pipelines.NAME.alert.quiet[]",
        "QuietWindow",
        "A time that comes again, of which nobody is told. See [Quiet](quiet.md).",
    ),
    ("pipelines.NAME.limits", "Limits", "Bounds of a pipeline."),
    ("pipelines.NAME.limits.outbox", "Outbox", "Where alerts wait for their outputs, on disk."),
    ("server", "Server", "The page, the API, metrics and health, by HTTP; see [The server](server.md)."),
    ("server.tls", "ServerTls", "With it the server speaks https only."),
    ("tests[]", "Case", "See [Cases](testing.md)."),
    ("tests[].expect[]", "Expect", "Of a record, or of the alerts."),
    ("heartbeat", "Heartbeat", "See [Heartbeat](quiet.md#heartbeat)."),
    ("log", "Log", "What the daemon says about itself, on stderr."),
    ("reload", "Reload", "See [A changed configuration](running.md#a-changed-configuration)."),
)

LOGS = (
    (
        "sources.NAME.log",
        "LogOptions",
        "Of `file`, `tail` and `stdin` with a format of logs. See [Logs](logs.md).",
    ),
    (
        "sources.NAME.log.multiline",
        "MultilineOptions",
        "The mode alone is enough: `multiline: off` is `{mode: off}`.",
    ),
    ("sources.NAME.log.templates", "TemplateOptions", "How messages are grouped into templates, by Drain."),
)

_DURATION = "a duration"
_BY_PATTERN = (
    ("ms|s|m", _DURATION),
    ("KiB", "a size"),
    ("%", "a share"),
    ("records", "`N records`"),
    ("minkowski", "`minkowski:P`"),
)
_BY_TYPE = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "`true`, `false`",
    "string": "text",
    "array": "a list",
    "object": "a map",
    "['string']": _DURATION,
}
_UNITS = ((86400.0, "d"), (3600.0, "h"), (60.0, "m"), (1.0, "s"), (1e-3, "ms"))
_SIZES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def page() -> str:
    """Return the whole page."""
    schema = json_schema(source_options(), sink_options(), DISTANCES, command_options(), fleet_options())
    definitions = schema["$defs"]
    parts = [HEAD, _section("The file", schema, "What stands at the left margin.")]
    for title, name, text in SECTIONS:
        parts.append(_section(f"`{title}`", _object(definitions[name]), text))
    for kind, title in (("sources", "Source"), ("outputs", "Output")):
        (entry,) = schema["properties"][kind]["patternProperties"].values()
        for options in entry["oneOf"]:
            text = f"`{kind}.NAME` with `type: {options['title']}`."
            parts.append(_section(f"{title}: `{options['title']}`", options, text))
    for options in schema["properties"]["commands"]["oneOf"]:
        text = f"`commands` with `type: {options['title']}`: see [Feedback](feedback.md)."
        parts.append(_section(f"Commands: `{options['title']}`", options, text))
    for options in schema["properties"]["fleet"]["oneOf"]:
        text = f"`fleet` with `type: {options['title']}`: see [Fleets](fleet.md)."
        parts.append(_section(f"Fleet: `{options['title']}`", options, text))
    parts.append(
        _section("`home_assistant`", _object(definitions["HomeAssistantOptions"]), "Of an `mqtt` output.")
    )
    parts.append(_section("`tls`", _object(definitions["Tls"]), "Of a connection with TLS."))
    for title, name, text in LOGS:
        parts.append(_section(f"`{title}`", _object(definitions[name]), text))
    return "\n".join(parts)


def _object(schema: Schema) -> Schema:
    """Return the map among the forms in which a setting may be written."""
    if "properties" in schema:
        return schema
    return next(form for form in schema["anyOf"] if "properties" in form)


def _section(title: str, schema: Schema, text: str) -> str:
    lines = [f"## {title}", "", text, "", "| setting | may be | default | meaning |", "|---|---|---|---|"]
    required = schema.get("required", ())
    for name, value in schema["properties"].items():
        if name == "type" and "const" in value:
            continue
        default = "**required**" if name in required else _default(value)
        meaning = value.get("description", "")
        cells = (f"`{name}`", _kind(value), default, meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(value: Schema) -> str:
    default = value.get("default")
    if default in (None, "", []):
        return "see below" if "$ref" in value else "none"
    if isinstance(default, bool):
        text = str(default).lower()
    elif isinstance(default, int | float) and _kind(value) == _DURATION:
        unit, name = next(one for one in _UNITS if default >= one[0])
        text = f"{default / unit:g}{name}"
    elif isinstance(default, int) and "KiB" in str(value):
        size, name = next(one for one in _SIZES if default >= one[0])
        text = f"{default // size} {name}"
    elif isinstance(default, float) and "%" in str(value):
        text = f"{100 * default:g} %"
    else:
        text = str(default)
    return f"`{text}`"


def _kind(value: Schema) -> str:
    """Return in words what may be written."""
    choices = value.get("anyOf")
    if choices:
        forms = dict.fromkeys(_kind(form) for form in choices)
        return ", ".join(form for form in forms if form)
    if "enum" in value or "const" in value:
        return ", ".join(f"`{word}`" for word in value.get("enum", [value.get("const")]))
    if "$ref" in value:
        return "" if value["$ref"].endswith("/Filled") else "a map"
    known = (word for mark, word in _BY_PATTERN if mark in value.get("pattern", ""))
    by_type = "two numbers" if "prefixItems" in value else _BY_TYPE.get(str(value.get("type")), "")
    return next(known, by_type) + _bounds(value)


def _bounds(value: Schema) -> str:
    signs = (("minimum", ">="), ("exclusiveMinimum", ">"), ("maximum", "<="), ("exclusiveMaximum", "<"))
    if value.get("type") not in ("integer", "number"):
        return ""
    found = [f"{sign} {value[key]}" for key, sign in signs if key in value]
    return f" {' and '.join(found)}" if found else ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
