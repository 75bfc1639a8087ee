"""Run by test_store in a user namespace of its own: a store on a disk that is full, then read-only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from detector.errors import CorruptState, StateError
from detector.store import Store


def refused(call) -> bool:
    """Whether it raises a `StateError` that blames the disk and not the file."""
    try:
        call()
    except CorruptState:
        raise
    except StateError:
        return True
    return False


def main(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", disk], check=True)
    path, filler = disk / "p.db", disk / "filler"
    store = Store.open(path, schema="s")
    filler.write_bytes(bytes(200_000))
    number, row = 0, b""

    def commit() -> None:
        store.commit(positions={"in": b"%d" % number}, rows={str(number): row}, alerts=[])

    while not refused(commit):
        number += 1
        row = bytes([number]) * 8_000
    store.load()
    sys.stdout.write("full\n")

    filler.unlink()
    commit()
    store.close()
    store = Store.open(path, schema="s")
    saved = store.load()
    assert store.quarantined is None
    assert saved.positions == {"in": b"%d" % number}
    assert saved.rows == {str(n): bytes([n]) * 8_000 if n else b"" for n in range(number + 1)}
    store.close()
    sys.stdout.write("recovered\n")

    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    assert refused(lambda: Store.open(path, schema="s"))
    assert refused(lambda: Store.open(disk / "new.db", schema="s"))
    assert [file.name for file in disk.iterdir()] == ["p.db"]
    sys.stdout.write("read-only\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
