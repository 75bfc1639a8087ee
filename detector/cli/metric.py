"""``kyori metric``: learn one, look at one, compare two."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from detector.cli import options
from detector.cli.say import say
from detector.errors import MetricError

if TYPE_CHECKING:
    from detector.metric.learned import Metric
    from detector.study.labelled import Labelled
    from detector.training import Job, Limits, Outcome

app = typer.Typer(help="Learn a metric from labels, look at it, and compare two.", no_args_is_help=True)

LEARN = """\
  kyori metric learn history.csv --labels fault
  kyori metric learn history.csv --labels fault --algorithm mmc --output pumps.npz
  kyori metric learn history.csv --labels fault --config config.yaml --pipeline pumps
  kyori metric learn tutorial.csv --labels label --algorithm auto --json | jq .comparison
"""
SHOW = """\
  kyori metric show pumps.metric.npz
  kyori metric show pumps.metric.npz --json | jq .M
"""
COMPARE = """\
  kyori metric compare old.npz new.npz
  kyori metric compare old.npz new.npz later.csv --labels fault
"""
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "MIB": 1 << 20, "GIB": 1 << 30}
_LEAST_MEMORY = 400_000_000
_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Labels = Annotated[
    str, typer.Option("--labels", metavar="COL", help="Column of the labels; of an .npz file, an array.")
]
_File = Annotated[Path, typer.Argument(metavar="FILE", help="A metric, as `kyori metric learn` writes it.")]


@app.command(epilog=f"\b\nExamples:\n{LEARN}")
def learn(
    source: options.Source,
    labels: _Labels,
    algorithm: Annotated[
        str,
        typer.Option(
            "--algorithm",
            help="mmc, mmc_diagonal, lmnn, itml, nca, lfda, rca, mlkr, sdml, lsml, scml, covariance, kissme, "
            "or auto: the best of those that are quick.",
        ),
    ] = "auto",
    output: Annotated[
        Path | None, typer.Option("--output", metavar="FILE", help="Default: INPUT.metric.npz, here.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take the features from this configuration.")
    ] = None,
    pipeline: options.Pipeline = None,
    features: options.Features = None,
    key: Annotated[
        str | None, typer.Option("--key", metavar="COL", help="A column that is no feature.")
    ] = None,
    time: options.Time = None,
    time_limit: Annotated[str, typer.Option(help="It ends after this, as 90s or 10m.")] = "120s",
    memory: Annotated[str, typer.Option(help="Most address space, as 2GB.")] = "2GB",
    max_rows: Annotated[int, typer.Option(min=10, help="Draw so many records from more.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of all that is drawn.")] = 0,
    margin: Annotated[
        float, typer.Option(min=0.0, help="By how much it must exceed both baselines to be promoted.")
    ] = 0.02,
    as_json: _Json = False,
) -> None:
    """Learn a metric from labels, in a process with limits, and compare it with none and with whitening.

    Normal is a label that is empty, -, 0, false or normal. If there is but one other, what is compared is the
    average precision on held-out records; with more, or if none is normal, the accuracy of a 3-NN classifier;
    mlkr learns from numbers. The metric is promoted only if its figure exceeds both baselines by the margin;
    the file is written either way, and says so. Exits 1 if nothing was learned.
    """
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study.history import Choice  # noqa: PLC0415
    from detector.study.labelled import load  # noqa: PLC0415
    from detector.training import files, start  # noqa: PLC0415

    limits = _limits(time_limit, memory, max_rows)
    path = output or Path(_stem(source) + ".metric.npz")
    found = load(Choice(source, config, pipeline, key, time, features, labels))
    y = found.numbers() if algorithm == "mlkr" else found.classes()[0]
    job = start(found.X, y, found.features, algorithm, limits, seed=seed, margin=margin)
    outcome = _awaited(job)
    if outcome.metric is not None:
        from detector.metric import archive  # noqa: PLC0415

        files.write(path, archive.to_bytes(outcome.metric, outcome.comparison))
    _tell(outcome, path, found.complete, len(found.texts), as_json=as_json)
    if outcome.metric is None:
        raise MetricError(f"nothing was learned: {outcome.failure}")


def _limits(time_limit: str, memory: str, max_rows: int) -> Limits:
    from detector.training import Limits  # noqa: PLC0415
    from detector.written import parse_duration  # noqa: PLC0415

    try:
        seconds = parse_duration(time_limit)
    except ValueError as error:
        raise typer.BadParameter(f"{time_limit}: {error}", param_hint="--time-limit") from None
    found = re.fullmatch(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", memory.strip())
    size = float(found[1]) * _UNITS.get(found[2].upper(), 0) if found else 0.0
    if not _LEAST_MEMORY <= size < 1e15:
        said = f"{memory}: write 400MB or more, as 2GB; the libraries alone take 300MB"
        raise typer.BadParameter(said, param_hint="--memory")
    return Limits(float(seconds), int(size), max_rows)  # type: ignore[arg-type]


def _stem(source: str) -> str:
    return "stdin" if source == "-" else Path(Path(source).name.removesuffix(".gz")).stem


def _awaited(job: Job) -> Outcome:
    """Return the outcome, showing how far it is; whatever ends us ends the job."""
    from detector.study.replay import progress  # noqa: PLC0415

    shown, whole = 0, 1000
    try:
        with progress(whole, "learning") as advance:
            while (outcome := job.wait(0.1)) is None:
                done = whole * job.progress.done // max(job.progress.total, 1)
                advance(done - shown)
                shown = done
    finally:
        job.cancel()
    return outcome


def _tell(outcome: Outcome, path: Path, complete: int, records: int, *, as_json: bool) -> None:
    from detector.metric.archive import Stored  # noqa: PLC0415
    from detector.study import learned, text  # noqa: PLC0415

    metric, comparison = outcome.metric, outcome.comparison
    if as_json:
        told: dict[str, Any] = {
            "output": str(path) if metric else None,
            "records": records,
            "complete": complete,
            "failure": outcome.failure,
            "metric": metric and learned.plain(Stored(metric)),
            "comparison": comparison and learned.plain_comparison(comparison),
        }
        say(json.dumps(text.plain(told), indent=2))
        return
    if complete < records:
        say(f"{records - complete} of {records} records lack a value and were left out", err=True)
    if comparison is not None:
        say(learned.compared(comparison))
    if metric is not None:
        say(f"{path}: {metric.id}, rank {metric.rank} of {len(metric.features)}")


@app.command(epilog=f"\b\nExamples:\n{SHOW}")
def show(file: _File, as_json: _Json = False) -> None:
    """Show a metric: features, rank, spectrum, figures, and the largest entries of its matrix M."""
    from detector.study import learned  # noqa: PLC0415
    from detector.study.text import plain  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    stored = files.read(file)
    if as_json:
        say(json.dumps(plain(learned.plain(stored)), indent=2))
    else:
        say(learned.described(stored))


@app.command(epilog=f"\b\nExamples:\n{COMPARE}")
def compare(
    first: _File,
    second: _File,
    source: Annotated[
        str | None, typer.Argument(metavar="[INPUT]", help="Labelled records that neither has seen.")
    ] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", metavar="COL", help="Column of its labels.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Take the features from this configuration.")
    ] = None,
    pipeline: options.Pipeline = None,
    as_json: _Json = False,
) -> None:
    """Say how two metrics differ, and with labelled records how well each tells them apart.

    The records are dealt into folds, each judged by its distance from what the other folds know; the metrics
    themselves are not learned anew, so give records that they were not learned from.
    """
    if (source is None) != (labels is None):
        raise typer.BadParameter("INPUT and --labels go together")
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    from detector.study import learned  # noqa: PLC0415
    from detector.study.text import plain  # noqa: PLC0415
    from detector.training import files  # noqa: PLC0415

    metrics = [files.read(path).metric for path in (first, second)]
    by, measured = "", list[float]()
    if source is not None:
        from detector.study.history import Choice  # noqa: PLC0415
        from detector.study.labelled import load  # noqa: PLC0415

        by, measured = _measured(metrics, load(Choice(source, config, pipeline, labels=labels)))
    if as_json:
        told = learned.difference(*metrics) | ({by: measured} if by else {})
        say(json.dumps(plain({"id": [one.id for one in metrics], **told}), indent=2))
        return
    say(learned.differing(*metrics))
    for path, figure in zip((first, second), measured, strict=False):
        say(f"{path}: {by.replace('_', ' ')} {figure:.3f} on {source}")


def _measured(metrics: list[Metric], found: Labelled) -> tuple[str, list[float]]:
    """Return by which figure, and that of each metric on all records that lack no value."""
    import numpy as np  # noqa: PLC0415

    from detector.metric.compare import figure_for, measure  # noqa: PLC0415

    rows = np.isfinite(found.X).all(axis=1)
    X, y = found.X[rows], found.classes()[0][rows]
    return figure_for(y), [measure(metric.aligned(found.features), X, y) for metric in metrics]
