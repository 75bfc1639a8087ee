"""What a disk may hold after a power cut: the file operations of a process, played back up to there.

Only what was synced is sure. Of the rest any part may be there, in any order and cut at a sector: the bytes
of a file since it was synced, and the names in a folder (made, renamed, removed) since that was. A name may
be on the disk before the bytes of its file are.
"""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.daemon.recording import Operation

SECTOR = 512
_CACHE = "-shm"  # of sqlite, mapped into memory and made anew after a power cut


@dataclass(slots=True, eq=False)
class File:
    """Bytes that are on the disk, and those that may be; `real`: what it is made of, see `kept_inodes`."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)
    real: Path | None = None

    def after(self, fate: str, chance: random.Random) -> bytes:
        """Return what a power cut may leave of it."""
        data = bytearray(self.synced)
        kept = len(self.pending)
        if fate == "dropped":
            kept = 0
        elif fate in ("in part", "torn"):
            kept = chance.randint(0, kept)
        for one in self.pending[:kept]:
            if fate != "reordered" or chance.random() < 0.5:
                _apply(data, one)
        if fate == "torn" and kept < len(self.pending):
            _tear(data, self.pending[kept], chance)
        return bytes(data)

    def sync(self) -> None:
        for one in self.pending:
            _apply(self.synced, one)
        self.pending.clear()


def _apply(data: bytearray, one: Operation) -> None:
    at = len(data) if one.at is None else one.at
    if one.call == "truncate":
        del data[at:]
    data.extend(bytes(max(at + len(one.data) - len(data), 0)))
    data[at : at + len(one.data)] = one.data


def _tear(data: bytearray, one: Operation, chance: random.Random) -> None:
    """Let some sectors of a write reach the disk; where it made the file longer, the others are zeros."""
    at = len(data) if one.at is None else one.at
    if one.call != "write":
        return
    whole, start = bytearray(data), 0
    _apply(whole, one)
    while start < len(one.data):
        end = min((at + start) // SECTOR * SECTOR + SECTOR - at, len(one.data))
        if chance.random() < 0.5:
            part = Operation("write", one.path, one.data[start:end], at + start)
            _apply(data, part)
        start = end
    if chance.random() < 0.5:
        data.extend(bytes(len(whole) - len(data)))


Names = dict[str, "File | Folder"]


@dataclass(slots=True, eq=False)
class Folder:
    """Names that are on the disk, those that are seen now, and the steps between, oldest first."""

    synced: Names = field(default_factory=dict)
    now: Names = field(default_factory=dict)
    pending: list[Names] = field(default_factory=list)

    def changed(self) -> None:
        self.pending.append(dict(self.now))

    def sync(self) -> None:
        self.synced = dict(self.now)
        self.pending.clear()

    def after(self, fate: str, chance: random.Random) -> Names:
        steps = [self.synced, *self.pending]
        if fate in ("dropped", "kept"):
            return steps[0 if fate == "dropped" else -1]
        return chance.choice(steps)


def kept_inodes(folder: Path, aside: Path) -> dict[Path, Path]:
    """Link the files of a folder elsewhere, so that they can be made anew with the numbers they have."""
    aside.mkdir()
    kept = {path: aside / str(number) for number, path in enumerate(folder.rglob("*")) if path.is_file()}
    for path, link in kept.items():
        os.link(path, link)
    return kept


class Disk:
    """A folder of which every operation is known, at any moment.

    Parameters
    ----------
    path : Path
        The folder.
    kept : mapping of Path to Path
        What `kept_inodes` returned.
    """

    FATES = ("dropped", "kept", "in part", "torn", "reordered")

    def __init__(self, path: Path, kept: Mapping[Path, Path]) -> None:
        self.path = path
        self._kept = kept
        self.root = Folder()

    def apply(self, one: Operation) -> None:
        """Do what the process did."""
        if one.path.name.endswith(_CACHE):
            return
        folder, name = self._folder(one.path.parent), one.path.name
        if one.call == "sync":
            found = self.root if one.path == self.path else folder.now[name]
            found.sync()
        elif one.call in ("write", "truncate"):
            file = folder.now[name]
            assert isinstance(file, File)
            file.pending.append(one)
        else:
            self._rename(one, folder, name)

    def _rename(self, one: Operation, folder: Folder, name: str) -> None:
        if one.call == "create":
            if name in folder.now:
                return
            folder.now[name] = File(real=self._kept.get(one.path))
        elif one.call == "mkdir":
            folder.now[name] = Folder()
        elif one.call == "unlink":
            del folder.now[name]
        elif one.call == "rename" and one.to is not None and one.to.parent == one.path.parent:
            folder.now[one.to.name] = folder.now.pop(name)
        else:
            raise NotImplementedError(one)
        folder.changed()

    def _folder(self, path: Path) -> Folder:
        folder = self.root
        for name in path.relative_to(self.path).parts if path != self.path.parent else ():
            below = folder.now[name]
            assert isinstance(below, Folder)
            folder = below
        return folder

    def contents(self) -> dict[Path, bytes]:
        """Return what a process sees now, by file."""
        chance = random.Random()
        return {path: file.after("kept", chance) for path, file in _files(self.path, self.root.now)}

    def rebuild(self, fate: str, chance: random.Random) -> None:
        """Make the folder what a power cut now may leave of it."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir()
        self._rebuild(self.path, self.root, fate, chance)

    def _rebuild(self, path: Path, folder: Folder, fate: str, chance: random.Random) -> None:
        for name, found in folder.after(fate, chance).items():
            if isinstance(found, Folder):
                (path / name).mkdir()
                self._rebuild(path / name, found, fate, chance)
                continue
            if found.real is not None:
                os.link(found.real, path / name)
            own = fate if fate in ("dropped", "kept") else chance.choice(self.FATES)
            (path / name).write_bytes(found.after(own, chance))


def _files(path: Path, names: Names) -> Iterator[tuple[Path, File]]:
    for name, found in names.items():
        if isinstance(found, Folder):
            yield from _files(path / name, found.now)
        else:
            yield path / name, found


@dataclass(frozen=True, slots=True)
class Cut:
    """A power cut: after so many marks were written, and what it did."""

    marks: int
    fate: str
    operation: int


def cuts(disk: Disk, operations: Sequence[Operation], marks: Path, total: int) -> Iterator[Cut]:
    """Yield power cuts, with the folder as each leaves it; half of them by operation, half by file.

    A line that the process wrote to the file `marks` says that everything before it has to last.
    """
    chance, told = random.Random(3), 0
    turns = _spread([(number, one.path) for number, one in enumerate(operations) if one.path != marks], total)
    for number, one in enumerate(operations):
        if one.path == marks:
            told += one.call == "write"
            continue
        disk.apply(one)
        for turn in range(turns[number]):
            fate = Disk.FATES[(number + turn) % len(Disk.FATES)]
            disk.rebuild(fate, chance)
            yield Cut(told, fate, number)


def _spread(steps: Sequence[tuple[int, Path]], total: int) -> Counter[int]:
    """Return how often to cut after each operation, which are given with what they are about."""
    of_file: dict[Path, list[int]] = {}
    for number, path in steps:
        of_file.setdefault(path, []).append(number)
    turns = Counter(steps[turn * len(steps) // (total // 2)][0] for turn in range(total // 2))
    for turn in range(total - total // 2):
        numbers = list(of_file.values())[turn % len(of_file)]
        turns[numbers[turn // len(of_file) * 7 % len(numbers)]] += 1
    return turns
