"""A pipeline's place in a fleet, as its configuration and its state directory say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from detector.config.models import Config
from detector.errors import FleetError
from detector.fleet.member import Channel, Member
from detector.fleet.reference import SIZE_LIMIT, Reference
from detector.pipeline import Pipeline
from detector.training import files


def imported_at(state_dir: Path, pipeline: str) -> Path:
    """Return where the reference is that `kyori models import` brought in for a pipeline."""
    return state_dir / "models" / f"{pipeline}.reference"


def member_of(config: Config, pipeline: Pipeline, state_dir: Path, channel: Channel | None) -> Member | None:
    """Return a pipeline's part in a fleet; None: there is no fleet, and nothing was imported.

    Raises
    ------
    FleetError
        Its models do not merge, or what was imported cannot be used.
    """
    path = imported_at(state_dir, pipeline.name)
    imported = files.read_bytes(path, SIZE_LIMIT) if path.exists() else b""
    if config.fleet is None and not imported:
        return None
    options: Any = config.fleet.options if config.fleet is not None else None
    if options is None:
        try:
            by_key = list(Reference.from_bytes(imported).charts) != [""] and bool(pipeline.settings.key)
            return Member(pipeline, None, imported, by_key=by_key)
        except FleetError as error:
            raise FleetError(f"{path}: {error}; import another, or remove it") from None
    return Member(
        pipeline, channel, imported,
        every=options.publish_every, warm=options.warm_start, by_key=options.match == "key",
        wait=options.wait,
    )  # fmt: skip
