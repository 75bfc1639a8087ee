"""Try the negative controls, two at a time, and write docs/controls.md."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.controls.control import ROOT, Outcome, attempt, read

PAGE = ROOT / "docs" / "controls.md"
_HEAD = """\
# Negative controls

<!-- Written by `make controls`. -->

A test that cannot go red proves nothing. So each promise of [Promises](promises.md) is broken on purpose, in a copy of
the project, and its test has to fail. Last tried on {date} by `make controls`: {red} of {all} went red.

| # | Broken on purpose | Where | Test | Red |
|---|---|---|---|---|
"""


def page(outcomes: Iterable[Outcome], date: datetime.date) -> str:
    """Return the page that tells of these outcomes."""
    told = list(outcomes)
    rows = [
        f"| {one.control.promise} | {one.control.breaks} | `{one.control.file}` | `{one.control.test}` | "
        f"{'yes' if one.red else '**no**'} |\n"
        for one in told
    ]
    return _HEAD.format(date=date, red=sum(one.red for one in told), all=len(told)) + "".join(rows)


def main() -> int:
    """Return 1 if a test stayed green."""
    parser = argparse.ArgumentParser(prog="python -m tests.controls", description=__doc__)
    parser.add_argument("promises", nargs="*", help="as p15; default: all, and the page is written")
    parser.add_argument("--page", type=Path, default=PAGE)
    options = parser.parse_args()
    outcomes = []
    with ThreadPoolExecutor(2) as workers:
        for outcome in workers.map(attempt, read(options.promises)):
            outcomes.append(outcome)
            told = "red" if outcome.red else "GREEN"
            print(f"{outcome.control.promise:4} {told:5} {outcome.seconds:6.1f} s  {outcome.control.breaks}", flush=True)  # noqa: T201
            if not outcome.red:
                print(outcome.said)  # noqa: T201
    if not options.promises:
        options.page.write_text(page(outcomes, datetime.datetime.now(datetime.UTC).date()))
    return 0 if all(outcome.red for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
