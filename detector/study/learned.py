"""Learned metrics in words and tables: what one is, how it was chosen, and how two differ."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np

from detector.contracts import Floats
from detector.metric.archive import Stored
from detector.metric.comparison import FIGURES, Comparison
from detector.metric.learned import Metric
from detector.study.text import bold, number, share, table

_SHOWN = 10
_SHADES = " ░▒▓█"


def described(stored: Stored) -> str:
    """Return all there is to say of a metric."""
    metric, comparison = stored
    d = len(metric.features)
    spectrum = ", ".join(number(value) for value in metric.spectrum[:_SHOWN].tolist())
    lines = [
        f"id          {metric.id}",
        f"algorithm   {metric.algorithm}{_parameters(metric)}",
        f"features    {', '.join(metric.features)}",
        f"rank        {metric.rank} of {d}, condition {number(metric.condition)}",
        f"spectrum    {spectrum}{', ...' if d > _SHOWN else ''}",
        f"data        {metric.data or '-'}",
        f"parent      {metric.parent or '-'}",
    ]
    if comparison is None:
        lines += [f"{name:11} {value:.4g}" for name, value in metric.figures.items()]
    else:
        lines += ["", compared(comparison)]
    return "\n".join([*lines, "", heat_map(metric.M, metric.features)])


def _parameters(metric: Metric) -> str:
    return "".join(f", {name} {value}" for name, value in metric.parameters.items())


def compared(comparison: Comparison) -> str:
    """Return the table of candidates and baselines, and the verdict."""
    rows = [
        [
            one.name
            + (" only" if one.name == "standardize" else " (whiten)" if one.name == "covariance" else ""),
            share(one.figure),
            "" if one.failure else f"± {share(one.sd)}",
            "failed" if one.failure else "baseline" if one in comparison.baselines else "",
        ]
        for one in (*comparison.candidates, *comparison.baselines)
    ]
    first, *rest = table(["metric", FIGURES[comparison.by], "folds differ", ""], rows).split("\n")
    failed = [f"{one.name}: {one.failure}" for one in comparison.candidates if one.failure]
    return "\n".join([bold(first), *rest, *failed, "", comparison.verdict])


def heat_map(M: Floats, features: tuple[str, ...]) -> str:
    """Return the largest part of M as shades, and its largest entries beside the diagonal.

    >>> print(heat_map(np.array([[4.0, -2.0], [-2.0, 1.0]]), ("flow", "temp")))
    M                1   2
       1 flow      █+  ▒-
       2 temp      ▒-  ░+
    largest pair: flow and temp -2
    """
    chosen = np.sort(np.argsort(-np.diag(M), kind="stable")[:_SHOWN])
    part, largest = M[np.ix_(chosen, chosen)], float(np.abs(M).max())
    width = min(max(len(features[j]) for j in chosen), 24)
    lines = [f"{'M':{width + 8}}" + "".join(f"{i + 1:4}" for i in range(len(chosen)))]
    for i, j in enumerate(chosen.tolist()):
        cells = "".join(f"  {_shade(value / largest)}" for value in part[i].tolist())
        lines.append(f"{i + 1:4} {features[j][:width]:{width}}   {cells}")
    if len(features) > len(chosen):
        lines.append(f"the {len(chosen)} of {len(features)} features with the largest entries")
    pairs = _pairs(M)
    if pairs:
        said = [f"{features[i]} and {features[j]} {number(M[i, j])}" for i, j in pairs]
        lines.append(f"largest pair{'s' * (len(said) > 1)}: {'; '.join(said)}")
    return "\n".join(lines)


def _shade(value: float) -> str:
    step = min(int(np.ceil(abs(value) * 4.0 - 0.02)), 4)
    return _SHADES[step] + ("+" if value > 0 else "-" if value < 0 else " ") if step else " ."


def _pairs(M: Floats, most: int = 3) -> list[tuple[int, int]]:
    i, j = np.triu_indices(len(M), 1)
    order = np.argsort(-np.abs(M[i, j]), kind="stable")[:most]
    return [(int(i[k]), int(j[k])) for k in order if M[i[k], j[k]]]


def difference(one: Metric, other: Metric) -> dict[str, Any]:
    """Return what two metrics have in common and what not, as plain data.

    Both M are taken in units of their own scale and to the same trace, so that 0 = the same directions count
    the same, and 2 = nothing in common.
    """
    same = sorted(set(one.features)) == sorted(set(other.features))
    found: dict[str, Any] = {
        "features": {
            "only_first": [name for name in one.features if name not in other.features],
            "only_second": [name for name in other.features if name not in one.features],
        },
        "algorithm": [one.algorithm, other.algorithm],
        "rank": [one.rank, other.rank],
        "condition": [one.condition, other.condition],
        "data": [one.data, other.data],
        "parent": [one.parent, other.parent],
        "figures": {
            name: [one.figures.get(name), other.figures.get(name)]
            for name in dict.fromkeys([*one.figures, *other.figures])
        },
    }
    if same:
        A, B = (metric.M / np.trace(metric.M) for metric in (one, other.aligned(one.features)))
        i, j = np.triu_indices(len(A))
        order = np.argsort(-np.abs((B - A)[i, j]), kind="stable")[:5]
        found["distance"] = float(np.abs(np.linalg.eigvalsh(A - B)).sum())
        found["entries"] = [
            {
                "features": [one.features[int(i[k])], one.features[int(j[k])]],
                "first": float(A[i[k], j[k]]),
                "second": float(B[i[k], j[k]]),
            }
            for k in order
        ]
    return found


def differing(one: Metric, other: Metric) -> str:
    """Return how two metrics differ, as a table."""
    found = difference(one, other)
    rows = [
        ["algorithm", *found["algorithm"]],
        ["rank", *map(str, found["rank"])],
        ["condition", *map(number, found["condition"])],
        ["data", *(text[:12] or "-" for text in found["data"])],
        ["parent", *(text or "-" for text in found["parent"])],
    ]
    rows += [
        [name, *("-" if value is None else f"{value:.4g}" for value in values)]
        for name, values in found["figures"].items()
    ]
    lines = [table(["", one.id, other.id], rows)]
    for side, names in found["features"].items():
        if names:
            lines.append(f"only in the {side.removeprefix('only_')}: {', '.join(names)}")
    if "entries" in found:
        said = f"\nM of trace 1: they differ by {found['distance']:.3f} (0 = the same, 2 = nothing in common)"
        changed = [
            [", ".join(dict.fromkeys(entry["features"])), f"{entry['first']:.3f}", f"{entry['second']:.3f}"]
            for entry in found["entries"]
        ]
        lines += [said, table(["largest changes", one.id, other.id], changed)]
    return "\n".join(lines)


def plain(stored: Stored) -> dict[str, Any]:
    """Return a metric as JSON can hold it."""
    metric, comparison = stored
    return {
        "id": metric.id,
        "algorithm": metric.algorithm,
        "parameters": dict(metric.parameters),
        "features": list(metric.features),
        "rank": metric.rank,
        "condition": metric.condition,
        "spectrum": metric.spectrum.tolist(),
        "M": metric.M.tolist(),
        "mean": metric.mean.tolist(),
        "scale": metric.scale.tolist(),
        "data": metric.data,
        "parent": metric.parent,
        "figures": dict(metric.figures),
        "comparison": comparison and plain_comparison(comparison),
    }


def plain_comparison(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as JSON can hold it."""
    return {
        **comparison.to_plain(),
        "chosen": comparison.chosen.name,
        "promoted": comparison.promoted,
        "verdict": comparison.verdict,
    }


def day(seconds: float) -> str:
    """Return a time for a table, in UTC.

    >>> day(0.0)
    '1970-01-01 00:00'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
