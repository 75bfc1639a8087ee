"""``kyori config``: the configuration, looked at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from detector.cli.say import say

app = typer.Typer(help="Look at a configuration.", no_args_is_help=True)

_EXAMPLES = """\
\b
Examples:
  kyori config show
  kyori config show --resolved /etc/kyori/config.yaml      with every default
  kyori config show --resolved --json | jq '.pipelines.pumps.detector'
"""
_WIDTH = 100


@app.callback()
def _group() -> None:
    """Keep `show` a verb of its own, though it is the only one."""


@app.command(epilog=_EXAMPLES)
def show(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    resolved: Annotated[bool, typer.Option("--resolved", help="With every default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print a configuration as it is read: variables and files filled in, secrets masked.

    Relative paths begin at the directory of the file, wherever this is put.
    """
    from detector.config.resolved import resolved as filled  # noqa: PLC0415
    from detector.registry import load_config  # noqa: PLC0415

    checked = load_config(config)
    data = filled(checked) if resolved else dict(checked.redacted)
    say(json.dumps(data, indent=2, ensure_ascii=False) if as_json else "\n".join(lines(data)))


def lines(data: dict[str, Any], indent: str = "") -> Iterator[str]:
    """Yield plain data as lines of YAML, as kyori reads it.

    >>> list(lines({"a": {"b": [1, "no"]}, "c": []}))
    ['a:', '  b: [1, "no"]', 'c: []']
    """
    from detector.survey.quoting import as_is  # noqa: PLC0415

    for name, value in data.items():
        short = _flow(value)
        head = f"{indent}{as_is(name)}:"
        nested = isinstance(value, dict) or (
            isinstance(value, list) and any(isinstance(one, dict) for one in value)
        )
        if (
            not value
            or not nested
            or (len(head) + len(short) < _WIDTH and indent and isinstance(value, dict))
        ):
            yield f"{head} {short}"
        elif isinstance(value, dict):
            yield head
            yield from lines(value, indent + "  ")
        else:
            yield head
            for one in value:
                first, *rest = (
                    lines(one, indent + "    ") if isinstance(one, dict) and one else [f"    {_flow(one)}"]
                )
                yield f"{indent}  - {first.strip()}"
                yield from rest


def _flow(value: Any) -> str:
    """Return a value in one line."""
    from detector.survey.quoting import as_is  # noqa: PLC0415

    if isinstance(value, dict):
        return "{" + ", ".join(f"{as_is(str(name))}: {_flow(one)}" for name, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return as_is(value) if isinstance(value, str) else json.dumps(value)
