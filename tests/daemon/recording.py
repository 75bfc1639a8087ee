"""Every file operation of a process, as strace tells."""

from __future__ import annotations

import codecs
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

CALLS = (
    "openat,creat,write,pwrite64,writev,pwritev,ftruncate,truncate,fallocate,fsync,fdatasync,rename,"
    "renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,copy_file_range,sendfile"
)
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="needs strace: apt-get install strace"
)

_LINE = re.compile(r"(\d+) +(\w+)\((.*)\) += (-?\d+)(?:<(.*)>)?.*")
_UNFINISHED = re.compile(r"(\d+) +(\w+\(.*) <unfinished \.\.\.>")
_RESUMED = re.compile(r"(\d+) +<\.\.\. \w+ resumed>(.*)")
_TEXT = re.compile(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Operation:
    """One call that changed something, or made it last."""

    call: str
    path: Path
    data: bytes = b""
    at: int | None = None
    to: Path | None = None


def record(command: Sequence[str | Path], folder: Path, trace: Path, **environ: str) -> list[Operation]:
    """Run a command to its end, and return what it did to the files below a folder."""
    home = str(Path(__file__).parents[2])
    watched = ["strace", "-f", "-y", "-s", str(1 << 24), "-o", trace, "-e", f"trace={CALLS}", *command]
    done = subprocess.run(
        watched,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": home} | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [one for one in _operations(trace, folder) if folder in one.path.parents or one.path == folder]


def _operations(trace: Path, folder: Path) -> Iterator[Operation]:
    begun: dict[str, str] = {}
    with trace.open(encoding="latin-1") as file:
        for line in file:
            text = line.rstrip("\n")
            if unfinished := _UNFINISHED.fullmatch(text):
                begun[unfinished[1]] = unfinished[2]
                continue
            if resumed := _RESUMED.fullmatch(text):
                text = f"{resumed[1]} {begun.pop(resumed[1])}{resumed[2]}"
            parsed = _LINE.fullmatch(text)
            if parsed and int(parsed[4]) >= 0:
                yield from _operation(parsed[2], parsed[3], parsed[5], int(parsed[4]), folder)


def _operation(call: str, given: str, opened: str | None, result: int, folder: Path) -> Iterator[Operation]:
    texts = [codecs.escape_decode(one.encode("latin-1"))[0] for one in _TEXT.findall(given)]
    if call == "openat":
        path = Path(opened or "")
        if "O_CREAT" in given:
            yield Operation("create", path)
        if "O_TRUNC" in given:
            yield Operation("truncate", path, at=0)
    elif call.startswith(("rename", "unlink", "mkdir")):
        first, *second = (folder / os.fsdecode(one) for one in texts)
        yield Operation(call.removesuffix("2").removesuffix("at"), first, to=second[0] if second else None)
    else:
        described = re.match(r"\d+<(.*?)>", given)
        path = Path(described[1] if described else "")
        numbers = [int(one) for one in re.findall(r", (\d+)", _TEXT.sub("", given))]
        if call in ("write", "pwrite64"):
            yield Operation("write", path, texts[0][:result], numbers[-1] if call == "pwrite64" else None)
        elif call == "ftruncate":
            yield Operation("truncate", path, at=numbers[0])
        elif call in ("fsync", "fdatasync"):
            yield Operation("sync", path)
        else:
            yield Operation(call, path)  # of our files: not understood
