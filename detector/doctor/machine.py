"""What the machine must have: a clock that is right, the packages, a place for compiled code, open files."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from detector.doctor.finding import Finding, fine, note

_OLDEST_CLOCK = 1577836800.0  # 2020-01-01; a clock without a battery begins at 1970 or at its firmware's date
_LEAST_FILES = 256
_LEAST_PYTHON = (3, 11)
PACKAGE = Path(__file__).parents[1]


def clock(now: float) -> Iterator[Finding]:
    """Look whether the clock was ever set."""
    said = time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(now))
    if now < _OLDEST_CLOCK:
        remedy = "set it, by NTP: timedatectl set-ntp true; records without times get theirs from it"
        yield Finding("clock", f"the machine's clock says {said}", remedy)
    else:
        yield fine("clock", said)


def python(version: tuple[int, ...] = sys.version_info[:3]) -> Iterator[Finding]:
    """Look at Python, and at the packages that kyori asks for."""
    if version < _LEAST_PYTHON:
        said = ".".join(map(str, version))
        yield Finding(
            "python", f"Python {said}; kyori needs 3.11", "install it in an environment of a newer one"
        )
    wrong = list(_packages())
    yield from wrong
    if not wrong and version >= _LEAST_PYTHON:
        yield fine("python", f"{platform.python_version()}, all packages as kyori asks for them")


def _packages() -> Iterator[Finding]:
    for wanted in importlib.metadata.requires("kyori") or ():
        if "extra ==" in wanted:
            continue
        name = re.split(r"[^A-Za-z0-9._-]", wanted, maxsplit=1)[0]
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding("packages", f"{name} is not installed", "pip install --force-reinstall kyori")
            continue
        if not _fits(found, wanted.removeprefix(name)):
            remedy = f"pip install '{wanted.partition(';')[0]}'"
            yield Finding("packages", f"{name} {found} is installed; kyori needs {wanted}", remedy)


def _fits(version: str, wanted: str) -> bool:
    """Whether a version keeps to bounds as ``<3,>=2``; only what is released is compared."""
    have = _numbers(version)
    for sign, bound in re.findall(r"(==|>=|<)\s*([\d.]+)", wanted.partition(";")[0]):
        other = _numbers(bound)
        if not {"==": have == other, ">=": have >= other, "<": have < other}[sign]:
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"\d+(\.\d+)*", version)
    parts = [int(part) for part in found[0].split(".")] if found else [0]
    while len(parts) > 1 and parts[-1] == 0:
        parts.pop()
    return tuple(parts)


def open_files(wanted: int) -> Iterator[Finding]:
    """Look whether so many files, and what else is needed, may be open at once."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = _LEAST_FILES + wanted
    if soft != resource.RLIM_INFINITY and soft < needed:
        said = f"{soft} files may be open at once; {wanted} are read, and {needed} would be safe"
        top = "unlimited" if hard == resource.RLIM_INFINITY else hard
        remedy = f"ulimit -n {needed} (up to {top}), or LimitNOFILE={needed} in the unit"
        yield Finding("open_files", said, remedy)
    else:
        yield fine("open_files", f"{'any number' if soft == resource.RLIM_INFINITY else soft} may be open")


def compiled() -> Iterator[Finding]:
    """Look whether compiled code can be kept, and whether there is any of this version."""
    from detector.jit import _VERSION as VERSION  # noqa: PLC0415 - numba is slow to import

    folders = _cache_folders()
    for folder in folders:
        if next(folder.rglob(f"*_{VERSION}-*.nbi"), None) is not None:
            yield fine("compiled", f"kept in {folder}")
            return
    usable = [folder for folder in folders if may_write(folder)]
    if usable:
        said = f"nothing is compiled yet; the first start takes a minute or two, and keeps it in {usable[0]}"
        yield note("compiled", said, "kyori demo, or the first kyori run, compiles; let the unit wait for it")
    else:
        said = f"compiled code cannot be kept: {' and '.join(map(str, folders))} cannot be written"
        remedy = "set NUMBA_CACHE_DIR to a directory that this user may write; else every start compiles anew"
        yield Finding("compiled", said, remedy)


def _cache_folders() -> list[Path]:
    """Return where numba keeps compiled code, in the order in which it looks."""
    chosen = os.environ.get("NUMBA_CACHE_DIR")
    if chosen:
        return [Path(chosen)]
    return [PACKAGE, Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numba"]


def may_write(folder: Path) -> bool:
    """Whether files can be made in a directory, or in the one in which it would be made."""
    there = next((one for one in (folder, *folder.absolute().parents) if one.exists()), folder)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
