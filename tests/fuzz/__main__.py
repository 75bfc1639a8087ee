"""Fuzz with atheris: ``python -m tests.fuzz`` every target, two at a time; ``... NAME`` one.

What makes a target fail is kept as ``fuzz/NAME-crash-*`` (or ``-timeout-``, ``-oom-``), what led to new
paths in ``fuzz/corpus/NAME``. To see a failure again: ``python -m tests.fuzz NAME FILE``.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import atheris

from tests.fuzz import NAMES, target

_PLACE = Path("fuzz")
_WATCHED = ["detector", "connectors", "json", "csv", "zipfile", "ruamel"]
_DONE = re.compile(r"number_of_executed_units: (\d+)")


def compiled() -> list[str]:
    """Return the modules that numba compiles: it would not know the instructions that atheris adds."""
    files = [file for file in Path("detector").rglob("*.py") if "detector.jit" in file.read_text()]
    return [".".join(file.with_suffix("").parts) for file in files]


def fuzz(name: str, arguments: list[str]) -> None:
    """Let atheris run one target; it ends the process."""
    with atheris.instrument_imports(include=_WATCHED, exclude=compiled()):
        one, seeds = target(name)
    corpus = _PLACE / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    if not any(Path(argument).is_file() for argument in arguments):
        arguments = [*arguments, str(corpus)]
    options = ["-max_len=16384", "-timeout=20", "-rss_limit_mb=2048", f"-artifact_prefix={_PLACE}/{name}-"]
    atheris.Setup([name, *options, *arguments], one)
    atheris.Fuzz()


def run(name: str, seconds: int) -> tuple[str, int, str]:
    """Run one target in a process of its own; return what to print, its exit code and the end of its log."""
    command = [sys.executable, "-m", "tests.fuzz", name, f"-max_total_time={seconds}", "-print_final_stats=1"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    log = done.stdout.decode("utf-8", "replace")
    found = _DONE.search(log)
    return f"{name:<16}{found[1] if found else '-':>12} executions", done.returncode, log[-4000:]


def main() -> int:
    """Run all targets; 1 where one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=55, help="for each target")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    options = parser.parse_args()
    _PLACE.mkdir(exist_ok=True)
    failed = False
    with ThreadPoolExecutor(options.jobs) as pool:
        for said, code, log in pool.map(lambda name: run(name, options.seconds), NAMES):
            failed |= code != 0
            print(said if code == 0 else f"{said}, FAILED; its input is in {_PLACE}/\n{log}", flush=True)  # noqa: T201
    return int(failed)


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1] in NAMES:
        fuzz(sys.argv[1], sys.argv[2:])
    else:
        sys.exit(main())
