"""P39: nothing that comes in chooses a path: every call that makes, opens or moves a file is looked at."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from detector.errors import MetricError
from detector.training import Models
from tests.daemon.conserved import assert_conserved
from tests.daemon.running import lines, record, write_config

STRACE = shutil.which("strace")
CALLS = (
    "openat,open,creat,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,symlink,symlinkat,link,linkat"
)
KEYS = (
    *(
        "../../x",
        "../../../../../../tmp/kyori-escaped",
        "/etc/kyori-escaped",
        "/",
        "//x",
        ".",
        "..",
        "a/../../b",
    ),
    *(
        "~/x",
        "$HOME/x",
        "${HOME}",
        "%2e%2e%2fx",
        "..\\..\\x",
        "C:\\x",
        "\uff0e\uff0e\uff0fx",
        "\u2025/\u2215x",
    ),
    *(
        "a\0b",
        "\0",
        "a\nb",
        "x" * 300,
        "x/" * 150,
        "-rf",
        "*",
        "`id`",
        "$(id)",
        "|id",
        "models/p/index.json",
        "p.db",
    ),
    *("lock", "labels.jsonl", "a\u0301", "\u00e1", "CON", "con", " x", "\u202ex"),
)
_WRITES = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")
_CALL = re.compile(r"^\d+ +(\w+)\((.*)\) += \d+")
_PATH = re.compile(r'"((?:[^"\\]|\\.)*)"')


def touched(trace: Path, home: Path) -> set[Path]:
    """What was opened to be written to, made, moved or removed, by the calls that did so."""
    found = set()
    for line in trace.read_text(errors="replace").splitlines():
        call = _CALL.match(line)
        if call is None or (call[1].startswith("open") and not _WRITES.search(call[2])):
            continue
        for text in _PATH.findall(call[2]):
            path = (
                text.encode("latin-1", "replace")
                .decode("unicode_escape")
                .encode("latin-1")
                .decode("utf-8", "replace")
            )
            found.add(Path(os.path.normpath(home / path)))
    return found


def traced(folder: Path, *command: str) -> tuple[subprocess.CompletedProcess[bytes], set[Path]]:
    """Run a command in a folder; return what it touched."""
    trace = folder.with_name(f"{folder.name}.trace")
    head = [str(STRACE), "-f", "-qq", "-s", "8192", "-e", f"trace={CALLS}", "-o", str(trace)]
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [*head, *command], cwd=folder, env=environ, capture_output=True, check=False, timeout=250
    )
    return done, touched(trace, folder)


def outside(paths: set[Path], *allowed: Path) -> list[str]:
    """Those below none of these; devices, and compiled code under its own name, are nobody's choice."""
    places = (*allowed, Path("/dev"), Path("/proc"))
    return sorted(
        str(path)
        for path in paths
        if not any(path.is_relative_to(place) for place in places) and "__pycache__" not in path.parts
    )


needs_strace = pytest.mark.skipif(STRACE is None, reason="needs strace: apt-get install strace")


@needs_strace
def test_no_key_leads_a_daemon_out_of_its_directories(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    victim = tmp_path / "victim"
    victim.write_text("untouched\n")
    (home / "refused.jsonl").symlink_to(victim)
    (home / "in.jsonl").write_text(
        "".join(f"{record(i, k=key)}\n" for i, key in enumerate((*KEYS, *KEYS))) + "x\n"
    )
    source = {"type": "file", "paths": ["in.jsonl"]}
    write_config(home, {"in": source}, key="{k}", file={"dead_letter": "refused.jsonl"})
    done, paths = traced(home, sys.executable, "-m", "detector.cli", "run", "--once")
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    assert outside(paths, home / "state", home / "out.jsonl") == []
    assert home / "state" / "p.db" in paths
    assert {path.name for path in home.iterdir()} == {
        "config.yaml",
        "in.jsonl",
        "out.jsonl",
        "refused.jsonl",
        "state",
    }
    assert {path.name for path in (home / "state").iterdir()} <= {"lock", "p.db", "labels.jsonl"}
    assert victim.read_text() == "untouched\n"
    events = {json.loads(line)["event"] for line in done.stderr.decode().splitlines()}
    assert "dead_letter_failed" in events
    assert_conserved(home / "state", received=2 * len(KEYS) + 1)


@needs_strace
def test_a_program_that_leaves_its_directory_would_be_found(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    for text in (
        "open('../out', 'w')",
        "__import__('os').mkdir('../m')",
        "__import__('os').rename('a', '../é')",
    ):
        (home / "a").touch()
        _, paths = traced(home, sys.executable, "-c", text)
        assert len(outside(paths, home)) == 1


@pytest.mark.parametrize(
    "name", ["../../x", "/etc/passwd", "..", "", "a\0b", "x" * 300, "*", "index", "\u2025/x"]
)
def test_no_name_of_a_version_is_taken_for_a_path(name: str, tmp_path: Path) -> None:
    (tmp_path / "x.npz").write_bytes(b"not for you")
    models = Models.of(tmp_path / "state", "p")
    models.directory.mkdir(parents=True)
    for call in (models.read, lambda name: models.promote(name, 0.0)):
        with pytest.raises(MetricError, match="there is no version"):
            call(name)
    assert not lines(models.directory / "index.json")
