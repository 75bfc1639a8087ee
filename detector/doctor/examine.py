"""Everything that there is to look at, in order."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from detector.config.models import Config
from detector.doctor import folder, inputs, machine, stored
from detector.doctor.finding import Finding
from detector.registry import warnings


def examine(config: Config, now: Callable[[], float] = time.time) -> Iterator[Finding]:
    """Yield what is found, as it is found; trying connections may take ten seconds each."""
    state = config.state_dir
    yield from machine.clock(now())
    yield from machine.python()
    yield from machine.compiled()
    watched = [one for source in config.sources.values() for one in getattr(source.options, "paths", ())]
    yield from machine.open_files(sum(len(inputs.matching(pattern)) for pattern in watched))
    for warning in warnings(config):
        yield Finding("config", f"{warning.path}: {warning.message}", warning.remedy, "note")
    yield from folder.directory(state)
    yield from folder.leftovers(state)
    process = folder.holder(state)
    yield from folder.daemon(state, process)
    running = process is not None
    before = dict(_read(config, state, running))
    for name, found in before.items():
        if isinstance(found, Finding):
            yield found
        else:
            yield from stored.pipeline(name, config.pipelines[name], found, now())
    yield from inputs.files(config)
    yield from inputs.losses(config)
    yield from inputs.ports(config, running)
    yield from inputs.dead_letters(config)
    yield from inputs.connections(config)
    if running:
        yield from _rates(config, state, before)


def _read(config: Config, state: Path, running: bool) -> Iterator[tuple[str, stored.Stored | Finding]]:
    for name in config.pipelines:
        file = state / f"{name}.db"
        if not file.exists():
            continue
        try:
            yield name, stored.read(file, held=running)
        except (sqlite3.Error, OSError, ValueError) as error:
            remedy = "start kyori: damage is set aside and learning begins anew; or restore a snapshot"
            yield name, Finding("state", f"{file} cannot be read: {error}", remedy)


def _rates(config: Config, state: Path, before: dict[str, stored.Stored | Finding]) -> Iterator[Finding]:
    """Look a second time, after a second at least."""
    first = {name: one for name, one in before.items() if isinstance(one, stored.Stored)}
    if first:
        time.sleep(max(0.0, 1.0 - (time.monotonic() - min(one.at for one in first.values()))))
    for name, found in _read(config, state, running=True):
        if name in first and isinstance(found, stored.Stored):
            yield from stored.chance(name, config.pipelines[name], first[name], found)
