"""What kyori takes: the size of the wheel and of all that is installed with it, the start, the memory.

It looks at the environment that it runs in, at what kyori needs of it without extras; the wheel is built
for it.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[1]

_IMPORT = """
import resource, time
started = time.perf_counter()
from detector import RunningCovariance
seconds = time.perf_counter() - started
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> int:
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.footprint", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        _python("-m", "build", "--quiet", "--wheel", "--outdir", place, str(ROOT))
        wheel_mb = sum(wheel.stat().st_size for wheel in Path(place).glob("*.whl")) / 1e6
    sizes: dict[str, float] = {}
    _measure("kyori", sizes)
    _python("-c", _IMPORT)  # brings the files into memory
    import_s, rss_mb = map(float, _python("-c", _IMPORT).split())
    ran = json.loads(_python("-m", "benchmarks.start", "--runs", "3", "--json"))
    result = {
        "wheel_mb": wheel_mb,
        "installed_mb": sum(sizes.values()),
        "packages": len(sizes),
        "import_s": import_s,
        "import_rss_mb": rss_mb,
        "help_s": min(ran["help_s"]),
        "ready_s": min(ran["ready_s"]),
        "rss_mb": min(ran["rss_mb"]),
    }
    if arguments.json:
        print(json.dumps(result))
        return 0
    largest = sorted(sizes, key=sizes.__getitem__, reverse=True)[:4]
    print(f"{ran['machine']}; compiled kernels on disk\n")
    print(f"wheel                    {wheel_mb:8.1f} MB")
    print(f"installed                {result['installed_mb']:8.0f} MB in {len(sizes)} packages")
    print("  of it                  " + ", ".join(f"{name} {sizes[name]:.0f}" for name in largest))
    print(f"kyori --help             {result['help_s']:8.2f} s")
    print(f"import of the estimators {import_s:8.2f} s, {rss_mb:.0f} MB of memory")
    print(f"kyori run until ready    {result['ready_s']:8.2f} s, {result['rss_mb']:.0f} MB of memory")
    return 0


def _measure(name: str, sizes: dict[str, float]) -> None:
    """Add the megabytes of a package, and of what it needs, that are installed."""
    try:
        package = distribution(name)
    except PackageNotFoundError:  # for another system, as its marker says
        return
    if package.name in sizes:
        return
    files = (Path(str(package.locate_file(file))) for file in package.files or ())
    sizes[package.name] = sum(file.stat().st_size for file in files if file.is_file()) / 1e6
    for need in package.requires or ():
        if "extra ==" not in need:
            _measure(re.split(r"[^\w.-]", need)[0], sizes)


def _python(*arguments: str) -> str:
    """Run this Python and return what it prints."""
    command = [sys.executable, *arguments]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


if __name__ == "__main__":
    sys.exit(main())
