"""Tables in Markdown: what a reader of the documentation sees, and the terminal as well."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

import numpy as np

from benchmarks.accuracy.metrics import Counts
from benchmarks.accuracy.summary import MEAN_OF, RAW, Group, Ranked, Variant

Results = dict[str, dict[str, Group]]
"""By detector, then by group."""

_HALVES = {"all": "all files", "A": "half A, by which choices were made", "B": "half B"}


def table(header: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Return a table of Markdown; the first column is text."""
    lines = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def _pair(one: Ranked | None) -> str:
    return "-" if one is None or math.isnan(one.auc) else f"{one.auc:.3f}/{one.ap:.3f}".replace("0.", ".")


def _means(cells: dict[str, Ranked]) -> Ranked | None:
    """Return the mean over the groups that count, where all of them are there."""
    if any(group not in cells or math.isnan(cells[group].auc) for group in MEAN_OF):
        return None
    return Ranked(*np.mean([(cells[group].auc, cells[group].ap) for group in MEAN_OF], axis=0).tolist())


def _groups(results: Results) -> list[str]:
    return list(dict.fromkeys(group for by_group in results.values() for group in by_group))


def ranked(results: Results, half: str, variant: Callable[[Group], Variant]) -> dict[str, dict[str, Ranked]]:
    """Return the mean figures by detector and group, at the variant that is asked for of each."""
    return {
        detector: {
            name: group.ranked(half, variant(group)) for name, group in by_group.items() if name != "nab"
        }
        for detector, by_group in results.items()
    }


def ranking(results: Results, halves: list[str]) -> list[str]:
    """Return the tables of ROC AUC and average precision."""
    groups = [name for name in _groups(results) if name != "nab"]
    if not groups:
        return []
    kinds: list[tuple[str, str, Callable[[Group], Variant]]] = [
        (f"{_HALVES[half]}, scores as they are", half, lambda group: RAW) for half in halves
    ]
    if "B" in halves:
        title = "half B, delay and smoothing of each detector chosen on half A"
        kinds.append((title, "B", Group.chosen))
    lines = []
    with_mean = set(MEAN_OF) <= set(groups)
    for title, half, variant in kinds:
        figures = ranked(results, half, variant)
        rows = [
            [detector, *(_pair(cells.get(name)) for name in groups), *([_pair(_means(cells))] * with_mean)]
            for detector, cells in figures.items()
        ]
        lines += [f"ROC AUC/average precision, {title}:", ""]
        header = ["detector", *groups, *(["mean of " + ", ".join(MEAN_OF)] * with_mean)]
        lines += [*table(header, rows), ""]
    return lines


def choices(results: Results) -> list[str]:
    """Return which delay and smoothing half A chose."""
    groups = _groups(results)

    def cell(name: str, group: Group) -> str:
        delay, span = group.nab_chosen() if name == "nab" else group.chosen()
        parts = [f"delay {delay}"] * (delay > 0) + [f"smooth {span}"] * (span > 1)
        return ", ".join(parts) or "plain"

    rows = (
        [detector, *(cell(name, by_group[name]) if name in by_group else "-" for name in groups)]
        for detector, by_group in results.items()
    )
    return ["Chosen on half A:", "", *table(["detector", *groups], rows), ""]


def nab(results: Results) -> list[str]:
    """Return the table of NAB's score."""
    header = ["detector", "A", "B at A's threshold", "B at its own", "all", "A, chosen", "B, chosen on A"]
    header += [f"its own alerts, {half}" for half in ("A", "B", "all")]
    rows = []
    for detector, by_group in results.items():
        if group := by_group.get("nab"):
            plain, chosen = group.nab(), group.nab(group.nab_chosen())
            figures = (plain.a, plain.b, plain.b_own, plain.all, chosen.a, chosen.b)
            cells = ["-" if math.isnan(one) else f"{one:.1f}" for one in figures]
            rows.append([detector, *cells, *(_alerts(group, half) for half in ("A", "B", "all"))])
    if not rows:
        return []
    return ["NAB, standard profile; scores that exceed the 200 before them:", "", *table(header, rows), ""]


def _alerts(group: Group, half: str) -> str:
    given = group.nab_alerts(half)
    return "-" if given is None else f"{given[0]:.1f} ({given[1]} alerts)"


def verdicts(results: Results, halves: list[str]) -> list[str]:
    """Return the table of the product's own verdicts on SKAB, rows of all files pooled."""
    rows = []
    for detector, by_group in results.items():
        group = by_group.get("skab")
        if group is None:
            continue
        for name, in_alert in (("flags", False), ("has an alert open", True)):
            counts = [group.verdict(half, in_alert=in_alert) for half in halves]
            if all(one is not None for one in counts):
                rows.append([f"{detector}, {name}", *map(_verdict, counts)])
    if not rows:
        return []
    first = next(by_group["skab"] for by_group in results.values() if "skab" in by_group)
    rows.append(["always", *(_verdict(first.always(half)) for half in halves)])
    return ["SKAB, F1 (FAR, MAR) of rows:", "", *table(["verdict", *halves], rows), ""]


def _verdict(counts: Counts | None) -> str:
    return "-" if counts is None else f"{counts.f1:.3f} ({counts.far:.1%}, {counts.mar:.1%})"


def times(results: Results) -> list[str]:
    """Return the table of CPU seconds that one pass took."""
    groups = _groups(results)
    rows = []
    for detector, by_group in results.items():
        seconds = {name: group.seconds for name, group in by_group.items()}
        cells = [f"{seconds[name]:.1f}" if name in seconds else "-" for name in groups]
        rows.append([detector, *cells, f"{sum(seconds.values()):.1f}"])
    return ["CPU seconds for one pass:", "", *table(["detector", *groups, "all"], rows), ""]


def behind(results: Results, ours: str) -> list[str]:
    """Return where another detector is ahead of ours on half B, each as chosen on half A."""
    figures = ranked(results, "B", Group.chosen)
    lines = []
    for name, mine in figures[ours].items():
        for what in ("auc", "ap"):
            ahead = {
                detector: getattr(cells[name], what) - getattr(mine, what)
                for detector, cells in figures.items()
                if name in cells and getattr(cells[name], what) > getattr(mine, what) + 5e-4
            }
            if ahead:
                by = ", ".join(
                    f"{detector} by {gap:.3f}" for detector, gap in sorted(ahead.items(), key=lambda x: -x[1])
                )
                lines.append(f"- {name}, {'ROC AUC' if what == 'auc' else 'average precision'}: {by}.")
    return lines or ["- Nowhere, on half B."]


def everything(results: Results, halves: list[str]) -> list[str]:
    """Return all tables."""
    return [
        *ranking(results, halves), *nab(results), *verdicts(results, halves),
        *(choices(results) if "B" in halves else []), *times(results),
    ]  # fmt: skip
