"""A process without rights: user nobody, no capability, and of all file systems one folder to write to."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from numba.core.caching import _CacheLocator

FOLDER, CODE = Path("/mnt"), Path("/srv")
"""Where it finds its folder, and this tree, which may lie where nobody else may look."""
ROOT = Path(__file__).parents[2]
NOBODY = 65534
_SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$1" /mnt
mount --bind "$4" /srv
if [ "$2" ]; then  # the interpreter lies where nobody else may look
  mkdir /mnt/python
  mount --bind "$3" /mnt/python
  mount -t tmpfs -o mode=755 none "$2"
  mkdir -p "$3"
  mount --bind /mnt/python "$3"
  umount /mnt/python
  rmdir /mnt/python
fi
while read -r _ mount _; do
  [ "$mount" = /mnt ] || mount -o remount,bind,ro "$mount" 2>/dev/null || true
done < /proc/self/mounts
for folder in / /tmp /var/tmp; do
  if touch "$folder/probe" 2>/dev/null; then echo "$folder is writable" >&2; exit 99; fi
done
cd /mnt
shift 4
exec "$@"
"""
_NO_RIGHTS = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]


def unprivileged(folder: Path) -> list[str]:
    """Return the command that runs another one so, with `folder` as the only one that it can write to."""
    root = os.geteuid() == 0
    user = [f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if root else []
    blocked = _blocked(Path(sys.base_prefix)) if root else ""
    space = ["unshare", "--mount"] if root else ["unshare", "--mount", "--map-root-user"]
    prepared = ["sh", "-c", _SCRIPT, "sh", str(folder), blocked, sys.base_prefix, str(ROOT)]
    environ = ["env", "-u", "HOME", f"NUMBA_CACHE_DIR={FOLDER}/cache", f"PYTHONPATH={CODE}"]
    return [*space, *prepared, *_NO_RIGHTS, *user, *environ]


def why_not(folder: Path) -> str:
    """Return why no process can be run so here; "": it can."""
    missing = [tool for tool in ("unshare", "setpriv") if shutil.which(tool) is None]
    if missing:
        return f"needs {', '.join(missing)}: apt-get install util-linux"
    done = subprocess.run([*unprivileged(folder), "true"], capture_output=True, text=True, check=False)
    return f"no namespace of mounts can be made here: {done.stderr.strip()}" if done.returncode else ""


def hand_over(folder: Path) -> None:
    """Make all of a folder nobody's own, and put compiled kernels in it, to spare the time."""
    for file in (ROOT / "detector").rglob("__pycache__/*.nb[ic]"):
        source = CODE / file.parent.parent.relative_to(ROOT) / f"{file.name.split('.')[0]}.py"
        place = folder / "cache" / _CacheLocator.get_suitable_cache_subpath(str(source))
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, place)
    if os.geteuid() == 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)


def _blocked(path: Path) -> str:
    """Return the outermost folder on the way to `path` that others may not pass; "": there is none."""
    closed = [one for one in path.parents if not one.stat().st_mode & stat.S_IXOTH]
    return str(closed[-1]) if closed else ""
