"""A metric as the bytes of one .npz file: its arrays, and a manifest of all else. Nothing in it could run.

The members, none of them compressed, are `L`, `mean`, `scale` and `manifest`: JSON as an array of bytes, so
that plain ``np.load(path, allow_pickle=False)`` reads the file, too. What is read back is believed only as
far as it proves: sizes before anything is allocated, and in the end the metric's own id.
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
import zipfile
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from detector.errors import MetricError
from detector.metric.comparison import Comparison
from detector.metric.learned import Metric
from detector.npy import DAMAGED, read_header

VERSION = 1
SIZE_LIMIT = 40 << 20
"""Bytes of a file; a square L of `LARGEST_SIDE` takes 32 MiB."""
MANIFEST_LIMIT = 1 << 20
LARGEST_SIDE = 2048
"""Rows or columns of L."""
ALGORITHM = r"[A-Za-z0-9_]{1,40}"
"""It begins the id, and so the name of a file."""

_MEMBERS = {"L": "<f8", "mean": "<f8", "scale": "<f8", "manifest": "|u1"}
_MOST_ENTRIES_BYTES = 4096
_EPOCH = (1980, 1, 1, 0, 0, 0)
_END = struct.Struct("<4s4H2LH")
_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class Stored(NamedTuple):
    """What a file holds.

    Attributes
    ----------
    metric : Metric
        As it was written.
    comparison : Comparison or None
        How it was chosen.
    """

    metric: Metric
    comparison: Comparison | None = None


def to_bytes(metric: Metric, comparison: Comparison | None = None) -> bytes:
    """Return a metric as an .npz file; the same metric gives the same bytes.

    Raises
    ------
    MetricError
        It has something that could not be read back.

    Examples
    --------
    >>> metric = Metric(np.eye(2), np.zeros(2), np.ones(2), ("flow", "temp"), "euclidean")
    >>> from_bytes(to_bytes(metric)).id == metric.id
    True
    """
    manifest = {
        "version": VERSION,
        "id": metric.id,
        "features": list(metric.features),
        "algorithm": metric.algorithm,
        "parameters": dict(metric.parameters),
        "data": metric.data,
        "figures": dict(metric.figures),
        "parent": metric.parent,
        "comparison": comparison.to_plain() if comparison else None,
    }
    _check(manifest)
    text = json.dumps(manifest, sort_keys=True, allow_nan=False).encode()
    if max(metric.L.shape) > LARGEST_SIDE or len(text) > MANIFEST_LIMIT:
        raise MetricError(f"metric {metric.id}: more than {LARGEST_SIDE} features, or too long names")
    arrays: dict[str, NDArray[Any]] = {"L": metric.L, "mean": metric.mean, "scale": metric.scale}
    arrays["manifest"] = np.frombuffer(text, np.uint8)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array.astype(_MEMBERS[name]), (1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy", _EPOCH), content.getvalue())
    return file.getvalue()


def from_bytes(data: bytes) -> Metric:
    """Return the metric in an .npz file; raises as `stored` does."""
    return stored(data).metric


def stored(data: bytes) -> Stored:
    """Return what `to_bytes` was given.

    Raises
    ------
    MetricError
        It is no metric of ours, is damaged or was changed, or a later version wrote it.
    """
    contents = _members(data)
    manifest = _manifest(_array(contents, "manifest").tobytes())
    arrays = {name: _array(contents, name).astype(np.float64) for name in ("L", "mean", "scale")}
    metric = Metric(
        **arrays,
        features=tuple(manifest["features"]),
        algorithm=manifest["algorithm"],
        parameters=manifest["parameters"],
        data=manifest["data"],
        figures=manifest["figures"],
        parent=manifest["parent"],
    )
    if metric.id != manifest["id"]:
        raise MetricError(
            f"it says that it is {manifest['id']} but is {metric.id}: damaged, or changed by hand"
        )
    comparison = manifest.get("comparison")
    return Stored(metric, None if comparison is None else Comparison.from_plain(comparison))


def _members(data: bytes) -> dict[str, bytes]:
    """Return the members by name, none of them larger than the file."""
    if len(data) > SIZE_LIMIT:
        raise MetricError(f"larger than a metric of {LARGEST_SIDE} features can be")
    if len(data) < _END.size or data[:4] != b"PK\x03\x04":
        raise MetricError("no .npz file, or cut short")
    # The list of members at the end is checked first: zipfile reads whatever length it claims.
    magic, *_, entries, size, _, comment = _END.unpack_from(data, len(data) - _END.size)
    longer = data[-_END.size - 20 :].startswith(b"PK\x06\x07")
    if magic != b"PK\x05\x06" or entries != len(_MEMBERS) or size > _MOST_ENTRIES_BYTES or comment or longer:
        raise MetricError("no .npz file of a metric, or cut short")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            if sorted(info.filename for info in infos) != sorted(f"{name}.npy" for name in _MEMBERS):
                raise MetricError(f"has other members than {', '.join(_MEMBERS)}")
            if any(info.compress_type or info.file_size != info.compress_size for info in infos):
                raise MetricError("is compressed; a metric never is")
            if sum(info.file_size for info in infos) > len(data):
                raise MetricError("claims to hold more than its own length")
            return {info.filename.removesuffix(".npy"): archive.read(info) for info in infos}
    except (OSError, *DAMAGED) as error:
        raise MetricError(f"damaged: {error}") from None


def _array(contents: Mapping[str, bytes], name: str) -> NDArray[np.generic]:
    """Return an array, once its header is known to say what the member's length bears out."""
    file = io.BytesIO(contents[name])
    try:
        shape, by_columns, dtype = read_header(file)
    except ValueError as error:
        raise MetricError(f"{name}: {error}") from None
    if dtype.str != _MEMBERS[name] or by_columns:
        raise MetricError(f"{name}: an array of {dtype.str}; expected {_MEMBERS[name]}, by rows")
    largest = MANIFEST_LIMIT if name == "manifest" else LARGEST_SIDE
    if len(shape) != (2 if name == "L" else 1) or not all(0 < side <= largest for side in shape):
        raise MetricError(f"{name}: the shape {shape} is none that a metric has")
    if math.prod(shape) * dtype.itemsize != len(contents[name]) - file.tell():
        raise MetricError(f"{name}: its length does not match its shape")
    return np.frombuffer(contents[name], dtype, offset=file.tell()).reshape(shape)


def _manifest(text: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise MetricError(f"manifest: cannot be read: {error}") from None
    version = manifest.get("version") if isinstance(manifest, dict) else None
    if type(version) is not int or version < 1:
        raise MetricError("manifest: has no version")
    if version > VERSION:
        raise MetricError(
            f"written in version {version} of the format, this kyori knows {VERSION}; install a later one"
        )
    _check(manifest)
    return dict(manifest)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no number")


def _check(manifest: Mapping[str, Any]) -> None:
    """Refuse a manifest that lacks something, or has it in another type."""
    texts = [manifest.get(name) for name in ("id", "algorithm", "data", "parent")]
    features, parameters, figures = (manifest.get(name) for name in ("features", "parameters", "figures"))
    sound = (
        all(_is_text(text) for text in texts)
        and re.fullmatch(ALGORITHM, manifest["algorithm"])
        and isinstance(features, list)
        and all(_is_text(name) and name for name in features)
        and isinstance(parameters, dict)
        and all(_is_text(value) or _is_number(value) for value in parameters.values())
        and isinstance(figures, dict)
        and all(_is_number(value) for value in figures.values())
        and all(_is_text(name) for name in (*parameters, *figures))
        and isinstance(manifest.get("comparison"), dict | None)
    )
    if not sound:
        raise MetricError("manifest: a name or value is missing, or is of another type than it must be")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= 1000 and not _UNPRINTABLE.search(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and abs(value) < 1e300
