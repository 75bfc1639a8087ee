"""The way in: a file or a text becomes a `Config`, or a `ConfigError` that tells everything.

Relative paths begin at the directory of the file. Which options of a connector are paths is agreed
by name: ``path`` and ``paths``, and ``ca``, ``cert`` and ``key`` inside ``tls``; they are made
absolute before the connector's model sees them. The model is also given the directory, as
``base`` in pydantic's validation context.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ValidationError

from detector.config.checks import (
    cases_meet,
    distances_exist,
    heartbeats_meet,
    names_meet,
    turned_values,
)
from detector.config.explain import Report, secret_places
from detector.config.models import Config, Connector, File
from detector.config.secrets import fill
from detector.config.server import Server
from detector.config.watched import digest
from detector.config.words import Where, shown, suggestion
from detector.config.yaml import MAX_BYTES, read
from detector.errors import ConfigError, Problem

Registry = Mapping[str, type[BaseModel]]
"""Type name of a connector to the model of its options."""

_NONE: Registry = MappingProxyType({})
_TLS_PATHS = ("ca", "cert", "key")


def load(
    path: str | Path,
    sources: Registry,
    sinks: Registry,
    distances: Collection[str],
    commands: Registry = _NONE,
    fleet: Registry = _NONE,
) -> Config:
    """Read and check a configuration file.

    Parameters
    ----------
    path : str or Path
        The file.
    sources, sinks, commands, fleet : mapping of str to model
        Models of the options, by type name. A model need not have a field ``type``.
    distances : collection of str
        Known distances.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    file = Path(path)
    try:
        with file.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        problem = Problem(
            "", f"cannot be read: {reason}", "`kyori init` prints a configuration to begin with"
        )
        raise ConfigError([problem], str(path)) from None
    return load_text(
        raw, str(path), sources, sinks, distances, base=file.absolute().parent, commands=commands, fleet=fleet
    )


def load_text(
    text: str | bytes,
    name: str,
    sources: Registry,
    sinks: Registry,
    distances: Collection[str],
    base: Path | None = None,
    environ: Mapping[str, str] | None = None,
    commands: Registry = _NONE,
    fleet: Registry = _NONE,
) -> Config:
    """Do what `load` does for a text; `name` stands for the file in errors.

    Parameters
    ----------
    base : Path, optional
        Where relative paths begin; by default the working directory.
    environ : mapping, optional
        In place of the process's environment.
    """
    base = Path.cwd() if base is None else base
    document = read(text, name)
    data, secrets, problems = fill(document.data, document.lines, base, environ)
    report = Report(data, document.lines, secrets)
    found = _Found(report, base)
    file = found.file()
    connectors = {
        "sources": found.connectors("sources", sources),
        "outputs": found.connectors("outputs", sinks),
    }
    commanded, fleet_of = found.alone("commands", commands), found.alone("fleet", fleet)
    found.findings(names_meet(data))
    found.findings(cases_meet(data))
    found.findings(heartbeats_meet(data))
    found.findings(distances_exist(data, distances))
    # What could not be filled in was reported already; it is empty now, and wrong for that reason only.
    unfilled = {problem.path for problem in problems}
    problems += [problem for problem in found.problems if problem.path not in unfilled]
    if problems or file is None:
        raise ConfigError(sorted(problems, key=lambda problem: problem.line or 0), name)
    return Config(
        name=file.name,
        state_dir=_absolute(base, file.state_dir),
        pipelines=file.pipelines,
        sources=connectors["sources"],
        outputs=connectors["outputs"],
        commands=commanded,
        server=file.server,
        heartbeat=file.heartbeat,
        log=file.log,
        tests=file.tests,
        watch=file.reload.watch,
        watchdog=None if file.watchdog == "off" else file.watchdog,
        dead_letter=None if file.dead_letter is None else _absolute(base, file.dead_letter),
        file=name,
        digest=digest(text),
        data=data,
        redacted=secrets.masked(data),
        problem=report.problem,
        fleet=fleet_of,
    )


class _Found:
    """The models that could be read, and the problems of those that could not."""

    def __init__(self, report: Report, base: Path) -> None:
        self.report, self.base = report, base
        self.problems: list[Problem] = []

    def findings(self, findings: Iterable[tuple[Any, str, str]]) -> None:
        self.problems += [self.report.problem(*finding) for finding in findings]

    def file(self) -> File | None:
        served = self.report.data.get("server") if isinstance(self.report.data, dict) else None
        self.report.secrets.places |= secret_places(Server, served, ("server",))
        try:
            file = File.model_validate(self.report.data, context={"base": self.base})
        except ValidationError as error:
            self.problems += self.report.sentences(error, File)
            return None
        self.findings(turned_values(self.report.data, file, self.report.secrets.places))
        return file

    def connectors(self, kind: str, registry: Registry) -> dict[str, Connector]:
        entries = self.report.data.get(kind)
        read = {
            name: self._connector((kind, name), kind.removesuffix("s"), entry, registry)
            for name, entry in (entries.items() if isinstance(entries, dict) else ())
            if isinstance(entry, dict)
        }
        return {name: connector for name, connector in read.items() if connector is not None}

    def alone(self, kind: str, registry: Registry) -> Connector | None:
        """Return what there is one of."""
        entry = self.report.data.get(kind)
        if not isinstance(entry, dict):
            return None
        return self._connector((kind,), kind, entry, registry)

    def _connector(
        self, where: Where, word: str, entry: dict[str, Any], registry: Registry
    ) -> Connector | None:
        type_name = entry.get("type")
        if type_name is None:
            self.findings([((*where, "type"), "is missing", f"add one of: {', '.join(sorted(registry))}")])
            return None
        if not isinstance(type_name, str) or type_name not in registry:
            message = f"there is no type of {word} {shown(type_name)}"
            self.findings([((*where, "type"), message, suggestion(str(type_name), registry))])
            return None
        model = registry[type_name]
        self.report.secrets.places |= secret_places(model, entry, where)
        given = {key: value for key, value in entry.items() if key != "type" or "type" in model.model_fields}
        try:
            options = model.model_validate(_with_paths(given, self.base), context={"base": self.base})
        except ValidationError as error:
            self.problems += self.report.sentences(error, model, where)
            return None
        self.findings(turned_values(given, options, self.report.secrets.places, where))
        return Connector(type_name, options)


def _with_paths(options: dict[str, Any], base: Path) -> dict[str, Any]:
    """Return the options with their paths made absolute."""
    # `paths` may hold wildcards; the directory's own name may not.
    places = {"path": base, "paths": Path(glob.escape(str(base)))}
    changed = {key: _each_absolute(folder, options[key]) for key, folder in places.items() if key in options}
    tls = options.get("tls")
    if isinstance(tls, dict):
        changed["tls"] = tls | {key: _each_absolute(base, tls[key]) for key in _TLS_PATHS if key in tls}
    return options | changed


def _each_absolute(base: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_each_absolute(base, item) for item in value]
    return str(_absolute(base, value)) if isinstance(value, str) and value else value


def _absolute(base: Path, path: str) -> Path:
    # normpath, for `Path` keeps the ./ and ../ that people write, and they confuse readers of logs.
    return Path(os.path.normpath(base / path))
