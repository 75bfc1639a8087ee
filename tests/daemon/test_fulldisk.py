"""The disk is full or read-only at any step that writes: told, nothing lost, and it goes on (P20)."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CASES = (
    *("lock:1", "new state:1", "set aside:1", "sinks:1", "closed:1"),
    *(f"commit:{count}" for count in (1, 2, 3, 5)),
    *(f"delivered:{count}" for count in (1, 2, 5)),
    *("alerts file:1", *(f"alerts:{count}" for count in (1, 2, 5, 10))),
    *(f"dead letter:{count}" for count in (1, 5, 10)),
    *(f"{what}:{count}" for what in ("metric", "index") for count in (1, 2, 3)),
    *("label:1", "promotion:2", "promotion:3"),
    *(
        "lock:1:ro",
        "alerts file:1:ro",
        "dead letter:5:ro",
        "label:1:ro",
        "label:3:ro",
        "metric:2:ro",
        "promotion:2:ro",
    ),
)
SOME = ("commit:2", "alerts:2", "label:2:ro")


@pytest.mark.crash
@pytest.mark.timeout(3600)
def test_it_goes_on_when_there_is_room_again(tmp_path: Path) -> None:
    """Needs a user namespace with small disks of its own; `fulldisk` asserts inside."""
    if subprocess.run(["unshare", "-Urm", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no user namespaces here")
    cases = CASES if os.environ.get("KYORI_FULL") else SOME
    home = str(Path(__file__).parents[2])
    inside = subprocess.run(
        ["unshare", "-Urm", sys.executable, "-m", "tests.daemon.fulldisk", tmp_path, *cases],
        env=os.environ | {"PYTHONPATH": home}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert inside.stdout.splitlines() == list(cases), inside.stderr
    sys.stdout.write(f"{len(cases)} of {len(cases)} full disks: told, nothing lost, went on\n")
