"""``kyori init``."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from detector.cli.say import say
from detector.errors import KyoriError

if TYPE_CHECKING:
    from detector.survey.draft import Draft

EXAMPLES = """\
  kyori init > config.yaml                              a sample to fill in
  kyori init --from pumps.csv > config.yaml             ready to run
  kyori init --from csv data/pumps.txt --output config.yaml
  kyori init --from pumps.csv --state-dir /var/lib/kyori --alerts alerts.jsonl
  kyori init --from log /var/log/nginx/access.log > config.yaml
  kyori init --from mqtt mqtt://localhost --topic 'plant/+/telemetry' > config.yaml
  kyori init --from mqtt mqtts://broker --username kyori --password-file /run/secrets/mqtt \\
    --topic 'home/+/+' --for 2m --home-assistant --output config.yaml
"""

_FILES = ("csv", "jsonl", "log")
_KINDS = (*_FILES, "mqtt")
_PASSWORD = "KYORI_MQTT_PASSWORD"  # noqa: S105 - the name of a variable


class _Mqtt(NamedTuple):
    topics: list[str]
    seconds: float
    username: str
    password_file: Path | None
    ca_file: Path | None


def init(
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="[csv|jsonl|log] FILE, mqtt URL",
            help="A file of records, a log, or a broker, to take the columns from.",
        ),
    ] = None,
    place: Annotated[str | None, typer.Argument(metavar="[FILE|URL]", hidden=True)] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Where the state is kept. [./state]")] = None,
    alerts: Annotated[
        Path | None,
        typer.Option(help="File for the alerts. [./alerts.jsonl; with mqtt only the broker is told]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Write to this new file instead of standard output.")
    ] = None,
    name: Annotated[
        str, typer.Option(help="Name of the detector, in topics and logs. [after file or topic]")
    ] = "",
    topics: Annotated[
        list[str] | None,
        typer.Option("--topic", metavar="FILTER", help="mqtt: what to listen to; each + becomes the key."),
    ] = None,
    listen: Annotated[str, typer.Option("--for", help="mqtt: how long to listen, as 30s or 5m.")] = "10s",
    username: Annotated[
        str, typer.Option(help=f"mqtt: user at the broker; its password is in {_PASSWORD}, or:")
    ] = "",
    password_file: Annotated[
        Path | None, typer.Option(help="mqtt: file with the password, mode 600.")
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="mqtts: PEM file of the authority. [the system's]")
    ] = None,
    home_assistant: Annotated[
        bool, typer.Option("--home-assistant", help="mqtt: let Home Assistant find it.")
    ] = False,
) -> None:
    """Print a commented, valid configuration.

    Without --from it is a sample. With --from it fits the data that it is shown, and runs as it is: time,
    key, numeric columns, units and counters are found by looking at the first records of a file, or at the
    messages that a broker sends within some seconds. Alerts and states go to the same broker then.
    Paths are absolute, so that it works from anywhere.
    """
    from detector.survey import text as texts  # noqa: PLC0415

    if name and not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        raise typer.BadParameter(f"--name {name}: a name has letters, digits, _ and - only")
    kind, where = _source(source, place)
    mqtt = _Mqtt(topics or [], _seconds(listen), username, password_file, ca_file)
    _check_belongs(kind, mqtt, home_assistant)
    if kind is None:
        text = texts.render_sample(str(state_dir or "./state"), str(alerts or "./alerts.jsonl"))
    else:
        draft = _draft(kind, where, name, mqtt)
        file = alerts if alerts is not None or kind == "mqtt" else Path("alerts.jsonl")
        text = texts.render(
            draft,
            str((state_dir or Path("state")).absolute()),
            None if file is None else str(file.absolute()),
            home_assistant=home_assistant,
        )
    _write(text, output)


def _source(source: str | None, place: str | None) -> tuple[str | None, str]:
    """Read ``--from FILE`` as well as ``--from csv FILE``, where FILE arrives as an argument."""
    if source is None:
        if place is not None:
            raise typer.BadParameter(f"what is {place!r} for? Write --from {place}")
        return None, ""
    if place is None:
        if source == "mqtt":
            raise typer.BadParameter("--from mqtt needs a URL, as mqtt://localhost:1883")
        if source in _FILES and not Path(source).exists():
            raise typer.BadParameter(f"--from {source} needs a FILE")
        return "auto", source
    if source not in _KINDS:
        raise typer.BadParameter(
            f"write --from FILE, --from {', '.join(_FILES)} and FILE, or --from mqtt and URL; not {source!r}"
        )
    return source, place


def _check_belongs(kind: str | None, mqtt: _Mqtt, home_assistant: bool) -> None:
    """Refuse options that would do nothing."""
    if kind == "mqtt":
        if not mqtt.topics:
            raise typer.BadParameter("--from mqtt needs --topic, as --topic 'plant/+/telemetry'")
        return
    given = {
        "--topic": mqtt.topics,
        "--username": mqtt.username,
        "--password-file": mqtt.password_file,
        "--ca-file": mqtt.ca_file,
        "--home-assistant": home_assistant,
    }
    unfit = next((option for option, value in given.items() if value), None)
    if unfit is not None:
        raise typer.BadParameter(f"{unfit} belongs to --from mqtt URL")


def _seconds(text: str) -> float:
    from connectors.options import parse_duration  # noqa: PLC0415

    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(f"--for {text}: {error}") from None
    if not seconds:
        raise typer.BadParameter("--for 0: nothing can be heard then; write 10s")
    return seconds


def _draft(kind: str, where: str, name: str, mqtt: _Mqtt) -> Draft:
    """Look at the data; what is heavy is imported only for its kind."""
    if kind == "mqtt":
        return _listen(where, name, mqtt)
    if kind == "log":
        from detector.survey.log import survey as survey_log  # noqa: PLC0415

        return survey_log(Path(where), name)
    from detector.survey.file import survey  # noqa: PLC0415

    return survey(Path(where), kind, name)


def _listen(url: str, name: str, mqtt: _Mqtt) -> Draft:
    from detector.logs import configure  # noqa: PLC0415
    from detector.survey.broker import Broker  # noqa: PLC0415
    from detector.survey.mqtt import survey  # noqa: PLC0415

    configure("critical")  # what is wrong is told by the error
    password = ""
    if mqtt.password_file is not None:
        password = f"${{file:{mqtt.password_file.absolute()}}}"
    elif mqtt.username and _PASSWORD in os.environ:
        password = f"${{{_PASSWORD}}}"
    ca = str(mqtt.ca_file.absolute()) if mqtt.ca_file is not None else ""
    draft = survey(Broker(url, mqtt.username, password, ca), mqtt.topics, mqtt.seconds, name, _progress)
    if sys.stderr.isatty():
        say("", err=True)
    return draft


def _progress(messages: int, topics: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{messages} messages of {topics} topics")
        sys.stderr.flush()


def _write(text: str, output: Path | None) -> None:
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
