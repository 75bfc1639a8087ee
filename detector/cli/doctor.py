"""``kyori doctor``."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.say import say, say_coloured
from detector.cli.validate import checked_config
from detector.errors import ConfigError

if TYPE_CHECKING:
    from detector.doctor.finding import Finding

EXAMPLES = """\
  kyori doctor
  kyori doctor /etc/kyori/config.yaml          also while the daemon runs
  kyori doctor --json config.yaml | jq '.findings[] | select(.level == "wrong")'
"""

_BAD_CONFIG = 78
_MARKS = {
    "fine": ("✓", typer.colors.GREEN),
    "note": ("!", typer.colors.YELLOW),
    "wrong": ("✗", typer.colors.RED),
}
_NAME = 12


def doctor(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for the usual mistakes, and say the remedy of each; nothing is changed.

    Looks at the machine, the state, the files, ports and brokers, also beside a daemon that runs. Run it as
    the user of the daemon. Exits 0 if nothing is wrong, 1 if something is, 78 if the configuration is.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("critical")  # what a connection says of itself is found below
    findings, code = [], 0
    for finding in _found(config):
        findings.append(finding)
        if finding.level == "wrong":
            code = max(code, _BAD_CONFIG if finding.check == "config" else 1)
        if not as_json:
            _tell(finding)
    if as_json:
        said = {"file": str(config), "right": not code, "findings": [asdict(one) for one in findings]}
        say(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        say(_summary(findings))
    if code:
        raise typer.Exit(code)


def _found(config: Path) -> Iterator[Finding]:
    from detector.doctor.examine import examine  # noqa: PLC0415
    from detector.doctor.finding import Finding, fine  # noqa: PLC0415

    try:
        checked = checked_config(config)
    except ConfigError as error:
        for one in error.problems:
            place = f"{error.file}:{one.line}" if one.line else error.file
            said = ": ".join(part for part in (place, one.path, one.message) if part)
            yield Finding("config", said, one.remedy)
        return
    yield fine("config", f"{config} is right")
    yield from examine(checked)


def _tell(finding: Finding) -> None:
    mark, colour = _MARKS[finding.level]
    say_coloured(mark, colour)
    say(f" {finding.check:<{_NAME}} {finding.message}")
    if finding.remedy:
        say(f"  {'':<{_NAME}} -> {finding.remedy}")


def _summary(findings: Iterable[Finding]) -> str:
    counts = Counter(one.level for one in findings)
    return f"\n{counts['wrong']} wrong, {counts['note']} to know, {counts['fine']} fine"
