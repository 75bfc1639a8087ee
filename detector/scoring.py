"""`kyori score`: a file through the pipeline, one row out for each row in."""

from __future__ import annotations

import contextlib
import csv
import glob
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, TextIO

import structlog
from pydantic import ValidationError

import connectors.sources
from connectors.decode.sniff import Sniffed, sniff
from connectors.sniffing import sniff_file
from detector.assembled import assembled
from detector.contracts import Batch, Layout, Source
from detector.errors import EndOfInput, KyoriError
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.registry import load_config
from detector.scored import COLUMNS, more, rows
from detector.settings import Detector
from detector.settings import Pipeline as Settings

log = structlog.get_logger()

_SNIFFED_BYTES = 1 << 20
_ROWS = 10_000
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(slots=True)
class Job:
    """What to score, and by what.

    Attributes
    ----------
    pipeline : Pipeline
        Has seen nothing yet.
    source : Source
        Not opened yet.
    path : Path or None
        The input; None: standard input.
    """

    pipeline: Pipeline
    source: Source
    path: Path | None


def prepare(
    name: str,
    config: Path | None,
    pipeline: str | None,
    key: str | None,
    time: str | None,
    features: str | None,
    *,
    labels: str | None = None,
    stdin: Any = None,
    detector: Mapping[str, Any] = _NOTHING,
) -> Job:
    """Find out what is in the input and how to score it.

    Parameters
    ----------
    name : str
        A path, or ``-`` for standard input.
    config, pipeline : optional
        A configuration file, and which of its pipelines.
    key, time, features : optional
        Columns; `features` separated by commas.
    labels : optional
        A column that tells the truth and is no feature.
    stdin : binary file, optional
        What ``-`` stands for, if not standard input.
    detector : mapping, optional
        Settings of the detector, in place of those of the configuration or the defaults.
    """
    if name != "-" and not Path(name).is_file():
        reason = "not a regular file; pipe it into: kyori score -" if Path(name).exists() else "no such file"
        raise KyoriError(f"{name}: {reason}")
    stream = (stdin or getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)) if name == "-" else None
    prefix = _head(stream.read, _SNIFFED_BYTES) if stream else b""
    if config is not None:
        settings = _from_config(config, pipeline, key, time, features)
    else:
        settings = _from_input(name, prefix, key, time, features, labels)
    if labels in [field.source for field in settings.record.fields]:
        raise KyoriError(f"{labels}: labels cannot be a feature, too; take it out of the features")
    if detector:
        checked = Detector.model_validate(detector)
        changed = settings.detector.model_copy(update={one: getattr(checked, one) for one in detector})
        settings = settings.model_copy(update={"detector": changed})
    made = assembled("score", settings)
    return Job(made, source_of(name, made.layout, stream, prefix), None if stream else Path(name))


def _head(read: Callable[[int], bytes | None], size: int) -> bytes:
    """Return the first bytes of a stream: enough to see many rows, less where it ends before."""
    head = b""
    while len(head) < size and (part := read(size - len(head))):
        head += part
    return head


def _from_config(
    config: Path, pipeline: str | None, key: str | None, time: str | None, features: str | None
) -> Settings:
    if key or time or features:
        raise KyoriError("--key, --time and --features are the configuration's; leave them out with --config")
    pipelines = load_config(config).pipelines
    if pipeline is None and len(pipelines) > 1:
        raise KyoriError(f"{config} has several pipelines; choose one: --pipeline {'|'.join(pipelines)}")
    if pipeline is not None and pipeline not in pipelines:
        raise KyoriError(f"{config} has no pipeline {pipeline}; it has: {', '.join(pipelines)}")
    return pipelines[pipeline or next(iter(pipelines))]


def sniffed(name: str, prefix: bytes) -> Sniffed:
    """Return what is in an input; `prefix` holds the first bytes of standard input."""
    return sniff(prefix[:_SNIFFED_BYTES], None) if name == "-" else sniff_file(Path(name))


def _from_input(
    name: str, prefix: bytes, key: str | None, time: str | None, features: str | None, labels: str | None
) -> Settings:
    """Take numeric columns as features and a column named like a time as the time."""
    found = sniffed(name, prefix)
    if found.format == "wav":
        raise KyoriError(f"{name}: a recording needs --config, with a feature that has from: waveform")
    if found.written.question and not features:
        raise KyoriError(f"{name}: {found.written.question} in a configuration, or name other --features")
    chosen = [column.strip() for column in features.split(",")] if features else list(found.numbers)
    for column in [*(chosen if features else []), *([key] if key else []), *([time] if time else [])]:
        if found.columns and column not in found.columns and column not in found.numbers:
            raise KyoriError(f"{name}: there is no column {column!r}; it has: {', '.join(found.columns)}")
    time = time or found.time
    chosen = [column for column in chosen if features or column not in (key, time, labels)]
    unused = tuple(column for column in found.labels if column != labels)
    if unused and not features:
        log.warning("label_columns_left_out", columns=unused, remedy="name them in --features to use them")
    if not chosen:
        # Nothing to score by, yet every row has its answer: refused, for want of a number.
        log.warning("no_numeric_columns", input=name, remedy="name them with --features")
        chosen = list(found.columns[:1]) or ["value"]
    try:
        return Settings.model_validate(
            {
                "key": "{" + key + "}" if key else "",
                "record": {"features": [{"name": column} for column in chosen], "time": time},
            }
        )
    except ValidationError as error:
        reasons = "; ".join(problem["msg"] for problem in error.errors())
        raise KyoriError(f"{name}: {reasons}") from None


def source_of(name: str, layout: Layout, stream: Any = None, prefix: bytes = b"") -> Source:
    """Return the source of a file, or of a `stream` whose first bytes, `prefix`, have been taken.

    How CSV is written is found out from its beginning.
    """
    written = dict(sniffed("-" if stream is not None else name, prefix).written.options)
    if stream is not None:
        from connectors.sources.stdin import StdinOptions, StreamSource  # noqa: PLC0415

        written.pop("encoding", None)
        return StreamSource("-", StdinOptions.model_validate(written), layout, stream, prefix)
    kind: Any = connectors.sources.load("file")
    source: Source = kind("input", kind.Options(paths=(glob.escape(name),), **written), layout)
    return source


def score(job: Job, output: Path | None) -> None:
    """Write one row for each row of the input, in order.

    Parameters
    ----------
    job : Job
        What `prepare` returned.
    output : Path or None
        JSON Lines if it ends in ``.jsonl``, ``.ndjson`` or ``.json``, else CSV; None: CSV to stdout.
    """
    if output is not None and job.path is not None and output.exists() and output.samefile(job.path):
        raise KyoriError(f"{output}: this is the input; give --output another name")
    try:
        _score(job, output)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise KyoriError(f"{output or 'standard output'}: cannot be written: {error.strerror}") from None


def _score(job: Job, output: Path | None) -> None:
    refused = Refused("score", None)
    with contextlib.ExitStack() as stack:
        file = stack.enter_context(_writer(output))
        write = _json_lines if output and output.suffix in (".jsonl", ".ndjson", ".json") else _csv_lines
        columns = [*COLUMNS, *more(job.pipeline)]
        if write is _csv_lines:
            file.write(",".join(columns) + "\n")
        advance = stack.enter_context(_progress(job))
        for batch in batches(job.source):
            result = job.pipeline.process(batch)
            refused.note([*batch.rejected, *result.rejected], result.faults)
            file.write(write(rows(batch, result, job.pipeline), columns))
            advance(batch)
        file.flush()


def _writer(output: Path | None) -> contextlib.AbstractContextManager[TextIO]:
    if output is not None:
        return output.open("w", encoding="utf-8", newline="")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # for a key that the terminal's encoding lacks
    return contextlib.nullcontext(sys.stdout)


def batches(source: Source) -> Iterator[Batch]:
    """Open a source, yield all it has, and close it."""
    with contextlib.closing(source):
        source.open(b"")
        while True:
            try:
                batch = source.read(_ROWS, 1.0)
            except EndOfInput:
                return
            if batch is not None:
                yield batch


def _csv_lines(rows: Sequence[Sequence[Any]], _columns: Sequence[str]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()


def _json_lines(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> str:
    return "".join(json.dumps(dict(zip(columns, row, strict=True))) + "\n" for row in rows)


@contextlib.contextmanager
def _progress(job: Job) -> Iterator[Callable[[Batch], None]]:
    """Show on a terminal how far it is; yield what is to be called after each batch."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn  # noqa: PLC0415

    columns = (TextColumn("{task.fields[rows]:,} rows"), BarColumn(), TimeElapsedColumn())
    size = job.path.stat().st_size if job.path is not None else None
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=size, rows=0)
        rows = 0

        def advance(batch: Batch) -> None:
            nonlocal rows
            rows += len(batch) + len(batch.rejected)
            offset = json.loads(batch.position or b"0")
            done = offset.get("offset", 0) if isinstance(offset, dict) else 0
            bar.update(task, completed=min(done, size or done), rows=rows)

        yield advance
