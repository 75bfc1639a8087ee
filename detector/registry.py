"""Which connectors and distances there are, for those who read configurations.

`detector.config` must not know connectors, and the command line must not import what a
configuration does not use; so option models are looked up here, each when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from connectors import sinks, sources
from detector.config.models import Config
from detector.contracts import Layout

DISTANCES = ("chebyshev", "cosine", "euclidean", "mahalanobis", "manhattan", "minkowski", "standardized")
"""The names in `detector.metric.distances`, which is not imported for them: that takes a second."""

Probe = Callable[[float], str | None]
"""Tries to connect for so many seconds; returns what is wrong, or None."""


class OptionModels(Mapping[str, type[BaseModel]]):
    """Type name of a connector to the model of its options; imports a connector when it is asked for.

    Parameters
    ----------
    names : mapping of str to str
        Type name to where the class is, as ``connectors.sources.SOURCES``.
    load : callable
        Returns the class of a type.
    """

    def __init__(self, names: Mapping[str, str], load: Callable[[str], Any]) -> None:
        self._names, self._load = names, load

    def __getitem__(self, kind: str) -> type[BaseModel]:
        if kind not in self._names:
            raise KeyError(kind)
        model: type[BaseModel] = self._load(kind).Options
        return model

    def __contains__(self, kind: object) -> bool:
        return kind in self._names

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def source_options() -> OptionModels:
    """Return the option models of all sources.

    >>> "file" in source_options()
    True
    """
    return OptionModels(sources.SOURCES, sources.load)


def sink_options() -> OptionModels:
    """Return the option models of all outputs."""
    return OptionModels(sinks.SINKS, sinks.load)


def probes(config: Config) -> Iterator[tuple[str, Probe | None]]:
    """Yield each source and output with the way to try its connection; None where there is none to try."""
    for name, source in config.sources.items():
        yield f"sources.{name}", _probe(sources.load(source.type)(name, source.options, Layout(numbers=())))
    for name, sink in config.outputs.items():
        yield f"outputs.{name}", _probe(sinks.load(sink.type)(name, sink.options))


def _probe(connector: Any) -> Probe | None:
    probe: Probe | None = getattr(connector, "probe", None)
    return probe
