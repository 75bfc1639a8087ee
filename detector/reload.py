"""What a changed configuration means for a daemon that runs: which pipelines end, begin, and go on.

Everything that can be checked is checked here, before anything that runs is touched.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from detector.config.models import Config
from detector.errors import ConfigError
from detector.keeper import check
from detector.pipeline import Pipeline
from detector.prepared import Prepared
from detector.registry import load_config


@dataclass(frozen=True, slots=True)
class Change:
    """From one configuration to the next.

    Attributes
    ----------
    config : Config
        The new one.
    stopped, kept : list of str
        Pipelines that end, as they are changed or gone, and those that go on untouched.
    prepared : dict of str to Prepared
        New and changed pipelines.
    """

    config: Config
    stopped: list[str]
    kept: list[str]
    prepared: dict[str, Prepared]


def changed(
    old: Config, running: Mapping[str, Pipeline], prepare: Callable[[Config, str], Prepared]
) -> Change:
    """Read the file of a configuration again, check all of it, and compare.

    Parameters
    ----------
    old : Config
        The configuration in force.
    running : mapping of str to Pipeline
        What runs by it.
    prepare : callable
        Makes a pipeline of a configuration.

    Raises
    ------
    ConfigError
        With everything that is wrong.
    """
    new = load_config(old.file)
    _check_fixed(old, new)
    check(new)
    kept = [name for name in new.pipelines if name in running and _parts(old, name) == _parts(new, name)]
    prepared = {name: prepare(new, name) for name in new.pipelines if name not in kept}
    for name, pipeline in prepared.items():
        pipeline.check_history(running.get(name))
    return Change(new, [name for name in running if name not in kept], kept, prepared)


def _check_fixed(old: Config, new: Config) -> None:
    """Refuse what a daemon cannot change while it runs."""
    problems = [
        new.problem((setting,), f"was {before} and is {after} now: that needs a restart", "restart kyori")
        for setting, before, after in (
            ("name", old.name, new.name),
            ("state_dir", old.state_dir, new.state_dir),
            ("fleet", "one", "one" if old.fleet == new.fleet else "another"),
        )
        if before != after
    ]
    if problems:
        raise ConfigError(problems, new.file)


def _parts(config: Config, name: str) -> tuple[object, ...]:
    """Return all that a pipeline is made from."""
    settings = config.pipelines[name]
    sources = {source: config.sources[source] for source in settings.sources}
    outputs = {output: config.outputs[output] for output in settings.outputs}
    beats = config.heartbeat if config.heartbeat and outputs.keys() & set(config.heartbeat.outputs) else None
    return settings, sources, outputs, config.dead_letter, config.server is not None, beats
