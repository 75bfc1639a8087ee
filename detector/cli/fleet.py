"""What ``kyori models merge``, ``export`` and ``import`` do with what models have learned."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from detector.cli import options
from detector.cli.say import say
from detector.errors import FleetError, KyoriError
from detector.fleet.assembled import imported_at
from detector.fleet.merging import as_one, merged, newest
from detector.fleet.reference import Reference
from detector.fleet.states import is_reference, read
from detector.training import files

if TYPE_CHECKING:
    from detector.config.models import Config
    from detector.pipeline import Pipeline

__all__ = ["broker", "export", "import_", "import_from", "is_reference", "merge"]

_PASSWORD = "KYORI_MQTT_PASSWORD"  # noqa: S105 - the name of a variable
_WITHIN_S = 15.0
_LOOK_S = 0.1


@dataclass(frozen=True, slots=True)
class Place:
    """A topic at a broker, and the options of a connection to it."""

    topic: str
    options: dict[str, Any]

    def channel(self, client_id: str) -> Any:
        """Return a way to it; not opened yet."""
        from pydantic import ValidationError  # noqa: PLC0415

        import connectors.fleet  # noqa: PLC0415

        kind = connectors.fleet.load("mqtt")
        try:
            return kind(kind.Options(client_id=client_id, topic=self.topic, **self.options))
        except ValidationError as error:
            said = "; ".join(
                one["msg"].removeprefix("Value error, ") for one in error.errors(include_input=False)
            )
            raise KyoriError(f"the address of the fleet: {said}") from None


def broker(url: str | None, username: str, password_file: Path | None, ca_file: Path | None) -> Place | None:
    """Return the place at a broker that a url names, as mqtt://host:port/topic; None: there is no url."""
    if url is None:
        return None
    from detector.survey.broker import Broker  # noqa: PLC0415

    parts = urlsplit(url)
    topic = parts.path.strip("/")
    if not topic:
        raise KyoriError(
            "the url names no topic; write mqtt://HOST:PORT/TOPIC, as mqtt://broker/kyori/fleet/pumps"
        )
    password = f"${{file:{password_file.absolute()}}}" if password_file is not None else ""
    if username and not password and _PASSWORD in os.environ:
        password = f"${{{_PASSWORD}}}"
    ca = str(ca_file.absolute()) if ca_file is not None else ""
    at = Broker(f"{parts.scheme}://{parts.netloc}", username, password, ca).connection()
    return Place(topic, at.model_dump(exclude={"client_id"}, exclude_unset=True))


def merge(
    inputs: Sequence[Path], output: Path, as_key: str | None, config: Path, pipeline: str | None
) -> None:
    """Merge what these hold into a file."""
    found: list[Reference] = []
    for path in inputs:
        if path.is_file() and is_reference(path):
            found.append(_exported(path))
        else:
            found.append(read(path, _pipeline(config, pipeline)[1]))
    kept, dropped = newest(found)
    for one in dropped:
        say(f"left out: {one}", err=True)
    together = merged(kept)
    together = together if as_key is None else as_one(together, as_key)
    files.write(output, together.to_bytes())
    say(f"{output}: {_told(together)}")


def export(
    file: Path | None,
    place: Place | None,
    key: str | None,
    as_key: str | None,
    unit: str | None,
    config: Path,
    pipeline: str | None,
) -> None:
    """Give away what a pipeline's models have learned: into a file, or to a broker."""
    checked, models = _pipeline(config, pipeline)
    found = read(checked.state_dir, models)
    if key is not None:
        if key not in found.charts:
            raise FleetError(
                f"there is no model of {key} that has learned anything; there are: {_some(found)}"
            )
        found = replace(found, charts={key: found.charts[key]})
    if as_key is not None:
        found = as_one(found, as_key)
    named = unit or (checked.fleet.options.client_id if checked.fleet is not None else checked.name)  # type: ignore[attr-defined]
    ((_, learned),) = found.units.items()
    found = replace(found, units={named: learned})
    data = found.to_bytes()
    if file is not None:
        files.write(file, data)
        say(f"{file}: {_told(found)}")
    if place is not None:
        channel = place.channel(f"{named}-export")
        channel.unit = named
        _with_broker(channel, lambda: channel.give(models.name, data), lambda: channel.taken)
        say(f"{place.topic}/{named}: {_told(found)}")


def import_(file: Path, config: Path, pipeline: str | None) -> None:
    """Let new models of a pipeline begin with what is in a file."""
    checked, models = _pipeline(config, pipeline)
    _bring_in(_exported(file), checked, models)


def import_from(place: Place | None, config: Path, pipeline: str | None) -> None:
    """Do the same with what the units of a fleet have given to a broker."""
    if place is None:
        return
    from detector.fleet.gathered import Gathered  # noqa: PLC0415
    from detector.fleet.giving import shape_of  # noqa: PLC0415
    from detector.logs import configure  # noqa: PLC0415

    configure("warning")
    checked, models = _pipeline(config, pipeline)
    heard: list[tuple[str, bytes]] = []
    channel = place.channel(f"{checked.name}-import")
    channel.join(models.name, lambda unit, data, _retained: heard.append((unit, data)))
    _with_broker(channel, lambda: None, lambda: channel.complete(models.name))
    gathered = Gathered(models.name, shape_of(models))
    for unit, data in heard:
        gathered.take(unit, data)
    if not gathered.units:
        raise FleetError(f"no unit has given anything below {place.topic} that this pipeline can use")
    _bring_in(merged(list(gathered.units.values())), checked, models)


def _with_broker(channel: Any, do: Callable[[], None], done: Callable[[], bool]) -> None:
    """Open a channel, do something, wait until it is done, and close it."""
    try:
        channel.open()
        end, begun = time.monotonic() + _WITHIN_S, False
        while not (begun and done()):
            if channel.connected and not begun:
                do()
                begun = True
            if channel.failure or time.monotonic() > end:
                raise KyoriError(f"{channel.options.url}: {channel.failure or channel.problem}")
            time.sleep(_LOOK_S)
    finally:
        channel.close()


def _bring_in(found: Reference, checked: Config, models: Pipeline) -> None:
    from detector.durable import make_folder  # noqa: PLC0415
    from detector.fleet.giving import shape_of  # noqa: PLC0415

    if differs := found.shape.differs(shape_of(models)):
        raise FleetError(f"it is of another pipeline than {models.name}: {differs}")
    path = imported_at(checked.state_dir, models.name)
    make_folder(path.parent, 0o750)
    files.write(path, found.to_bytes())
    say(f"imported: {_told(found)}; keys without a model begin with it from the next start on")


def _exported(path: Path) -> Reference:
    from detector.fleet.reference import SIZE_LIMIT  # noqa: PLC0415

    try:
        return Reference.from_bytes(files.read_bytes(path, SIZE_LIMIT))
    except FleetError as error:
        raise FleetError(f"{path}: {error}") from None


def _pipeline(config: Path, pipeline: str | None) -> tuple[Config, Pipeline]:
    from detector.pipeline import Pipeline  # noqa: PLC0415
    from detector.registry import load_config  # noqa: PLC0415

    checked = load_config(config)
    name = options.chosen(config, pipeline, list(checked.pipelines))
    return checked, Pipeline(name, checked.pipelines[name])


def _told(found: Reference) -> str:
    units, keys = len(found.units), len(found.charts)
    return f"{found.records:,.0f} records of {units} unit{'s' * (units != 1)}, {keys} key{'s' * (keys != 1)}"


def _some(found: Reference) -> str:
    return ", ".join(list(found.charts)[:10]) or "none"
