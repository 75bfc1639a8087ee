"""One daemon for one directory, and a clear word when the directory will not do (P13)."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

import pytest

from detector.errors import StateError, StateInUse
from detector.statedir import StateDir

HOLD = """
import sys, time
from pathlib import Path
from detector.statedir import StateDir
held = StateDir.open(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_it_is_made_for_owner_and_group_only(tmp_path):
    with StateDir.open(tmp_path / "state") as held:
        assert stat.S_IMODE(held.path.stat().st_mode) & 0o027 == 0
    with StateDir.open(tmp_path / "state"):
        pass


def test_a_second_process_is_told_who_holds_it(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, tmp_path / "s"], stdout=subprocess.PIPE) as holder:
        try:
            assert holder.stdout.readline() == b"held\n"
            start = time.monotonic()
            with pytest.raises(StateInUse, match=f"process {holder.pid}"):
                StateDir.open(tmp_path / "s")
            assert time.monotonic() - start < 1
        finally:
            holder.send_signal(signal.SIGKILL)
        holder.wait(10)
        # The kernel lets go with the process: nothing is left to remove by hand.
        StateDir.open(tmp_path / "s").close()


def test_close_lets_go_and_may_be_repeated(tmp_path):
    first = StateDir.open(tmp_path)
    with pytest.raises(StateInUse, match=f"process {os.getpid()}"):
        StateDir.open(tmp_path)
    first.close()
    first.close()
    StateDir.open(tmp_path).close()


def test_a_directory_that_will_not_do(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "lock").symlink_to(tmp_path / "elsewhere")
    for path in (file, file / "below", tmp_path / "no" / "parent", "/proc/kyori", "/proc/self", linked):
        with pytest.raises(StateError, match=r"state directory .*state_dir") as refusal:
            StateDir.open(type(tmp_path)(path))
        assert type(refusal.value) is StateError
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_directory(tmp_path):
    tmp_path.chmod(0o550)
    with pytest.raises(StateError, match="not writable"):
        StateDir.open(tmp_path)
