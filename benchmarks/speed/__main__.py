"""Measure, print a table, and compare with what was recorded."""

from __future__ import annotations

import argparse
import datetime
import json
import sys
from pathlib import Path

from benchmarks.process import machine
from benchmarks.speed.compare import Effort, Row
from benchmarks.speed.groups import GROUPS

_BEGIN, _END = "<!-- figures:", "<!-- end of figures -->"
_LOST = 0.75
"""A ratio that is worse than this share of the recorded one is told of."""


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.speed",
        description=__doc__,
        epilog="example: python -m benchmarks.speed kernel files --json speed.json",
    )
    parser.add_argument("groups", nargs="*", help=f"which to measure; default: all of {', '.join(GROUPS)}")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each contestant; the median counts")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the usual number of records")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    parser.add_argument("--against", type=Path, metavar="FILE", help="warn where a recorded ratio is lost")
    parser.add_argument("--docs", type=Path, metavar="FILE", help="write the table into this page")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a goal is missed")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.groups if name not in GROUPS]
    if unknown:
        parser.error(f"no group {', '.join(unknown)}; choose of {', '.join(GROUPS)}")
    print(f"{machine()}; median of {arguments.rounds} rounds in turn, CPU time\n")
    print(f"{'':<34}{'ours':>12}{'peer':>12}  {'unit':<12}{'ratio':>8}{'goal':>10}")
    effort, rows = Effort(arguments.scale, arguments.rounds), []
    for name in arguments.groups or GROUPS:
        for row in GROUPS[name](effort):
            rows.append(row)
            print(shown(row), flush=True)
    missed = [row.name for row in rows if not row.met]
    print(
        f"\ngoals met: {len(rows) - len(missed)} of {len(rows)}"
        + "".join(f"\n  MISSED {name}" for name in missed)
    )
    if arguments.json is not None:
        figures = {row.name: row._asdict() | {"ratio": row.ratio, "met": row.met} for row in rows}
        arguments.json.write_text(json.dumps({"machine": machine(), "rows": figures}, indent=1) + "\n")
    if arguments.docs is not None:
        arguments.docs.write_text(inserted(arguments.docs.read_text(), rows))
    if arguments.against is not None:
        for warning in lost(rows, json.loads(arguments.against.read_text())["rows"]):
            print(f"WARNING: {warning}")
    return 1 if arguments.strict and missed else 0


def shown(row: Row) -> str:
    """Return the line of the table."""
    goal = f"{'<=' if row.at_most else '>='} {row.goal:,g}"
    peer = f"{row.peer:,.4g}" if row.versus else ""
    notes = "; ".join(
        filter(None, ["" if row.met else "MISSED", row.versus and f"against {row.versus}", row.beside])
    )
    return f"{row.name:<34}{row.ours:>12,.4g}{peer:>12}  {row.unit:<12}{row.ratio:>8,.3g}{goal:>10}  {notes}"


def inserted(page: str, rows: list[Row]) -> str:
    """Return the page with these figures between its two marks."""
    before, rest = page.split(_BEGIN)
    after = rest.split(_END)[1]
    mark = rest.splitlines()[0]
    date = datetime.datetime.now(datetime.UTC).date()
    lines = [
        f"{machine()}, {date}.",
        "",
        "| | ours | peer | unit | ratio | goal | |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        peer = f"{row.peer:,.4g}" if row.versus else ""
        notes = "; ".join(filter(None, [row.versus and f"against {row.versus}", row.beside]))
        ratio = f"{row.ratio:,.3g}" + ("" if row.met else " **missed**")
        goal = f"{'≤' if row.at_most else '≥'} {row.goal:,g}"
        lines.append(f"| {row.name} | {row.ours:,.4g} | {peer} | {row.unit} | {ratio} | {goal} | {notes} |")
    return f"{before}{_BEGIN}{mark}\n" + "\n".join(lines) + f"\n{_END}{after}"


def lost(rows: list[Row], recorded: dict[str, dict[str, float]]) -> list[str]:
    """Return a sentence for each ratio that is much worse than the recorded one."""
    found = []
    for row in rows:
        before = recorded.get(row.name, {}).get("ratio")
        share = (before / row.ratio if row.at_most else row.ratio / before) if before else 1.0
        if share < _LOST:
            found.append(f"{row.name}: {row.ratio:.3g}, recorded {before:.3g}")
    return found


if __name__ == "__main__":
    sys.exit(main())
