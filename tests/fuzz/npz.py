"""An .npz file to read records from: rows and one rejection, and no memory because a header says so."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path
from tempfile import gettempdir

import numpy as np

from connectors.decode import RowBuilder
from connectors.sources.npz import NpzReading
from detector.contracts import Layout

_FILE = Path(gettempdir()) / f"kyori-fuzz-{os.getpid()}.npz"


def _npz(array: np.ndarray, *, packed: bool) -> bytes:
    file = io.BytesIO()
    (np.savez_compressed if packed else np.savez)(file, X=array)
    return file.getvalue()


def _member(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array(file, array)
    return file.getvalue()


_TABLE = np.arange(6.0).reshape(3, 2)

SEEDS = (
    _npz(_TABLE, packed=False),
    _npz(np.asfortranarray(_TABLE), packed=True),
    _member(_TABLE),
    _member(_TABLE.astype(">i2")),
)


def one(data: bytes) -> None:
    """Read a file, and one whose array X is these bytes."""
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        archive.writestr("X.npy", data)
    for whole in (data, forged.getvalue()):
        _FILE.write_bytes(whole)
        try:
            _read()
        finally:
            _FILE.unlink()


def _read() -> None:
    builder = RowBuilder(Layout(("x0", "x1")))
    reading = NpzReading(_FILE, 1 << 20, {}, {})
    while reading.fill(builder, 2):
        pass
    reading.close()
    builder.batch(arrival=0.0, position=b"")
