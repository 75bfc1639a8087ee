"""Has every kernel of the kyori at hand compiled, into NUMBA_CACHE_DIR or beside the sources.

Two processes share it, as one of them takes half of the time for the default detector alone; afterwards all
is loaded once, which compiles what neither had.
"""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

import connectors.decode
import detector
from detector import alerts, features, kernel, labels, reference, verdict
from detector.metric import distances

_PACKAGES = alerts, connectors.decode, distances, features, kernel, labels, reference, verdict
_LONGEST = "detector.kernel.default", "detector.kernel.single"
_HOME = Path(detector.__file__).parent


def modules() -> list[str]:
    """Return all modules that may compile something while they are imported."""
    return [
        module.name
        for package in _PACKAGES
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]


def compiled(names: Sequence[str]) -> None:
    """Import these, in this order."""
    for name in names:
        import_module(name)


def main() -> None:
    """Import what compiles while it is imported, and run an example for what compiles when called."""
    parts = [list(_LONGEST), [name for name in modules() if name not in _LONGEST]]
    with ProcessPoolExecutor(len(parts), get_context("spawn")) as pool:
        list(pool.map(compiled, parts))
    compiled(modules())
    examples = next(place for place in (_HOME / "_examples", _HOME.parent / "examples") if place.is_dir())
    with tempfile.TemporaryDirectory() as place:
        for name in ("csv-keys.yaml", "pumps.csv"):
            (Path(place) / name).write_bytes((examples / name).read_bytes())
        kyori = [Path(sys.executable).with_name("kyori"), "run", "--once", "csv-keys.yaml"]
        subprocess.run(kyori, check=True, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
