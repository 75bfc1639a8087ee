"""The peers, with their own defaults but for what is said here: score, then learn, in one pass.

They live in an environment of their own (`make bench-accuracy` makes it); where one is missing, only what was
kept of an earlier run can be reported. Those that bring no scaling get every column standardised by the rows
to learn from, and KitNet, which learns only at the start, learns exactly those rows. Windows hold 512 rows.
"""

from __future__ import annotations

import importlib
import importlib.util
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol

import numpy as np

from benchmarks.accuracy.data import Series
from benchmarks.accuracy.output import Output

_SEED = 0
_WINDOW, _REFIT = 512, 128
_LATE = (0, 32)
"""Records by which learning may be delayed: what our own detector does is offered to all who can."""
_LONGEST = "nab"
"""The group with as many records as all others: not for those that take more than a millisecond a record."""

Made = tuple[Callable[[Any], float], Callable[[Any], object]]
"""Score a record, learn a record."""


class Peer(Protocol):
    """A detector of others.

    Attributes
    ----------
    package : str
        Where it is from.
    delays : tuple of int
        Those it is run with.
    slow : bool
        Takes more than a millisecond a record, and is not run on the longest group.
    """

    package: str
    delays: tuple[int, ...]
    slow: bool

    def scores(self, series: Series, delay: int) -> np.ndarray:
        """Return the scores of all rows, each before the row `delay` before it is learned."""


@dataclass(frozen=True, slots=True)
class ByRecord:
    """Scores and learns record by record.

    Attributes
    ----------
    package : str
        Where it is from.
    make : callable
        Takes the rows to learn from and returns how to score and how to learn.
    record : callable
        From a row to what the detector takes.
    scaled : bool
        Whether columns are standardised for it.
    delays, slow
        As of any peer.
    """

    package: str
    make: Callable[[np.ndarray], Made]
    record: Callable[[np.ndarray], Any] = np.asarray
    scaled: bool = True
    delays: tuple[int, ...] = _LATE
    slow: bool = False

    def scores(self, series: Series, delay: int) -> np.ndarray:
        """Return the scores of all rows; those of the rows to learn from are learned at once."""
        X = _standardised(series) if self.scaled else series.X
        score, learn = self.make(X[: series.warm])
        scores, waiting = np.zeros(len(X)), deque[Any]()
        for i, row in enumerate(X):
            now = self.record(row)
            scores[i] = score(now) if i else 0.0
            waiting.append(now)
            if i < series.warm or len(waiting) > delay:
                learn(waiting.popleft())
        return scores


@dataclass(frozen=True, slots=True)
class ByWindow:
    """A batch detector, fitted anew on the last 512 rows every 128 rows.

    Attributes
    ----------
    package, module, name : str
        Where it is from.
    options : dict
        Its arguments.
    alone : bool
        Score row by row, for one whose scores depend on what is scored with it.
    delays, slow
        As of any peer; fitted rarely as it is, it gets no further delay.
    """

    package: str
    module: str
    name: str
    options: dict[str, Any]
    alone: bool = False
    delays: tuple[int, ...] = (0,)
    slow: bool = False

    def scores(self, series: Series, delay: int) -> np.ndarray:
        """Return the scores of all rows, 0 for the rows to learn from."""
        X, scores = series.X, np.zeros(len(series.X))
        for at in range(series.warm, len(X), _REFIT):
            model = getattr(importlib.import_module(self.module), self.name)(**self.options)
            model.fit(X[max(0, at - _WINDOW) : at])
            block = X[at : at + _REFIT]
            parts = np.split(block, len(block)) if self.alone else [block]
            scores[at : at + _REFIT] = np.concatenate([model.decision_function(part) for part in parts])
        return scores


def installed(peer: Peer) -> str:
    """Return the version of the peer's package, or "" where it is missing."""
    return version(peer.package) if importlib.util.find_spec(peer.package) else ""


def skips(peer: Peer, group: str) -> bool:
    """Whether the peer is too slow for the group."""
    return peer.slow and group == _LONGEST


def run(peer: Peer, series: Series, delay: int) -> Output:
    """Score a series; what is not a number counts as no anomaly."""
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about constant columns, once a fit
        scores = peer.scores(series, delay)
    return Output(np.nan_to_num(scores, posinf=1e300, neginf=-1e300), time.process_time() - started)


def _standardised(series: Series) -> np.ndarray:
    start = series.X[: series.warm]
    spread = start.std(axis=0)
    return (series.X - start.mean(axis=0)) / np.where(spread > 1e-9, spread, 1.0)


def _numbered(row: np.ndarray) -> dict[int, float]:
    return dict(enumerate(row.tolist()))


def _named(row: np.ndarray) -> dict[str, float]:
    return {f"f{j}": value for j, value in enumerate(row.tolist())}


def _model(model: Any) -> Made:
    return model.score_one, model.learn_one


def _half_space_trees(start: np.ndarray) -> Made:
    from river import anomaly, preprocessing  # noqa: PLC0415

    return _model(preprocessing.MinMaxScaler() | anomaly.HalfSpaceTrees(seed=_SEED))


def _one_class_svm(start: np.ndarray) -> Made:
    from river import anomaly, preprocessing  # noqa: PLC0415

    return _model(preprocessing.StandardScaler() | anomaly.OneClassSVM())


def _river_loda(start: np.ndarray) -> Made:
    from river import anomaly  # noqa: PLC0415

    return _model(anomaly.LODA(seed=_SEED))


def _pysad(name: str, options: Callable[[np.ndarray], dict[str, Any]]) -> Callable[[np.ndarray], Made]:
    def make(start: np.ndarray) -> Made:
        from pysad import models  # noqa: PLC0415

        model = getattr(models, name)(random_state=_SEED, **options(start))
        return model.score_partial, model.fit_partial

    return make


def _none(start: np.ndarray) -> dict[str, Any]:
    return {}


def _range(start: np.ndarray) -> dict[str, Any]:
    return {"feature_mins": start.min(axis=0), "feature_maxes": start.max(axis=0)}


def _grace(start: np.ndarray) -> dict[str, Any]:
    mapping = max(len(start) // 11, 1)  # 1 to 10, as its defaults
    return {"grace_feature_mapping": mapping, "grace_anomaly_detector": len(start) - mapping}


def _sdo_stream(start: np.ndarray) -> Made:
    from aberrant.model.distance.sdostream import SDOStream  # noqa: PLC0415

    return _model(SDOStream(seed=_SEED))


def _moving_mahalanobis(start: np.ndarray) -> Made:
    from aberrant.model.stat.multi import MovingMahalanobisDistance  # noqa: PLC0415

    return _model(MovingMahalanobisDistance(window_size=_WINDOW))


PEERS: dict[str, Peer] = {
    "river HalfSpaceTrees": ByRecord("river", _half_space_trees, _numbered, scaled=False),
    "river OneClassSVM": ByRecord("river", _one_class_svm, _numbered, scaled=False),
    "river LODA": ByRecord("river", _river_loda, _numbered),
    "PySAD LODA": ByRecord("pysad", _pysad("LODA", _none)),
    "PySAD KitNet": ByRecord("pysad", _pysad("KitNet", _grace), delays=(0,)),  # learns nothing later on
    "PySAD xStream": ByRecord("pysad", _pysad("xStream", _none), delays=(0,), slow=True),
    "PySAD RSHash": ByRecord("pysad", _pysad("RSHash", _range), delays=(0,), slow=True),
    "PyOD IForest, window": ByWindow("pyod", "pyod.models.iforest", "IForest", {"random_state": _SEED}),
    "PyOD ECOD, window": ByWindow("pyod", "pyod.models.ecod", "ECOD", {}, alone=True, slow=True),
    "aberrant SDOStream": ByRecord("aberrant", _sdo_stream, _named),
    "aberrant Mahalanobis": ByRecord("aberrant", _moving_mahalanobis, _named),
}
