"""A metric comes back from its bytes as it was, and nothing else comes back from other bytes."""

from __future__ import annotations

import io
import json
import pickle
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.errors import MetricError
from detector.metric import archive
from detector.metric.comparison import Candidate, Comparison
from detector.metric.learned import Metric

COMPARISON = Comparison(
    "average_precision", 5, 0.02,
    (Candidate("kissme", 0.9, 0.01), Candidate("sdml", failure="it is singular")),
    (Candidate("standardize", 0.8, 0.1), Candidate("covariance", 0.7, 0.2)),
)  # fmt: skip


def metric(k: int = 2, d: int = 3, **more: Any) -> Metric:
    rng = np.random.default_rng(d)
    about: dict[str, Any] = {
        "algorithm": "kissme", "parameters": {"ridge": 0.1, "pairs": 20, "clip": True, "prior": "id"},
        "data": "00ff", "figures": {"auc": 0.1 + 0.2, "promoted": 1.0}, "parent": "mmc-000000000000",
        "features": tuple(f"wärme {j} [°C]" for j in range(d)),
    }  # fmt: skip
    about |= more
    return Metric(rng.normal(size=(k, d)), rng.normal(size=d), rng.random(d) + 0.1, **about)


def same(one: Metric, other: Metric) -> bool:
    arrays = all(
        getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in ("L", "mean", "scale")
    )
    return arrays and all(
        getattr(one, name) == getattr(other, name)
        for name in ("features", "algorithm", "parameters", "data", "figures", "parent", "id")
    )


DATA = archive.to_bytes(metric(), COMPARISON)


def members(data: bytes = DATA) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def zipped(contents: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as target:
        for name, content in contents.items():
            target.writestr(name, content)
    return file.getvalue()


def npy(array: np.ndarray[Any, Any], *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def with_manifest(change: Callable[[dict[str, Any]], object]) -> bytes:
    contents = members()
    manifest = json.loads(np.load(io.BytesIO(contents["manifest.npy"])).tobytes())
    change(manifest)
    return zipped(contents | {"manifest.npy": npy(np.frombuffer(json.dumps(manifest).encode(), np.uint8))})


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (9, 2), (40, 40)])
def test_comes_back_as_it_was(shape: tuple[int, int]) -> None:
    one = metric(*shape)
    data = archive.to_bytes(one, COMPARISON)
    metric_, comparison = archive.stored(data)
    assert same(one, metric_)
    assert comparison == COMPARISON or str(comparison) == str(COMPARISON)  # NaN is not equal to itself
    assert archive.to_bytes(metric_, comparison) == data
    assert archive.stored(archive.to_bytes(one)).comparison is None


def test_the_same_metric_gives_the_same_bytes_at_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: 2e9)
    assert archive.to_bytes(metric(), COMPARISON) == DATA


def test_plain_numpy_reads_it() -> None:
    with np.load(io.BytesIO(DATA), allow_pickle=False) as file:
        assert sorted(file.files) == ["L", "manifest", "mean", "scale"]
        np.testing.assert_array_equal(file["L"], metric().L)
        assert json.loads(file["manifest"].tobytes())["id"] == metric().id


def test_what_numpy_writes_of_the_same_arrays_is_read_too() -> None:
    with np.load(io.BytesIO(DATA)) as file:
        arrays = {name: file[name] for name in file.files}
    again = io.BytesIO()
    np.savez(again, **arrays)
    assert same(archive.from_bytes(again.getvalue()), metric())


def header(text: str) -> bytes:
    padded = text.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded


HUGE = "{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 3), }"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("L", header(HUGE) + bytes(48), "the shape (1000000000000, 3) is none"),
        ("L", header(HUGE.replace("1000000000000", "2000")) + bytes(48), "its length does not match"),
        ("L", header(HUGE.replace("1000000000000", "9" * 40)) + bytes(48), "its header is not that"),
        ("L", header(HUGE.replace("1000000000000", "-1")) + bytes(48), "its header is not that"),
        ("L", header(HUGE.replace("'<f8'", "'|O'").replace("1000000000000", "2")) + bytes(48), "its header"),
        ("L", header(HUGE.replace("'<f8'", "[('a', '<f8')]")) + bytes(48), "its header is not that"),
        ("L", npy(np.array([[{}, []], [None, 1]], object), pickled=True), "its header is not that"),
        ("L", npy(np.zeros((0, 3))), "the shape (0, 3) is none"),
        ("L", npy(np.ones((2, 3), np.float32)), "an array of <f4"),
        ("L", npy(np.asfortranarray(np.ones((2, 3)))), "an array of"),
        ("L", npy(np.full((2, 3), np.nan)), "L is not finite"),
        ("L", npy(np.zeros((2, 3))), "M is zero"),
        ("L", npy(np.ones((2, 3))), "damaged, or changed by hand"),
        ("L", npy(np.ones((2, 4))), "3 features need"),
        ("L", npy(metric().L)[:-1], "its length does not match"),
        ("L", npy(metric().L) + b"\0", "its length does not match"),
        ("L", b"", "not an array"),
        ("L", pickle.dumps({}), "not an array"),
        ("scale", npy(np.zeros(3)), "a scale is not above 0"),
        ("mean", npy(np.zeros(2)), "mean and scale need one value"),
        ("mean", npy(np.zeros((3, 1))), "the shape (3, 1) is none"),
        ("manifest", npy(np.frombuffer(b"[" * 500_000, np.uint8)), "manifest: cannot be read"),
        ("manifest", npy(np.frombuffer(b"\xff\xfe", np.uint8)), "manifest: cannot be read"),
        ("manifest", npy(np.frombuffer(b"[]", np.uint8)), "has no version"),
        ("manifest", npy(np.zeros(archive.MANIFEST_LIMIT + 1, np.uint8)), "the shape"),
        ("manifest", npy(np.frombuffer(b"{" + b"1" * 9000 + b"}", np.uint8)), "manifest: cannot be read"),
    ],
)  # fmt: skip
def test_a_hostile_member_is_refused_at_once(name: str, content: bytes, said: str) -> None:
    data = zipped(members() | {f"{name}.npy": content})
    tracemalloc.start()
    began = time.perf_counter()
    with pytest.raises(MetricError) as raised:
        archive.from_bytes(data)
    took = time.perf_counter() - began
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert said in str(raised.value)
    assert took < 0.1  # tracing slows it down; without it, see below
    assert peak < 10 * len(data) + 1_000_000


def test_a_trillion_rows_are_refused_in_less_than_10_ms() -> None:
    data = zipped(members() | {"L.npy": header(HUGE) + bytes(48)})
    took = []
    for _ in range(5):
        began = time.perf_counter()
        with pytest.raises(MetricError):
            archive.from_bytes(data)
        took.append(time.perf_counter() - began)
    assert min(took) < 0.01


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda m: m.update(version=2), "written in version 2 of the format, this kyori knows 1"),
        (lambda m: m.update(version="1"), "has no version"),
        (lambda m: m.update(version=True), "has no version"),
        (lambda m: m.update(id="kissme-000000000000"), "it says that it is kissme-000000000000 but is"),
        (lambda m: m.update(algorithm="mmc"), "damaged, or changed by hand"),
        (lambda m: m.update(algorithm="../../etc/x"), "manifest: "),
        (lambda m: m["parameters"].update(ridge=0.2), "damaged, or changed by hand"),
        (lambda m: m["parameters"].update(ridge=[1]), "manifest: "),
        (lambda m: m["parameters"].update(ridge=float("inf")), "manifest: cannot be read: Infinity"),
        (lambda m: m.update(data="00fe"), "damaged, or changed by hand"),
        (lambda m: m["features"].reverse(), "damaged, or changed by hand"),
        (lambda m: m["features"].append("d"), "need"),
        (lambda m: m.update(features="abc"), "manifest: "),
        (lambda m: m.update(features=["a", "b", "\ud800"]), "manifest: "),
        (lambda m: m.update(features=["a", "b", "\x1b[2J"]), "manifest: "),
        (lambda m: m.update(features=["a", "b", "b"]), "more than once"),
        (lambda m: m["figures"].update(auc="good"), "manifest: "),
        (lambda m: m.update(figures=None), "manifest: "),
        (lambda m: m.pop("parent"), "manifest: "),
        (lambda m: m.update(parent=7), "manifest: "),
        (lambda m: m.update(comparison=[]), "manifest: "),
        (lambda m: m.update(comparison={}), "a comparison that cannot be read"),
        (lambda m: m["comparison"].update(candidates=[]), "a comparison that makes no sense"),
        (lambda m: m["comparison"].update(by="luck"), "a comparison that makes no sense"),
        (lambda m: m["comparison"]["candidates"][0].update(figure="x"), "a comparison that cannot be read"),
    ],
)
def test_a_changed_manifest_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    assert same(archive.from_bytes(with_manifest(lambda manifest: None)), metric())
    with pytest.raises(MetricError) as raised:
        archive.from_bytes(with_manifest(change))
    assert said in str(raised.value)


def test_a_manifest_that_says_nothing_of_a_comparison_has_none() -> None:
    """Found by `make fuzz`: it was a KeyError."""
    assert archive.stored(with_manifest(lambda manifest: manifest.pop("comparison"))).comparison is None


def test_another_set_of_members_is_refused() -> None:
    contents = members()
    less = {name: content for name, content in contents.items() if name != "scale.npy"}
    for wrong in (less, contents | {"evil.py": b""}, less | {"../scale.npy": contents["scale.npy"]}):
        with pytest.raises(MetricError):
            archive.from_bytes(zipped(wrong))
    with pytest.warns(UserWarning, match="Duplicate"):
        twice = io.BytesIO()
        with zipfile.ZipFile(twice, "w") as file:
            for name in ("L.npy", "L.npy", "mean.npy", "manifest.npy"):
                file.writestr(name, contents[name])
    with pytest.raises(MetricError):
        archive.from_bytes(twice.getvalue())


def test_a_zip_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = zipped(members() | {"manifest.npy": bytes(200 << 20)}, zipfile.ZIP_DEFLATED)
    tracemalloc.start()
    with pytest.raises(MetricError, match="compressed"):
        archive.from_bytes(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 5 << 20


def test_a_list_of_a_million_members_is_not_even_looked_at() -> None:
    central = DATA.index(b"PK\x01\x02")
    entry = DATA[central : DATA.index(b"PK\x01\x02", central + 4)]
    end = bytearray(DATA[-22:])
    end[12:16] = (len(entry) * 300_000).to_bytes(4, "little")
    data = DATA[:central] + entry * 300_000 + bytes(end)
    began = time.perf_counter()
    with pytest.raises(MetricError):
        archive.from_bytes(data)
    assert time.perf_counter() - began < 0.05


def test_a_file_larger_than_any_metric_is_refused() -> None:
    with pytest.raises(MetricError, match="larger than"):
        archive.from_bytes(DATA + bytes(archive.SIZE_LIMIT))


def test_the_largest_metric_fits() -> None:
    side = 300
    names = tuple("x" * 200 + str(j) for j in range(side))
    assert archive.from_bytes(archive.to_bytes(metric(side, side, features=names))).rank == side
    assert 8 * archive.LARGEST_SIDE * (archive.LARGEST_SIDE + 2) + archive.MANIFEST_LIMIT < archive.SIZE_LIMIT


@pytest.mark.parametrize(
    "more",
    [{"figures": {"auc": float("nan")}}, {"parameters": {"prior": [1]}}, {"algorithm": "a/b"},
     {"features": ("a", "b", "c\n")}],
)  # fmt: skip
def test_what_could_not_be_read_back_is_not_written(more: dict[str, Any]) -> None:
    with pytest.raises(MetricError, match="manifest: "):
        archive.to_bytes(metric(**more))


def usable_or_refused(data: bytes) -> bool:
    """Whether it is read; what is read must be the metric."""
    try:
        found = archive.stored(data)
    except MetricError:
        return False
    assert same(found.metric, metric())
    assert str(found.comparison) == str(COMPARISON)
    return True


def test_cut_anywhere_it_is_refused() -> None:
    assert usable_or_refused(DATA)
    assert not any(usable_or_refused(DATA[:length]) for length in range(len(DATA)))


def test_with_any_byte_flipped_it_is_refused_or_the_same() -> None:
    read = 0
    for place in range(len(DATA)):
        for bits in (0x01, 0x80, 0xFF):
            flipped = bytearray(DATA)
            flipped[place] ^= bits
            read += usable_or_refused(bytes(flipped))
    assert read < 0.2 * 3 * len(DATA)  # dates and attributes of the members say nothing


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), place=st.integers(0, len(DATA)), length=st.integers(0, 200))
def test_with_anything_in_the_middle_it_is_refused_or_the_same(data: bytes, place: int, length: int) -> None:
    usable_or_refused(DATA[:place] + data + DATA[place + length :])
    usable_or_refused(data)
    usable_or_refused(b"PK\x03\x04" + data + DATA[-22:])
