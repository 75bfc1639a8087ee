"""``kyori init``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from detector.cli.say import say
from detector.errors import KyoriError
from detector.survey import text as sample

if TYPE_CHECKING:
    from detector.survey.file import Survey

EXAMPLES = """\
  kyori init > config.yaml                              a sample to fill in
  kyori init --from pumps.csv > config.yaml             ready to run
  kyori init --from csv data/pumps.txt --output config.yaml
  kyori init --from pumps.csv --state-dir /var/lib/kyori --alerts alerts.jsonl
"""

_KINDS = ("csv", "jsonl")


def init(
    source: Annotated[
        str | None,
        typer.Option(
            "--from", metavar="[csv|jsonl] FILE", help="A file of records to take the columns from."
        ),
    ] = None,
    file: Annotated[str | None, typer.Argument(metavar="[FILE]", hidden=True)] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where the state is kept. [./state]")] = None,
    alerts: Annotated[Path | None, typer.Option(help="File for the alerts. [./alerts.jsonl]")] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this new file instead of standard output.")
    ] = None,
) -> None:
    """Print a commented, valid configuration.

    Without --from it is a sample. With --from it fits a file: its time, key and numeric columns are
    found by looking at its first records. Paths are absolute then, so that it works from anywhere.
    """
    survey = _survey(source, file)
    text = sample.render(
        survey,
        state_dir=_place(state_dir, "state", survey),
        alerts=_place(alerts, "alerts.jsonl", survey),
    )
    if output is None:
        say(text, nl=False)
        return
    try:
        with output.open("x", encoding="utf-8") as new:
            new.write(text)
    except FileExistsError:
        raise KyoriError(f"{output} exists already; remove it, or give --output another name") from None
    except OSError as error:
        raise KyoriError(f"{output} cannot be written: {(error.strerror or '').lower()}") from error


def _survey(source: str | None, file: str | None) -> Survey | None:
    """Read ``--from FILE`` as well as ``--from csv FILE``, where FILE arrives as an argument."""
    if source is None:
        if file is not None:
            raise typer.BadParameter(f"what is {file!r} for? Write --from {file}")
        return None
    kind = source if file is not None else "auto"
    if file is not None and source not in _KINDS:
        raise typer.BadParameter(
            f"write --from FILE, or --from {' or '.join(_KINDS)} and FILE; not {source!r}"
        )
    if file is None and source in _KINDS and not Path(source).exists():
        raise typer.BadParameter(f"--from {source} needs a FILE")
    from detector.survey.file import survey  # noqa: PLC0415

    return survey(Path(file or source), kind)


def _place(given: Path | None, default: str, survey: Survey | None) -> str:
    """Return what to write for a path; only the sample's own are relative."""
    if given is None and survey is None:
        return f"./{default}"
    return str((given or Path(default)).absolute())
