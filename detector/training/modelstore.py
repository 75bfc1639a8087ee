"""Every version of a pipeline's metric: a directory of .npz files, and an index that says which is in force.

``index.json`` is replaced as a whole, so whoever reads it, as the daemon does now and then, needs no lock;
whoever changes it holds `lock`, as the daemon adds versions while the command line promotes one. A version's
file is there before the index names it. The index remembers which were in force before, for `rollback`.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from detector.durable import make_folder
from detector.errors import MetricError
from detector.metric import archive
from detector.metric.archive import Stored
from detector.metric.comparison import Comparison
from detector.metric.learned import Metric
from detector.training import files
from detector.training.modelindex import Index, Promotion, Version

_LOCK_SECONDS = 5.0
_INDEX_REMEDY = "move it away to start without versions, and bring metrics back by: kyori models import"
_FILE_REMEDY = "restore it, or put another version in force by: kyori models promote"


class Models:
    """The versions of one pipeline's metric.

    Parameters
    ----------
    directory : Path
        Made when something is first added.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stamp: tuple[int, ...] | None = None
        self._metric: Metric | None = None

    @classmethod
    def of(cls, state_dir: Path, pipeline: str) -> Models:
        """Return the versions of a pipeline, below the daemon's state directory."""
        return cls(state_dir / "models" / pipeline)

    @property
    def _index(self) -> Path:
        return self.directory / "index.json"

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.npz"

    def active(self) -> Metric | None:
        """Return the metric in force, None if there is none: one `stat` while nothing has changed.

        It is the same object until another metric is in force.

        Raises
        ------
        MetricError
            The index or the metric's file is damaged; go on with what you have, and ask again later.
        """
        stamp = self._stat()
        if stamp != self._stamp:
            name = self.index().active
            if self._metric is None or self._metric.id != name:
                self._metric = self._read(name).metric if name else None
            self._stamp = stamp
        return self._metric

    def _stat(self) -> tuple[int, ...]:
        """Return what changes whenever the index is replaced or edited; nothing where there is none."""
        try:
            found = self._index.stat()
        except OSError:
            return ()
        return found.st_mtime_ns, found.st_size, found.st_ino

    def index(self) -> Index:
        """Return all versions and promotions.

        Raises
        ------
        MetricError
            The index is damaged, cannot be read, or a later version wrote it.
        """
        if not self._index.exists():
            return Index()
        data = files.read_bytes(self._index)
        try:
            return Index.from_bytes(data)
        except MetricError as error:
            raise MetricError(f"{self._index}: {error}; {_INDEX_REMEDY}") from None

    def list(self) -> Sequence[Version]:
        """Return all versions, the oldest first."""
        return self.index().versions

    def read(self, prefix: str) -> Stored:
        """Return a version's metric, and how it was chosen."""
        return self._read(self.index().find(prefix))

    def add(self, metric: Metric, comparison: Comparison | None, now: float) -> Version:
        """Keep a metric as a candidate; one that is known already stays as it is."""
        data = archive.to_bytes(metric, comparison)
        try:
            make_folder(self.directory, 0o750)
        except OSError as error:
            raise MetricError(f"{self.directory}: cannot be made: {error.strerror}") from None
        with self._locked():
            index = self.index()
            known = next((one for one in index.versions if one.id == metric.id), None)
            if known is not None and self._file(metric.id).exists():
                return known
            files.write(self._file(metric.id), data)
            if known is None:
                known = Version(metric.id, now, metric.parent, dict(metric.figures))
                self._save(replace(index, versions=(*index.versions, known)))
            return known

    def promote(self, prefix: str, now: float) -> str:
        """Put a version in force, and return its id; its file is read first, and refused if it is damaged."""
        with self._locked():
            index = self.index()
            found = index.find(prefix)
            self._read(found)
            if found != index.active:
                self._save(replace(index, promotions=(*index.promotions, Promotion(found, now))))
        return found

    def rollback(self) -> str:
        """Put in force what was before, and return its id; "" = nothing was."""
        with self._locked():
            index = self.index()
            if not index.promotions:
                raise MetricError(
                    f"{self.directory}: no metric is in force, so there is nothing to roll back"
                )
            before = replace(index, promotions=index.promotions[:-1])
            if before.active:
                self._read(before.active)
            self._save(before)
        return before.active

    def export(self, prefix: str, path: Path) -> str:
        """Copy a version into a file, and return its id."""
        found = self.index().find(prefix)
        stored = self._read(found)
        files.write(path, archive.to_bytes(*stored))
        return found

    def import_(self, path: Path, now: float) -> Version:
        """Keep the metric in a file as a candidate."""
        return self.add(*files.read(path), now)

    def prune(self, keep: int) -> Sequence[str]:
        """Remove all but the newest versions, what is in force and what was before; return who went."""
        with self._locked():
            index = self.index()
            spared = {one.id for one in index.promotions[-2:]}
            spared |= {one.id for one in index.versions[max(len(index.versions) - keep, 0) :]}
            gone = [one.id for one in index.versions if one.id not in spared]
            if gone:
                versions = tuple(one for one in index.versions if one.id in spared)
                promotions = tuple(one for one in index.promotions if one.id in spared)
                self._save(Index(versions, promotions))
            for name in gone:
                self._file(name).unlink(missing_ok=True)
        return gone

    def _read(self, name: str) -> Stored:
        try:
            stored = files.read(self._file(name))
        except MetricError as error:
            raise MetricError(f"{error}; {_FILE_REMEDY}") from None
        if stored.metric.id != name:
            raise MetricError(f"{self._file(name)}: holds {stored.metric.id}; {_FILE_REMEDY}")
        return stored

    def _save(self, index: Index) -> None:
        files.write(self._index, index.to_bytes())

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep others from changing the index; the kernel's lock ends with the process."""
        path = self.directory / "lock"
        if not self.directory.is_dir():
            raise MetricError(f"{self.directory}: there is no version of a metric yet")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o640)
        except OSError as error:
            raise MetricError(f"{path}: cannot be opened: {error.strerror}") from None
        try:
            self._lock(lock, path)
            yield
        finally:
            os.close(lock)

    def _lock(self, lock: int, path: Path) -> None:
        until = time.monotonic() + _LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise MetricError(
                        f"{path}: another process has been changing the versions for {_LOCK_SECONDS:g} s; "
                        "try again, or end that process"
                    ) from None
                time.sleep(0.05)
            except OSError as error:
                raise MetricError(f"{path}: cannot be locked: {error.strerror}") from None
            else:
                return
