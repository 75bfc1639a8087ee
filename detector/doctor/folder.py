"""The state directory: whether it can be used, what lies in it, and which daemon holds it."""

from __future__ import annotations

import fcntl
import http.client
import json
import os
import pwd
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from detector.doctor.finding import Finding, fine, note
from detector.doctor.machine import may_write

_LEAST_FREE = 200 << 20
_LARGE_WAL = 64 << 20
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "9p",
    "ceph",
    "glusterfs",
    "fuse.sshfs",
    "fuse.s3fs",
    "afs",
    "lustre",
    "vboxsf",
)
_IN_MEMORY = ("tmpfs", "ramfs")
_ANSWER_S = 3.0


def directory(state: Path) -> Iterator[Finding]:
    """Look whether the state directory can be made or written to, and what carries it."""
    if not state.exists():
        if not state.parent.is_dir():
            yield Finding("state_dir", f"{state.parent} is not there", f"mkdir -p {state.parent}")
        elif not may_write(state):
            yield Finding("state_dir", f"{state} cannot be made", f"let {_us()} write to {state.parent}")
        else:
            yield fine("state_dir", f"{state} will be made at the first start")
    elif not state.is_dir():
        yield Finding("state_dir", f"{state} is no directory", "give `state_dir` the path of a directory")
        return
    elif not may_write(state):
        remedy = f"chown -R {_us()} {state}, or run as {_owner(state)}"
        yield Finding(
            "state_dir", f"{state} belongs to {_owner(state)}, and {_us()} may not write to it", remedy
        )
    elif others := [one for one in sorted(state.glob("*.db*")) if one.stat().st_uid != os.geteuid()]:
        said = f"{others[0]} belongs to {_owner(others[0])}, and we are {_us()}"
        yield note("owner", said, f"run kyori as {_owner(others[0])}, else what we make there is not its own")
    else:
        yield fine("state_dir", str(state))
    yield from _carrier(state)


def _carrier(state: Path) -> Iterator[Finding]:
    there = next(one for one in (state, *state.parents) if one.exists())
    kind = file_system(there, Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace"))
    if kind.startswith(_NETWORK):
        remedy = "give `state_dir` a directory on a local disk: locks and syncs do not hold over a network"
        yield Finding("file_system", f"{there} is on {kind}, a network", remedy)
    elif kind in _IN_MEMORY:
        said = f"{there} is on {kind}, and gone when the machine is switched off"
        yield Finding("file_system", said, "give `state_dir` a directory on a disk")
    free = shutil.disk_usage(there).free
    needed = max(_LEAST_FREE, 2 * sum(one.stat().st_size for one in state.glob("*.db")))
    if free < needed:
        said = f"{free >> 20} MiB are free for {state}; {needed >> 20} MiB would be safe"
        yield Finding("free_space", said, "free some space; on a full disk nothing is stored or acknowledged")
    else:
        yield fine("free_space", f"{free >> 30} GiB")


def file_system(path: Path, mounts: str) -> str:
    r"""Return the type of the file system that carries a path.

    Parameters
    ----------
    mounts : str
        As in ``/proc/self/mountinfo``.

    >>> file_system(Path("/srv/a"), "1 0 0:1 / / rw - ext4 d rw\n2 1 0:2 / /srv rw - nfs4 s:/ rw\n")
    'nfs4'
    """
    best, kind = -1, ""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        point = Path(before.split(" ")[4].replace("\\040", " "))
        if path.resolve().is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def leftovers(state: Path) -> Iterator[Finding]:
    """Look for state that was set aside, and for logs of changes that grow."""
    for one in sorted(state.glob("*.corrupt-*")):
        if not one.name.endswith(("-wal", "-shm", "-journal")):
            said = f"{one} was damaged and set aside; its pipeline began to learn anew"
            yield Finding("quarantined", said, "look at the disk and its log, then remove the file")
    for one in sorted(state.glob("*.db-wal")):
        if one.stat().st_size > _LARGE_WAL:
            said = f"{one} has {one.stat().st_size >> 20} MiB, and does not get into the state file"
            yield Finding("wal", said, "end whatever else reads the state file, as a backup or sqlite3")


def holder(state: Path) -> int | None:
    """Return the process that holds the state directory; 0 = one that we may not see; None: nobody does."""
    try:
        lock = os.open(state / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        text = os.pread(lock, 20, 0).strip()
        return int(text) if text.isdigit() else 0
    except OSError:
        return None
    finally:
        os.close(lock)  # and the lock with it
    return None


def daemon(state: Path, process: int | None) -> Iterator[Finding]:
    """Look whether the daemon of this state runs, and answers where it said that it listens."""
    try:
        told = json.loads((state / "server.json").read_text())
        url = urlsplit(str(told["url"]))
    except (OSError, ValueError, KeyError, TypeError):
        url = None
    if process is None:
        if url is not None:
            said = "no daemon runs, but one has left its server.json: it did not end by itself"
            yield note("daemon", said, "look at the end of its log; kyori run starts it")
        else:
            yield fine("daemon", "none runs on this state")
        return
    yield fine("daemon", f"process {process or 'of another user'} runs on this state")
    if url is not None and (wrong := _unanswered(url.hostname or "", url.port or 80, url.scheme == "https")):
        remedy = "look at its log for stalled or server_unavailable; restart it if it does nothing"
        yield Finding("daemon", f"the daemon does not answer at {url.geturl()}: {wrong}", remedy)


def _unanswered(host: str, port: int, encrypted: bool) -> str:
    """Return why there is no answer that says ready, or ""."""
    kind = http.client.HTTPSConnection if encrypted else http.client.HTTPConnection
    connection = kind(host, port, timeout=_ANSWER_S)
    try:
        connection.request("GET", "/readyz")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return (
            "" if "CERTIFICATE" in str(error) else str(error) or type(error).__name__
        )  # it answers, to others
    finally:
        connection.close()
    return "" if status == http.client.OK else f"not ready ({status})"


def _owner(path: Path) -> str:
    return _name(path.stat().st_uid)


def _us() -> str:
    return _name(os.geteuid())


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
