"""``kyori report``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli import options
from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.study.report.make import Report

EXAMPLES = """\
  kyori data tutorial --output tutorial.csv
  kyori report tutorial.csv --labels label
  kyori report tutorial.csv --labels label --algorithm kissme --output kissme.svg
  kyori report pumps.csv --labels fault --metric pumps.npz --pair flow,pressure
  kyori report pumps.csv --labels fault --json
"""


def report(
    source: options.Source,
    labels: Annotated[
        str,
        typer.Option(metavar="COL", help="Column with the class of each record; of an .npz file, an array."),
    ],
    algorithm: Annotated[str, typer.Option("--algorithm", help="What learns the metric.")] = "mmc",
    metric: Annotated[
        Path | None,
        typer.Option("--metric", metavar="FILE.npz", help="Look at this metric, and learn none."),
    ] = None,
    features: options.Features = None,
    pair: Annotated[
        str | None,
        typer.Option("--pair", metavar="A,B", help="Features for the rings. Default: what counts most."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, max=2**32 - 1, help="Of folds and pictures.")] = 0,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help=".html or .svg. Default: INPUT.report.html."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show labelled records before and after a metric is learned, with figures, in one file.

    The file has t-SNE pictures of the records as they are, standardised, and in the learned metric; circle
    and ellipse around each class for two features; and spectrum and heat map of the metric's matrix M. The
    figures are of held-out records. It loads nothing and needs no script.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study import classed  # noqa: PLC0415
    from detector.study.replay import progress  # noqa: PLC0415
    from detector.study.report import make, page  # noqa: PLC0415
    from detector.study.report.records import sample, usable  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    path = output or Path(_stem(source) + ".report.html")
    if path.suffix.lower() not in (".html", ".htm", ".svg"):
        raise KyoriError(f"{path}: a report ends in .html or .svg")
    given = None if metric is None else files.read(metric).metric
    chosen = [name.strip() for name in pair.split(",")] if pair else []
    if given is not None and features is None:
        features = ",".join(given.features)
    found = sample(usable(classed.load(source, labels, features)), seed)
    with progress(make.STEPS, "looking") as advance:
        made = make.make(found, algorithm, given, chosen, seed, advance)
    title = f"{source}: {labels}"
    try:
        path.write_text(
            page.to_svg(made, title) if path.suffix.lower() == ".svg" else page.to_html(made, title)
        )
    except OSError as error:
        raise KyoriError(f"{path}: cannot be written: {error.strerror}") from None
    if as_json:
        say(json.dumps(_plain(made, str(path)), indent=2))
    else:
        say(_said(made, str(path)))


def _stem(source: str) -> str:
    return "stdin" if source == "-" else Path(Path(source).name.removesuffix(".gz")).stem


def _said(made: Report, path: str) -> str:
    from detector.study.report.page import HEAD, facts, rows  # noqa: PLC0415
    from detector.study.text import bold, number, table  # noqa: PLC0415

    records, metric = made.records, made.metric
    first, *rest = table(HEAD, rows(made)).split("\n")
    lines = [
        f"{len(records)} records, {len(records.features)} features, {len(records.classes)} classes; "
        f"metric {metric.id}, rank {metric.rank}, condition {number(metric.condition)}\n",
        "\n".join([bold(first), *rest]) + "\n",
        f"- {made.comparison.verdict}",
        *(f"- {line}" for line in facts(made)),
    ]
    if made.pair is not None:
        for label, ring in made.pair.rings.items():
            inside = f"the circle takes in {ring.in_circle} of {ring.others} others"
            if ring.ellipse is not None:
                inside += f", the ellipse {ring.in_ellipse}"
            lines.append(f"- {', '.join(made.pair.features)}: around class {records.classes[label]} {inside}")
    return "\n".join([*lines, f"\n{path}"])


def _plain(made: Report, path: str) -> object:
    from dataclasses import asdict  # noqa: PLC0415

    from detector.study.text import plain  # noqa: PLC0415

    records, metric, pair = made.records, made.metric, made.pair
    return plain(
        {
            "output": path,
            "records": len(records),
            "features": list(records.features),
            "classes": list(records.classes),
            "notes": list(records.notes),
            "seed": made.seed,
            "metric": {
                "id": metric.id,
                "algorithm": metric.algorithm,
                "learned_elsewhere": made.foreign,
                "rank": metric.rank,
                "condition": metric.condition,
                "spectrum": metric.spectrum.tolist(),
                "M": metric.M.tolist(),
            },
            "spaces": [
                {
                    "name": one.name,
                    "rank": one.rank,
                    **asdict(one.figures),
                    "trustworthiness": one.trustworthiness,
                }
                for one in made.spaces
            ],
            "comparison": made.comparison.to_plain(),
            "promoted": made.comparison.promoted,
            "pair": pair
            and {
                "features": list(pair.features),
                "classes": [
                    {
                        "class": records.classes[label],
                        "others": ring.others,
                        "in_circle": ring.in_circle,
                        "in_ellipse": None if ring.ellipse is None else ring.in_ellipse,
                    }
                    for label, ring in pair.rings.items()
                ],
            },
        }
    )
