"""``kyori test``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.explain import table_of
from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.study.cases import Outcome

EXAMPLES = """\
  kyori test
  kyori test /etc/kyori/config.yaml
  kyori test examples/csv-keys.yaml --only leak    cases with this in their name
"""


def test(
    config: Annotated[Path, typer.Argument(help="The configuration file.")] = Path("config.yaml"),
    only: Annotated[str, typer.Option("--only", metavar="TEXT", help="Cases with this in their name.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcomes as JSON.")] = False,
) -> None:
    """Run the cases under `tests:` of a configuration: records in, expected verdicts out.

    Each runs offline through a fresh pipeline, after the history that it names; a daemon and its state are
    not touched. Exits 0 if all are as expected, 1 if one is not.
    """
    from detector.logs import configure  # noqa: PLC0415
    from detector.registry import load_config  # noqa: PLC0415

    configure("warning")
    checked = load_config(config)
    chosen = [case for case in checked.tests if only in case.name]
    if not chosen:
        what = f"no case with {only!r} in its name" if checked.tests else "no case; write some under tests:"
        raise KyoriError(f"{config} has {what}")
    from detector.study.cases import plain, run  # noqa: PLC0415

    outcomes = []
    for case in chosen:
        outcomes.append(run(checked, case))
        if not as_json:
            _tell(outcomes[-1])
    failed = sum(bool(one.failures) for one in outcomes)
    if as_json:
        said = {"file": str(config), "failed": failed, "cases": [plain(one) for one in outcomes]}
        say(json.dumps(said, indent=2, ensure_ascii=False))
    else:
        say(f"{failed} of {len(outcomes)} failed" if failed else f"all {len(outcomes)} as expected")
    if failed:
        raise typer.Exit(1)


def _tell(outcome: Outcome) -> None:
    from detector.study.text import bold  # noqa: PLC0415

    about = f"{outcome.name} ({outcome.pipeline}, {outcome.records} record{'s' * (outcome.records != 1)})"
    if not outcome.failures:
        say(f"ok      {about}")
        return
    say(bold(f"FAILED  {about}"))
    explained = set()
    for one in outcome.failures:
        say(f"  {one.place}: expected {one.wanted}; found {one.found}")
    for one in outcome.failures:
        if one.told is not None and one.place not in explained:
            explained.add(one.place)
            lines = [f"{one.place}: {one.told.message}", *table_of(one.told.reasons).split("\n")]
            say("".join(f"\n    {line}" for line in lines) + "\n")
