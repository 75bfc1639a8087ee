"""Has every kernel of the installed kyori compiled, into NUMBA_CACHE_DIR."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path

import connectors.decode
import detector
from detector import alerts, features, kernel, labels, reference, verdict
from detector.metric import distances

_EXAMPLES = Path(detector.__file__).parent / "_examples"


def main() -> None:
    """Import what compiles while it is imported, and run an example for what compiles when called."""
    for package in (alerts, connectors.decode, distances, features, kernel, labels, reference, verdict):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            import_module(module.name)
    with tempfile.TemporaryDirectory() as place:
        for name in ("csv-keys.yaml", "pumps.csv"):
            (Path(place) / name).write_bytes((_EXAMPLES / name).read_bytes())
        kyori = [Path(sys.executable).with_name("kyori"), "run", "--once", "csv-keys.yaml"]
        subprocess.run(kyori, check=True, cwd=place, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
