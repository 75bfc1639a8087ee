"""References of what stands on the disk: a state directory, a state file, a snapshot, an exported file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from detector import codec, dbfile
from detector.contracts import Floats
from detector.counts import Counts
from detector.errors import FleetError, StateError
from detector.fleet.giving import given, shape_of
from detector.fleet.member import base_of
from detector.fleet.reference import SIZE_LIMIT, Learned, Reference
from detector.ledger import Ledger
from detector.pipeline import Pipeline
from detector.training import files

_SQLITE = b"SQLite format 3\0"
_AT_ONCE = 1000


def is_reference(path: Path) -> bool:
    """Return whether a file says that it is a reference."""
    return files.read_bytes(path, 4)[:4] == b"KYOR"


def read(path: Path, pipeline: Pipeline) -> Reference:
    """Return what a state or an exported file holds.

    Parameters
    ----------
    path : Path
        A state directory, of which the file of the pipeline's name is read; a state file, as a snapshot is
        one; or an exported file. A daemon may run with it.
    pipeline : Pipeline
        Whose models a state holds.

    Raises
    ------
    FleetError
        There is nothing to be read, or it is of other models; the message begins with the path.
    """
    try:
        file = path / f"{pipeline.name}.db" if path.is_dir() else path
        if not file.exists():
            raise FleetError("there is no such file")
        if files.read_bytes(file, len(_SQLITE))[: len(_SQLITE)] == _SQLITE:
            return _of_state(file, pipeline)
        return Reference.from_bytes(files.read_bytes(file, SIZE_LIMIT))
    except (FleetError, StateError) as error:
        raise FleetError(f"{path}: {error}") from None


def _of_state(file: Path, pipeline: Pipeline) -> Reference:
    """Return what the models of a state file have learned themselves; a copy of it is read."""
    shape = shape_of(pipeline)
    with TemporaryDirectory() as folder, _copied(file, Path(folder) / file.name) as ledger:
        schema = (ledger.get("store", b"schema") or b"").decode()
        if schema != pipeline.schema:
            raise FleetError(
                f"its models are of other features or settings (schema {schema}, not {pipeline.schema}); "
                "give the configuration that made them by --config"
            )
        counts = Counts.from_bytes(ledger.get("meta", b"counts") or b"")
        life = (ledger.get("store", b"life") or b"").decode()
        charts: dict[str, Floats] = {}
        first = b""
        while portion := ledger.scan("row", first, _AT_ONCE):
            rows = {_text(name): _row(data, pipeline) for name, data in portion}
            bases = {key: base_of(data, shape) for key, data in _warm(ledger, rows).items()}
            charts |= given(pipeline, rows.items(), bases)
            first = portion[-1][0] + b"\0"
    return Reference(shape, charts, {str(file): Learned(life, counts.scored + counts.history)})


@contextmanager
def _copied(file: Path, copy: Path) -> Iterator[Ledger]:
    with dbfile.explained(file, "read"):
        dbfile.check_version(file)
        source = f"{file.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(source, uri=True)) as state, closing(sqlite3.connect(copy)) as made:
            state.backup(made)
    ledger = Ledger.open(copy)
    try:
        ledger.check()
        yield ledger
    finally:
        ledger.close()


def _warm(ledger: Ledger, keys: Iterable[str]) -> dict[str, bytes]:
    names = [key.encode("utf-8", "surrogatepass") for key in keys]
    return {_text(name): data for name, data in ledger.fetch("warm", names).items()}


def _row(data: bytes, pipeline: Pipeline) -> Floats:
    return codec.decode_row(data, bytes.fromhex(pipeline.schema), pipeline.width)


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogatepass")
