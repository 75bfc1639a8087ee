"""Whatever the bytes are, only the documented errors come out.

Each file but `__main__`, `mutants` and the tests is a target: a function ``one(data)`` that raises
where an undocumented error came out or a promise was broken, and `SEEDS` to begin with. `make fuzz`
lets atheris search for such bytes, `make test` a simple mutator.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import NamedTuple

NAMES = (
    *("alerts", "classes", "codec", "config", "decoders", "finished", "fleet", "keys_and_times", "labels"),
    *("lines", "logs", "metrics", "npz", "packed", "tables", "waves"),
)


class Target(NamedTuple):
    """A target's function, and bytes that it takes without complaint."""

    one: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def target(name: str) -> Target:
    """Return a target by its file's name."""
    module = import_module(f"tests.fuzz.{name}")
    return Target(module.one, module.SEEDS)
