"""Run by test_fulldisk in a user namespace: the disk is full, or read-only, at a given call of a given step.

State, alerts and dead letters each have a small disk of their own: one fills up while the others go on.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest import mock

from connectors.sinks.file import FileSink
from connectors.sources.file import FileSource
from detector import courier, dbfile, labelbook
from detector.errors import KyoriError
from detector.ledger import Ledger
from detector.refused import Refused
from detector.statedir import StateDir
from detector.store import Store
from detector.training import Models, files
from tests.daemon.conserved import assert_conserved
from tests.daemon.process import records, saved_row, without_crash, write_csv
from tests.daemon.running import Inside, lines, write_config
from tests.daemon.small_batches import small_batches
from tests.test_labelbook import everything, label, numbers_of
from tests.training.test_modelstore import metric

KIB = 1024
X = records(3_000, faults=20)
BAD = range(20, 3_000, 20)


class Disk:
    """A small file system in memory."""

    def __init__(self, path: Path) -> None:
        self.path, self.full = path, False
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", path], check=True)

    def fill(self) -> None:
        """Leave no room for a single byte."""
        self.full = True
        with (self.path / "filler").open("ab", buffering=0) as file:
            for size in (64 * KIB, KIB, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue

    def free(self) -> None:
        (self.path / "filler").unlink()
        self.full = False

    def forbid(self) -> None:
        self._remount("ro")
        self.full = True

    def allow(self) -> None:
        self._remount("rw")
        self.full = False

    def _remount(self, how: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{how}", self.path], check=True)


STEPS: dict[str, tuple[Any, str, str, str]] = {
    "lock": (StateDir, "open", "state", ""),
    "new state": (Ledger, "create", "state", ""),
    "set aside": (dbfile, "set_aside", "state", ""),
    "sinks": (Store, "register", "state", ""),
    "commit": (Store, "commit", "state", "cannot_store"),
    "delivered": (Store, "delivered", "state", "sink_unavailable"),
    "closed": (Ledger, "close", "state", "state_not_checkpointed"),
    "alerts file": (FileSink, "_open_file", "alerts", "sink_unavailable"),
    "alerts": (FileSink, "write", "alerts", "sink_unavailable"),
    "dead letter": (Refused, "keep", "refused", "dead_letter_failed"),
}
"""By name: what is called, the disk it writes to, and the event by which it tells; "": it does not start."""


def before_call(owner: Any, name: str, count: int, do: Callable[[], None]) -> Any:
    """Have something done right before the `count`-th call of a function."""
    really, calls = getattr(owner, name), itertools.count(1)

    def called(*given: Any, **named: Any) -> Any:
        if next(calls) == count:
            do()
        return really(*given, **named)

    bound = hasattr(really, "__self__")
    return mock.patch.object(owner, name, staticmethod(called) if bound else called)


def configured(folder: Path) -> Path:
    write_csv(folder / "in.csv", X)
    text = (folder / "in.csv").read_text().splitlines(keepends=True)
    for number in reversed(BAD):
        text.insert(number, f"{1.6e9 + number},no,number,in,it\n")
    (folder / "in.csv").write_text("".join(text))
    outputs = {"out": {"type": "file", "path": "alerts/out.jsonl"}}
    where = {"state_dir": "state/kyori", "dead_letter": "refused/dead.jsonl"}
    return write_config(folder, {"in": {"type": "file", "paths": ["in.csv"]}}, outputs, file=where)


def run(folder: Path, step: str, count: int, *, read_only: bool) -> None:
    """Let the daemon come upon a bad disk, mend it, and see that nothing is missing."""
    disks = {name: Disk(folder / name) for name in ("state", "alerts", "refused")}
    config = configured(folder)
    owner, function, where, told = STEPS[step]
    disk = disks[where]
    spoil, mend = (disk.forbid, disk.allow) if read_only else (disk.fill, disk.free)
    if step == "set aside":
        (folder / "state" / "kyori").mkdir()
        (folder / "state" / "kyori" / "p.db").write_bytes(b"damage")
    acknowledged = []

    def ack(source: FileSource, token: object) -> None:
        acknowledged.append(disks["state"].full)

    with ExitStack() as stack:
        stack.enter_context(before_call(owner, function, count, spoil))
        stack.enter_context(mock.patch.object(FileSource, "ack", ack))
        if not told:
            refuses_to_start(config)
            mend()
        with Inside(config, once=True) as daemon:
            if told:
                said = daemon.wait_for(told, 60)
                assert said["log_level"] in ("warning", "error")
                assert not (step == "commit" and any(acknowledged))
                mend()
    check(folder, daemon, told)


def refuses_to_start(config: Path) -> None:
    try:
        with Inside(config, once=True):
            raise AssertionError("it started on a full disk")
    except KyoriError as error:
        assert "disk" in str(error) or "space" in str(error) or "read" in str(error).lower(), error


def check(folder: Path, daemon: Inside, told: str) -> None:
    row, alerts = without_crash(X)
    assert_conserved(folder / "state" / "kyori", received=len(X) + len(BAD))
    assert saved_row(folder / "state" / "kyori").tobytes() == row.tobytes()
    assert lines(folder / "alerts" / "out.jsonl") == [alert.to_json() for alert in alerts]
    kept = [json.loads(line) for line in lines(folder / "refused" / "dead.jsonl")]
    refused = daemon.daemon.workers["p"].refused
    assert refused.records.total() == len(BAD) == len(kept) + refused.lost
    assert (refused.lost > 0) == (told == "dead_letter_failed")


def by_hand(folder: Path, step: str, count: int, *, read_only: bool) -> None:
    """The same for what people do beside the daemon: it is refused, leaves nothing half, and works later."""
    disk = Disk(folder / "state")
    spoil, mend = (disk.forbid, disk.allow) if read_only else (disk.fill, disk.free)
    models, path = Models.of(disk.path, "p"), disk.path / labelbook.FILE
    for number in range(1, count):
        labelbook.append(path, label(number))
        models.add(metric(number), None, number)
    spoiling = before_call(files, "write", 2, spoil) if step == "index" else None
    if spoiling is None:
        spoil()
    change: Callable[[], object] = {
        "label": lambda: labelbook.append(path, label(count)),
        "metric": lambda: models.add(metric(count), None, count),
        "index": lambda: models.add(metric(count), None, count),
        "promotion": lambda: models.promote(metric(1).id, count),
    }[step]
    with spoiling or ExitStack():
        try:
            change()
            raise AssertionError("it was done on a full disk")
        except KyoriError:
            pass
    assert len(models.list()) == count - 1
    assert numbers_of(everything(path)[0]) == list(range(1, count))
    mend()
    change()
    assert not list(models.directory.glob("*.new"))
    for version in models.list():
        models.read(version.id)
    assert len(models.list()) == count - (step in ("label", "promotion"))
    assert numbers_of(everything(path)[0]) == list(range(1, count + (step == "label")))


def main(folder: Path, wanted: list[str]) -> None:
    """Run cases like ``commit:2`` and ``alerts file:1:ro``, and say which went well."""
    small_batches(pages=10_000)  # a -wal that is never begun anew needs more room for every write
    courier._AT_ONCE = 1
    for number, case in enumerate(wanted):
        step, count, *how = case.split(":")
        place = folder / str(number)
        place.mkdir()
        (run if step in STEPS else by_hand)(place, step, int(count), read_only=bool(how))
        sys.stdout.write(f"{case}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
