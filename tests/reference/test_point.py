"""The points that a distance can be measured from, each beside what the whole data say at the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis

from detector import row
from detector.metric.distances import DISTANCES
from detector.model import Model
from detector.reference import point, ring
from detector.settings import Detector, OpenAfter, Reference
from detector.verdict.rule import distance_rule
from tests import naive
from tests.checks import invariance
from tests.models import PLAIN, One
from tests.streams import batch, messy, pipeline

KINDS = get_args(Reference.model_fields["kind"].annotation)
LEARNED = ("median", "geometric_median", "trimmed", "medoid")
FLOW = {"flow": 21.0, "pressure": 19.5, "current": 22.0, "temperature": 20.0}

each = pytest.mark.parametrize("kind", LEARNED)
both = pytest.mark.parametrize("distance", ["mahalanobis", "standardized"])


def learned(kind: str, X: np.ndarray, distance: str = "mahalanobis", **settings: Any) -> One:
    one = One(X.shape[1], reference=kind, distance=distance, **{**PLAIN, **settings})
    one.run(X)
    return one


def reference(one: One) -> np.ndarray:
    """The point, as the row has it."""
    d, at = one.d, row.HEAD + one.model._point.at
    return one.row[at : at + d] + one.row[row.origin_at(d) : row.origin_at(d) + d]


def polluted(n: int, by: float, seed: int = 0) -> np.ndarray:
    """Records about 0, a fifth of them moved to one side."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    X[rng.random(n) < 0.2] += by
    return X


STREAMS: dict[str, Callable[[int], np.ndarray]] = {
    "normal": lambda n: np.random.default_rng(1).normal(size=(n, 4)),
    "skewed": lambda n: np.random.default_rng(2).exponential(size=(n, 4)) ** 1.5,
    "heavy": lambda n: np.random.default_rng(3).standard_t(2, size=(n, 4)),
    "polluted": lambda n: polluted(n, 1e3),
    "counts": lambda n: np.random.default_rng(4).poisson(3.0, size=(n, 4)).astype(float),
    "correlated": lambda n: np.random.default_rng(5).normal(size=(n, 4)) @ np.tri(4) + 7.0,
}


def mads(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.median(abs(X - np.median(X, axis=0)), axis=0))


def weiszfeld(X: np.ndarray) -> np.ndarray:
    centre = np.median(X, axis=0)
    for _ in range(1000):
        w = 1.0 / np.maximum(np.linalg.norm(X - centre, axis=1), 1e-12)
        centre = w @ X / w.sum()
    return np.asarray(centre)


@both
@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("n", [100, 1000, 10_000])
def test_median(stream: str, distance: str, n: int) -> None:
    X = STREAMS[stream](n)
    off = abs(reference(learned("median", X, distance)) - np.median(X, axis=0)) / mads(X)
    assert (off < 5.0 / np.sqrt(n)).all()


@both
@pytest.mark.parametrize("stream", ["normal", "skewed", "heavy", "correlated"])
@pytest.mark.parametrize("n", [100, 1000, 10_000])
def test_geometric_median(stream: str, distance: str, n: int) -> None:
    X = STREAMS[stream](n)
    off = abs(reference(learned("geometric_median", X, distance)) / mads(X) - weiszfeld(X / mads(X)))
    assert (off < 5.0 / np.sqrt(n)).all()


def test_what_the_other_points_are_not() -> None:
    """The checks above tell the median, the geometric median and the mean from each other."""
    X = STREAMS["skewed"](10_000)
    bound = 5.0 / 100.0
    assert (abs(X.mean(axis=0) - np.median(X, axis=0)) / mads(X) > bound).all()
    assert (abs(weiszfeld(X / mads(X)) - np.median(X, axis=0) / mads(X)) > bound).all()


@both
@pytest.mark.parametrize("by", [6.0, 50.0, 1e6])
@pytest.mark.parametrize("n", [100, 2000])
def test_trimmed_bears_a_fifth_of_faults_and_the_mean_does_not(by: float, n: int, distance: str) -> None:
    for seed in range(3):
        X = polluted(n, by, seed)
        assert (abs(reference(learned("trimmed", X, distance))) < 0.15 + 4.0 / np.sqrt(n)).all()
        assert (learned("mean", X, distance).mean > 0.1 * by).all()


def test_trimmed_of_clean_records_is_the_mean() -> None:
    X = STREAMS["correlated"](10_000)
    assert (abs(reference(learned("trimmed", X)) - X.mean(axis=0)) / X.std(axis=0) < 0.05).all()


@pytest.mark.parametrize("n", [5, 32, 33, 300, 5000])
def test_medoid(n: int) -> None:
    """One of the records in the ring, which reaches back over most of what was learned."""
    X = STREAMS["correlated"](n)
    one = learned("medoid", X)
    at = row.HEAD + one.model._point.at + 2 * one.d + ring.RECORDS
    kept = one.row[at : at + min(n, ring.MEMBERS) * one.d].reshape(-1, one.d) + X[0]
    places = np.sort(cdist(kept, X).argmin(axis=1))
    np.testing.assert_allclose(kept[np.argsort(cdist(kept, X).argmin(axis=1))], X[places])
    assert places[0] < 0.45 * n
    assert places[-1] >= n - 1 - n // ring.MEMBERS
    scaled = kept / mads(kept)
    best = cdist(scaled, scaled).sum(axis=1).argmin()
    np.testing.assert_allclose(reference(one), kept[best])


@each
@both
def test_faults_before_all_others_do_not_matter(kind: str, distance: str) -> None:
    """Once a walk that began at them took thousands of records to be back."""
    X = STREAMS["normal"](150)
    X[:8] += 1e4
    assert (abs(reference(learned(kind, X, distance))) < 2.0).all()


@each
def test_neither_unit_nor_offset_matters(kind: str) -> None:
    X = STREAMS["correlated"](2000)
    units = np.array([1.0, 1e-3, 1e6, 1.0])
    offsets = np.array([0.0, 0.0, -1e15, 1e9])
    plain, other = learned(kind, X), learned(kind, X * units + offsets)
    np.testing.assert_allclose((reference(other) - offsets) / units, reference(plain), atol=1e-5)
    np.testing.assert_allclose(other.run(X[:50] * units + offsets).score, plain.run(X[:50]).score, rtol=1e-4)


@each
@both
def test_missing_values_leave_a_column_as_it_is(kind: str, distance: str) -> None:
    rng = np.random.default_rng(6)
    X = rng.normal(size=(4000, 4)) + 50.0
    X[rng.random(X.shape) < 0.3] = np.nan
    X[:500, 3] = np.nan  # a column that comes late
    one = learned(kind, X, distance)
    assert np.isfinite(one.row[row.HEAD : row.HEAD + one.model._point.at]).all()
    assert (abs(reference(one) - 50.0) < (2.0 if kind == "medoid" else 0.15)).all()


@each
def test_what_is_old_is_forgotten(kind: str) -> None:
    X = STREAMS["normal"](6000)
    X[3000:] += 5.0
    assert (abs(reference(learned(kind, X, memory=300)) - 5.0) < 2.0).all()
    assert (reference(learned(kind, X)) < 4.0).any() or kind == "medoid"  # the control: half of all records


@each
@pytest.mark.parametrize("distance", DISTANCES)
def test_extremes_leave_it_finite(kind: str, distance: str) -> None:
    X = STREAMS["normal"](600)
    X[:, 1] = 7.0
    X[:, 2] = np.random.default_rng(7).random(600) < 0.1
    X[100::50, [0, 3]] *= 1e100
    X[125::50, [0, 3]] *= 1e-300
    X[300, 1] = 700.0
    one = learned(kind, X, distance)
    ring_at = row.HEAD + one.model._point.at + 2 * one.d
    assert np.isfinite(one.row[:ring_at]).all()
    assert reference(one)[1] == pytest.approx(7.0)
    assert (abs(reference(one)) < 10.0).all()


@pytest.mark.parametrize("kind", [*LEARNED, "fixed"])
def test_the_explanation_is_measured_from_the_reference(kind: str) -> None:
    X = STREAMS["correlated"](500)
    fixed = X.mean(axis=0) + np.array([1.0, 0.0, -2.0, 0.5])
    settings: dict[str, Any] = {"kind": "fixed", "values": {"a": 1.0}} if kind == "fixed" else {"kind": kind}
    one = One(4, fixed=fixed, **{**PLAIN, "reference": settings})
    one.run(X)
    at = fixed if kind == "fixed" else reference(one)
    assert (abs(at - one.mean) > 1e-3).any()
    x = X.mean(axis=0) + np.array([3.0, -1.0, 4.0, 0.0])
    found = one.run(x[None], frozen=True, explain=np.ones(1, bool))
    assert found.score[0] == pytest.approx(mahalanobis(x, at, np.linalg.inv(one.covariance)), rel=1e-6)
    for mine, theirs in zip(
        (found.shares, found.expected, found.sd), naive.reasons(x, at, one.covariance), strict=True
    ):
        np.testing.assert_allclose(mine[0], theirs, rtol=1e-6)
    assert found.shares[0].sum() == pytest.approx(1.0)
    young = One(4, fixed=fixed, distance="standardized", **{**PLAIN, "reference": settings})
    young.run(X)
    said = young.run(x[None], frozen=True, explain=np.ones(1, bool))
    np.testing.assert_allclose(said.expected[0], fixed if kind == "fixed" else reference(young))


@pytest.mark.parametrize("kind", [*LEARNED, "fixed"])
@both
def test_the_cloud_is_that_about_the_mean(kind: str, distance: str) -> None:
    X = STREAMS["skewed"](700)
    settings: dict[str, Any] = {"kind": "fixed", "values": {"a": 1.0}} if kind == "fixed" else {"kind": kind}
    one = One(4, fixed=np.full(4, 9.0), distance=distance, **{**PLAIN, "reference": settings})
    mean = One(4, distance=distance, **PLAIN)
    assert (one.run(X).score != mean.run(X).score).any()
    chart = slice(row.HEAD, row.HEAD + one.model._point.at)
    # By Mahalanobis it is learned in one pass where it is measured from, else in two.
    np.testing.assert_allclose(one.row[chart], mean.row[chart], rtol=1e-9)


def test_frozen_learns_nothing_after_the_warmup() -> None:
    X = STREAMS["normal"](1000)
    for mode in ("plain", "auto", "series", "iid"):
        frozen, never = One(4, mode=mode, reference="frozen"), One(4, mode=mode, learn_from="never")
        frozen.run(X)
        never.run(X)
        assert frozen.row.tobytes() == never.row.tobytes()


@pytest.mark.parametrize(("by", "d"), [(1.0, 2), (1.0, 10), (10.0, 2), (10.0, 10)])
def test_a_fixed_reference_off_the_middle_keeps_the_budget(by: float, d: int) -> None:
    """The tail of the stream's own scores does it; the control is the threshold as it follows from theory."""
    X = np.random.default_rng(8).normal(size=(30_000, d))
    settings = {"reference": {"kind": "fixed", "values": {"a": 1.0}}}
    one = One(d, fixed=np.full(d, by), **settings)
    assert 2e-4 < one.run(X).anomaly[5000:].mean() < 2e-3
    control = One(d, fixed=np.full(d, by), **settings)
    rule = distance_rule(control.model.settings.threshold, OpenAfter(k=3, n=5), d, whitened=True)
    control.model._rules = (rule,)
    assert by < 10.0 or control.run(X).anomaly[5000:].mean() > 0.5


def test_a_fixed_reference_with_a_tolerance_by_theory() -> None:
    """`chi2_p` asks for the region that would hold nearly all records if they lay about the point."""
    settings = {
        "reference": {"kind": "fixed", "values": {"a": 1.0}},
        "threshold": {"kind": "chi2_p", "value": 0.01},
    }
    X = np.random.default_rng(9).normal(size=(20_000, 3))
    inside, outside = One(3, fixed=np.zeros(3), **settings), One(3, fixed=np.full(3, 5.0), **settings)
    assert 0.005 < inside.run(X).anomaly.mean() < 0.02
    assert outside.run(X).anomaly[100:].all()


def test_a_fixed_reference_needs_a_point_of_its_length() -> None:
    settings = Detector.model_validate({"reference": {"kind": "fixed", "values": {"a": 1.0}}})
    with pytest.raises(ValueError, match="fixed needs one value for each of 3 columns"):
        Model(settings, 3, fixed=np.zeros(2))


def made(kind: str, distance: str) -> Any:
    settings: dict[str, Any] = {"kind": kind, "values": FLOW} if kind == "fixed" else {"kind": kind}
    close = {"open_after": "2 of 3", "close_after": 3}
    return pipeline(
        alert=close, time="time", distance=distance, reference=settings, warmup=40, memory=200,
        threshold={"value": "1 %"},
    )  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@both
def test_batches_restarts_and_keys_do_not_matter(kind: str, distance: str) -> None:
    def make() -> Any:
        return made(kind, distance)

    invariance.check_batches_do_not_matter(make, messy(), (1, 7))
    invariance.check_restart_does_not_matter(make, messy(1, 300), [1, 5, 24, 33, 121, 237])
    invariance.check_keys_do_not_meet(make, messy(2))


def test_a_point_that_is_lost_is_caught() -> None:
    """The control of the check above: a restart that forgets where the point was."""
    width = row.HEAD + row.chart_width(4, full=True)

    class Forgetful(type(made("median", "mahalanobis"))):  # type: ignore[misc]
        def restore(self, rows: Any, open_alerts: bytes, **more: Any) -> None:
            for saved in rows.values():
                saved[width : width + 4] = 0.0
            super().restore(rows, open_alerts, **more)

    with pytest.raises(AssertionError, match="after a restart at 121"):
        invariance.check_restart_does_not_matter(
            lambda: Forgetful("plant", made("median", "mahalanobis").settings), messy(1, 300), [121]
        )


def test_another_kind_of_point_is_another_model() -> None:
    """But what was learned about the mean serves a fixed or frozen reference too, whatever its values."""
    schemas = {kind: made(kind, "mahalanobis").schema for kind in KINDS}
    assert len({schemas[kind] for kind in LEARNED} | {schemas["mean"]}) == len(LEARNED) + 1
    plain = pipeline(mode="plain").schema
    assert schemas["mean"] == pipeline().schema
    assert (
        schemas["fixed"]
        == pipeline(mode="plain", reference={"kind": "fixed", "values": FLOW}).schema
        == plain
    )
    other = {"kind": "fixed", "values": dict.fromkeys(FLOW, 1.0)}
    assert pipeline(mode="plain", reference=other).schema == plain
    assert pipeline(reference="frozen").schema == pipeline().schema


def test_a_fixed_point_is_read_as_a_record_is() -> None:
    """In the feature's own unit: with `log` the distance of equal values is 0."""
    rng = np.random.default_rng(10)
    X = np.exp(rng.normal(size=(500, 2)))
    golden = pipeline(
        ["flow", {"name": "pressure", "log": True, "valid": [0, 1e6]}],
        reference={"kind": "fixed", "values": {"pressure": 2.0, "flow": 1.5}},
    )
    golden.process(batch(X, names=("flow", "pressure")))
    scores = golden.process(
        batch(np.array([[1.5, 2.0], [1.5, 2.1]]), names=("flow", "pressure"))
    ).scores.score
    assert scores[0] == pytest.approx(0.0, abs=1e-9)
    assert scores[1] > 0.01


def test_every_kind_is_known_to_the_kernels() -> None:
    assert set(KINDS) == set(point.KINDS)
