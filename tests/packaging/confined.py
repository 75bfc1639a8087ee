"""Runs an installed kyori as its container does: as nobody, all file systems read-only but one folder.

``python -m tests.packaging.confined PREFIX CACHE``, after packaging/install.sh. State and a copy of the
compiled kernels (numba takes only a directory that it could write to) are in that folder. It fails unless
the example's alert opens and closes, nothing else was written, and no kernel had to be compiled.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.daemon.unprivileged import NOBODY, ROOT, unprivileged, why_not


def tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Return what there is, with size and time of change."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in files}


def run(prefix: Path, cache: Path, folder: Path) -> None:
    """Have the example of the wheel run in `folder`, and see what came of it."""
    (examples,) = prefix.glob("lib/python*/site-packages/detector/_examples")
    for name in ("csv-keys.yaml", "pumps.csv"):
        shutil.copy(examples / name, folder)
    shutil.copytree(cache, folder / "cache")
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    before = tree(prefix) | tree(folder / "cache")
    environ = ["env", "-u", "PYTHONPATH"]
    command = [*unprivileged(folder), *environ, str(prefix / "bin/kyori"), "run", "--once", "csv-keys.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    assert tree(prefix) | tree(folder / "cache") == before, "what was compiled beforehand was not all"
    assert "compiles anew" not in done.stderr
    alerts = [json.loads(line) for line in (folder / "out/pumps.jsonl").read_text().splitlines()]
    assert [alert["status"] for alert in alerts if alert["key"] == "p2"] == ["open", "closed"]
    assert {path.stat().st_uid for path in (folder / "state").iterdir()} == {NOBODY}
    assert {path.name for path in folder.iterdir()} == {"csv-keys.yaml", "pumps.csv", "cache", "out", "state"}
    print(f"as nobody, read-only but for its folder: {len(alerts)} notices, state in {folder / 'state'}")


def main() -> None:
    prefix, cache = (Path(argument).resolve() for argument in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as place:
        reason = why_not(Path(place))
        if reason or os.geteuid() != 0:
            sys.exit(f"not run: {reason or 'only root can become nobody'} ({ROOT.name})")
        run(prefix, cache, Path(place))


if __name__ == "__main__":
    main()
