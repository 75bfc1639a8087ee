"""Classes as the bytes of one .npz file: arrays, their metric, and a manifest. Nothing in it could run.

What is read back is believed only as far as it proves: names and sizes of the members before anything is
allocated, then the shape of each array, then what a covariance must be. The metric's own archive is a member.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from detector.errors import KyoriError
from detector.labels.classes import MOST, Classes
from detector.labels.heldout import Confusion
from detector.metric import archive
from detector.npy import DAMAGED, read_header

VERSION = 1
SIZE_LIMIT = 256 << 20
_MEMBERS = {
    "count": "<f8",
    "mean": "<f8",
    "covariance": "<f8",
    "confusion": "<i8",
    "metric": "|u1",
    "manifest": "|u1",
}
_EPOCH = (1980, 1, 1, 0, 0, 0)
_ASYMMETRY = 1e-8


def to_bytes(classes: Classes, confusion: Confusion) -> bytes:
    """Return classes, and how well they are told apart, as an .npz file.

    Examples
    --------
    >>> from detector.labels.heldout import held_out
    >>> X, labels = np.random.default_rng(0).normal(size=(20, 2)), ["idle", "run"] * 10
    >>> data = to_bytes(Classes.fit(X, labels, ("a", "b")), held_out(X, labels, ("a", "b")))
    >>> from_bytes(data)[0].names
    ('idle', 'run')
    """
    manifest = {"version": VERSION, "names": list(classes.names), "rate": classes.rate}
    arrays: dict[str, NDArray[Any]] = {
        "count": classes.count,
        "mean": classes.mean,
        "covariance": classes.covariance,
        "confusion": confusion.counts,
        "metric": np.frombuffer(archive.to_bytes(classes.metric), np.uint8),
        "manifest": np.frombuffer(json.dumps(manifest).encode(), np.uint8),
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as members:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array.astype(_MEMBERS[name]), (1, 0), allow_pickle=False)
            members.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content.getvalue())
    return file.getvalue()


def from_bytes(data: bytes) -> tuple[Classes, Confusion]:
    """Return what `to_bytes` was given.

    Raises
    ------
    KyoriError
        It is no file of classes, is damaged, or a later version wrote it.
    """
    arrays = _arrays(data)
    names, rate = _manifest(arrays["manifest"].tobytes())
    metric = archive.from_bytes(arrays["metric"].tobytes())
    c, d = len(names), len(metric.features)
    shapes = {"count": (c,), "mean": (c, d), "covariance": (c, d, d), "confusion": (c, c + 1)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise KyoriError(f"{name}: has the shape {arrays[name].shape}; {c} classes need {shape}")
        if not np.isfinite(arrays[name]).all():
            raise KyoriError(f"{name}: is not finite")
    if arrays["count"].min() < 2 or arrays["confusion"].min() < 0:
        raise KyoriError("count: a class has fewer than two rows, or a number of rows is below 0")
    for name, S in zip(names, arrays["covariance"], strict=True):
        scale = np.sqrt(np.abs(np.diag(S)))
        scale = np.where(scale > 0.0, scale, 1.0)
        with np.errstate(over="ignore", invalid="ignore"):
            R = S / scale / scale[:, None]
            sound = np.abs(R - R.T).max() <= _ASYMMETRY  # not so where R is not finite
        if not sound or np.linalg.eigvalsh((R + R.T) / 2.0).min() < -_ASYMMETRY * d:
            raise KyoriError(f"covariance of {name}: is not symmetric and positive semidefinite")
    classes = Classes(names, metric, arrays["count"], arrays["mean"], arrays["covariance"], rate)
    return classes, Confusion(names, arrays["confusion"])


def _arrays(data: bytes) -> Mapping[str, NDArray[Any]]:
    """Return the members by name, none of them larger than the file."""
    if len(data) > SIZE_LIMIT:
        raise KyoriError("larger than a file of classes can be")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as members:
            infos = members.infolist()
            if sorted(info.filename for info in infos) != sorted(f"{name}.npy" for name in _MEMBERS):
                raise KyoriError("no file of classes: it has other members")
            if any(info.compress_type or info.file_size != info.compress_size for info in infos):
                raise KyoriError("is compressed; a file of classes never is")
            if sum(info.file_size for info in infos) > len(data):
                raise KyoriError("claims to hold more than its own length")
            return {name: _array(members.read(f"{name}.npy"), name) for name in _MEMBERS}
    except (OSError, *DAMAGED) as error:
        raise KyoriError(f"no .npz file, or damaged: {error}") from None


def _array(content: bytes, name: str) -> NDArray[Any]:
    """Return an array, once its header is known to say what the member's length bears out."""
    file = io.BytesIO(content)
    shape, by_columns, dtype = read_header(file)
    if dtype.str != _MEMBERS[name] or by_columns:
        raise KyoriError(f"{name}: an array of {dtype.str}; expected {_MEMBERS[name]}, by rows")
    if math.prod(shape) * dtype.itemsize != len(content) - file.tell():
        raise KyoriError(f"{name}: its length does not match its shape")
    return np.frombuffer(content, dtype, offset=file.tell()).reshape(shape)


def _manifest(text: bytes) -> tuple[tuple[str, ...], float]:
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise KyoriError(f"manifest: cannot be read: {error}") from None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if type(version) is not int or version < 1:
        raise KyoriError("manifest: has no version")
    if version > VERSION:
        raise KyoriError(
            f"written in version {version} of the format, this kyori knows {VERSION}; install a later one"
        )
    names, rate = manifest.get("names"), manifest.get("rate")
    if (
        not isinstance(names, list)
        or not 0 < len(names) <= MOST
        or not all(isinstance(name, str) and 0 < len(name) <= 1000 for name in names)
        or names != sorted(set(names))
    ):
        raise KyoriError("manifest: names of classes are missing, or not in order")
    if not isinstance(rate, float) or not 0.0 < rate < 1.0:
        raise KyoriError("manifest: rate is no share between 0 and 1")
    return tuple(names), rate
