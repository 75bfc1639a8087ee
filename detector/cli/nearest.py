"""``kyori nearest``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from detector.cli import options
from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from detector.labels.classes import Classes, Nearest
    from detector.labels.heldout import Confusion
    from detector.study.classed import Classed

EXAMPLES = """\
  kyori nearest pumps.csv --labels state
  kyori nearest pumps.csv --labels state --record 17
  kyori nearest pumps.csv --labels state --of new.csv --metric kissme.npz
  kyori nearest pumps.csv --labels state --output states.npz
  kyori nearest --classes states.npz --of new.csv --json | jq .records
"""


class _Answer(NamedTuple):
    classes: Classes
    confusion: Confusion
    asked: Classed | None
    rows: NDArray[np.int64]
    found: Nearest


def nearest(
    source: Annotated[
        str | None,
        typer.Argument(metavar="[INPUT]", help="CSV, JSON Lines, Parquet or .npz, also packed; - is stdin."),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(metavar="COL", help="Column that names the class of each record; empty = none."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", metavar="FILE", help="Ask for these records. Default: those without a class."),
    ] = None,
    record: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Ask for this record alone, from 1; of INPUT, it teaches nothing."
        ),
    ] = None,
    metric: Annotated[
        Path | None,
        typer.Option("--metric", metavar="FILE.npz", help="Measure in the space of this metric."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option("--classes", metavar="CLASSES.npz", help="Take these in place of INPUT and --labels."),
    ] = None,
    features: options.Features = None,
    time: options.Time = None,
    output: Annotated[
        Path | None, typer.Option("--output", metavar="CLASSES.npz", help="Write the classes to this file.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell which class a record is nearest to, and how well the classes are told apart.

    Each class is learned from its labelled rows: its own centre, covariance, and radius, within which all
    but 0.1 % of its kind lie. Distances are given in radii; a record beyond the radius of every class is
    unknown. The table at the end is of rows that the classes were not learned from.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.labels import stored  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    if classes is not None:
        if source or labels or metric or features or output:
            raise KyoriError(
                "--classes takes the place of INPUT, --labels, --metric, --features and --output; leave "
                "them out, and name records with --of"
            )
        answer = _by_saved(classes, of, record, time)
    elif source is None or labels is None:
        raise KyoriError("classes are learned from INPUT and --labels COL, or read with --classes FILE")
    else:
        answer = _by_labels(source, labels, of, record, metric, features, time)
    if output is not None:
        files.write(output, stored.to_bytes(answer.classes, answer.confusion))
    say(json.dumps(_plain(answer), indent=2) if as_json else _said(answer, one=record is not None))


def _by_saved(path: Path, of: str | None, record: int | None, time: str | None) -> _Answer:
    from detector.labels import stored  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    if of is None and record is not None:
        raise KyoriError("--record is of a file; name it with --of")
    try:
        classes, confusion = stored.from_bytes(files.read_bytes(path, stored.SIZE_LIMIT))
    except KyoriError as error:
        raise KyoriError(f"{path}: {str(error).removeprefix(f'{path}: ')}") from None
    return _answered(classes, confusion, None if of is None else _asked(of, classes, time), record)


def _by_labels(
    source: str,
    labels: str,
    of: str | None,
    record: int | None,
    metric: Path | None,
    features: str | None,
    time: str | None,
) -> _Answer:
    from detector.labels.classes import Classes  # noqa: PLC0415
    from detector.labels.heldout import held_out  # noqa: PLC0415
    from detector.study import classed  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    if of == source == "-":
        raise KyoriError("- can be read once: INPUT or --of")
    learned = None if metric is None else files.read(metric).metric
    if learned is not None and features is None:
        features = ",".join(learned.features)
    table = classed.load(source, labels, features, time)
    taught = list(table.labels)
    if of is None and record is not None:
        _check_record(record, table)
        taught[record - 1] = ""
    try:
        classes = Classes.fit(table.X, taught, table.features, learned)
        confusion = held_out(table.X, taught, table.features, learned)
    except KyoriError as error:
        raise KyoriError(f"{source}: column {labels!r}: {error}") from None
    return _answered(classes, confusion, table if of is None else _asked(of, classes, time), record)


def _asked(of: str, classes: Classes, time: str | None) -> Classed:
    from detector.study import classed  # noqa: PLC0415

    return classed.load(of, None, ",".join(classes.metric.features), time)


def _answered(classes: Classes, confusion: Confusion, asked: Classed | None, record: int | None) -> _Answer:
    import numpy as np  # noqa: PLC0415

    if asked is None:
        rows, X = np.empty(0, np.int64), np.empty((0, len(classes.metric.features)))
    elif record is not None:
        _check_record(record, asked)
        rows = np.array([record - 1])
        X = asked.X[rows]
    else:
        rows = np.flatnonzero([not label for label in asked.labels])
        X = asked.X[rows]
    order = [classes.metric.features.index(name) for name in asked.features] if asked else []
    return _Answer(classes, confusion, asked, rows, classes.nearest(X[:, np.argsort(order)] if order else X))


def _check_record(record: int, asked: Classed) -> None:
    if record > len(asked):
        raise KyoriError(f"{asked.name}: there is no record {record}; it has {len(asked)}")


def _said(answer: _Answer, *, one: bool) -> str:
    parts = []
    if one:
        parts.append(_sentence(answer))
    elif len(answer.rows):
        parts.append(_table(answer))
    parts.append(_confusion(answer))
    overlaps = [f"- {pair.text(answer.classes.names)}" for pair in answer.classes.overlaps()]
    return "\n\n".join([*parts, *(["\n".join(overlaps)] if overlaps else [])])


def _sentence(answer: _Answer) -> str:
    from detector.study.text import number  # noqa: PLC0415

    found, names, row = answer.found, answer.classes.names, int(answer.rows[0])
    first, second = int(found.nearest[0]), int(found.second[0])
    what = f"record {row + 1}"
    if first < 0:
        return f"{what} has no usable value"
    radii = [f"{number(level, 2)} radii" for level in found.level[0].tolist()]
    label = answer.asked.labels[row] if answer.asked else ""
    said = f"; its label is {label}" if label else ""
    if found.unknown[0]:
        others = f", {radii[second]} from {names[second]}" if second >= 0 else ""
        return f"{what} is far from all: {radii[first]} from {names[first]}{others}{said}"
    if second < 0:
        return f"{what} is within {names[first]} ({radii[first]}){said}"
    return (
        f"{what} is nearer to {names[first]} ({radii[first]}) than to {names[second]} ({radii[second]}){said}"
    )


def _table(answer: _Answer) -> str:
    from detector.study.text import bold, number, table  # noqa: PLC0415

    found, names = answer.found, answer.classes.names
    head = ["record", "nearest", "radii", "distance", "second", "radii", "distance", "margin"]
    body = []
    for i, row in enumerate(answer.rows.tolist()):
        cells = [str(row + 1)]
        for c in (int(found.nearest[i]), int(found.second[i])):
            cells += (
                [names[c], number(found.level[i, c]), number(found.distance[i, c])] if c >= 0 else ["-"] * 3
            )
        body.append([*cells, number(float(found.margin[i])), *(["unknown"] if found.unknown[i] else [""])])
    first, *rest = table([*head, ""], body).split("\n")
    return "\n".join([bold(first), *rest])


def _confusion(answer: _Answer) -> str:
    from detector.study.text import bold, percent, table  # noqa: PLC0415

    names, confusion, metric = answer.classes.names, answer.confusion, answer.classes.metric
    body = [[name, *map(str, counts)] for name, counts in zip(names, confusion.counts.tolist(), strict=True)]
    first, *rest = table(["held out, taken for", *names, "unknown"], body).split("\n")
    seen = "" if metric.algorithm == "standardize" else f"; metric {metric.id} may have seen these rows"
    right = f"{percent(confusion.accuracy)} of {confusion.counts.sum()} rows right{seen}"
    return "\n".join([bold(first), *rest, right])


def _plain(answer: _Answer) -> object:
    from detector.study.text import plain  # noqa: PLC0415

    classes, confusion, found = answer.classes, answer.confusion, answer.found
    names = classes.names

    def named(c: int) -> str | None:
        return names[c] if c >= 0 else None

    return plain(
        {
            "features": list(classes.metric.features),
            "metric": classes.metric.id,
            "classes": [
                {"name": name, "rows": int(count)}
                for name, count in zip(names, classes.count.tolist(), strict=True)
            ],
            "records": [
                {
                    "record": row + 1,
                    "nearest": named(int(found.nearest[i])),
                    "second": named(int(found.second[i])),
                    "margin": float(found.margin[i]),
                    "unknown": bool(found.unknown[i]),
                    "distance": dict(zip(names, found.distance[i].tolist(), strict=True)),
                    "radii": dict(zip(names, found.level[i].tolist(), strict=True)),
                }
                for i, row in enumerate(answer.rows.tolist())
            ],
            "confusion": [
                {"class": name, "taken_for": dict(zip((*names, "unknown"), counts, strict=True))}
                for name, counts in zip(names, confusion.counts.tolist(), strict=True)
            ],
            "accuracy": confusion.accuracy,
            "overlaps": [
                {
                    "classes": [names[pair.first], names[pair.second]],
                    "bhattacharyya": pair.distance,
                    "error": pair.error,
                    "advice": pair.text(names),
                }
                for pair in classes.overlaps()
            ],
        }
    )
