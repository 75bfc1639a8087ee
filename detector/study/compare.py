"""`kyori compare`: the same history under every setting that decides what is far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, get_args, get_origin

import numpy as np
from pydantic import ValidationError

from detector.metric.distances import DISTANCES
from detector.settings import Detector, Reference
from detector.settings import Pipeline as Settings
from detector.study.history import History
from detector.study.metrics import (
    Bools,
    average_precision,
    by_key,
    overlap,
    rank_correlation,
    roc_auc,
)
from detector.study.replay import Advance, Outcome, Trace, incidents, outcome, replay

_PARAMETER = {"minkowski": "minkowski:3"}
"""With p = 2, its default, it would be Euclid once more."""


_ELSEWHERE = ("fixed", "frozen")
"""References that are not tried: one needs values, the other is ``learn_from: never``."""


@dataclass(frozen=True, slots=True)
class Row:
    """One setting on the user's history. Figures that cannot be had are NaN.

    Attributes
    ----------
    name : str
        What differs from the first row, as it is written under ``detector:``.
    outcome : Outcome
        Its alerts against the incidents.
    alerts, false : float
        Opened, and meeting no incident; a day, or in 1,000 records.
    flagged : float
        Share of the judged records with level >= 1.
    hit : float
        Share of the labelled judged records with level >= 1.
    auc, ap : float
        ROC AUC and average precision of the score over judged records; the mean over keys.
    halves : (float, float)
        The average precision before and after the middle incident.
    correlation, overlap : float
        With the first row: rank correlation of the scores, and the share of the records flagged by
        either that both flagged.
    """

    name: str
    outcome: Outcome
    alerts: float
    false: float
    flagged: float
    hit: float
    auc: float
    ap: float
    halves: tuple[float, float]
    correlation: float
    overlap: float


def candidates(base: Settings) -> Iterator[tuple[str, Settings]]:
    """Yield name and settings of each row: first as it is, then with one setting changed."""
    yield "as it is", base
    for setting, values in _varied().items():
        for value in values:
            if value != _chosen(base.detector, setting):
                changed = _changed(base, setting, value)
                if changed is not None:
                    yield f"{setting}: {value}", changed


def _varied() -> dict[str, list[str]]:
    """Return every setting of a detector that is a choice among names, with these names.

    >>> _varied()["learn_from"]
    ['gated', 'all', 'never']
    """
    named = {
        name: list(get_args(field.annotation))
        for name, field in Detector.model_fields.items()
        if get_origin(field.annotation) is Literal
    }
    kinds = get_args(Reference.model_fields["kind"].annotation)
    return {
        "distance": [_PARAMETER.get(name, name) for name in DISTANCES],
        "reference": [kind for kind in kinds if kind not in _ELSEWHERE],
    } | named


def _chosen(detector: Detector, setting: str) -> object:
    """Return what is chosen among the names of `_varied`."""
    return detector.reference.kind if setting == "reference" else getattr(detector, setting)


def _changed(base: Settings, setting: str, value: str) -> Settings | None:
    """Return the settings with that one changed; None where it does not go with the others."""
    choices = {name: getattr(base.detector, name) for name in _varied()} | {setting: value}
    if setting in ("distance", "reference"):
        choices["mode"] = "auto"  # the other modes are each made for some of them
    metric = base.detector.metric if choices["distance"] == "learned" else None
    choices["metric"] = metric if metric is not None and metric.file else None
    parts = {name: getattr(base, name) for name in Settings.model_fields}
    try:
        checked = Detector.model_validate(choices)
        detector = base.detector.model_copy(update={name: getattr(checked, name) for name in choices})
        return Settings.model_validate(parts | {"detector": detector})
    except ValidationError:
        return None


def compare(history: History, advance: Advance = lambda _: None) -> list[Row]:
    """Replay a history under every candidate.

    Parameters
    ----------
    advance : callable
        Is told of every few thousand records.
    """
    first: Trace | None = None
    rows = []
    for name, settings in candidates(history.settings):
        trace = replay(settings, history, advance)
        first = first or trace
        rows.append(_row(name, trace, first))
    return rows


def _row(name: str, trace: Trace, first: Trace) -> Row:
    judged = trace.judged
    result = outcome(trace)
    common = judged & first.judged
    labelled = trace.truth is not None
    return Row(
        name=name,
        outcome=result,
        alerts=trace.rate(result.alerts),
        false=trace.rate(result.false) if labelled else float("nan"),
        flagged=float(trace.anomaly[judged].mean()),
        hit=_hit(trace, judged),
        auc=_ranked(roc_auc, trace, judged),
        ap=_ranked(average_precision, trace, judged),
        halves=_halves(trace),
        correlation=by_key(
            rank_correlation, trace.key[common], trace.score[common], first.score[common],
            weight=np.ones(int(common.sum())),
        ),
        overlap=overlap(trace.anomaly[common], first.anomaly[common]),
    )  # fmt: skip


def _hit(trace: Trace, rows: Bools) -> float:
    if trace.truth is None or not trace.truth[rows].any():
        return float("nan")
    return float(trace.anomaly[rows & trace.truth].mean())


def _ranked(metric: object, trace: Trace, rows: Bools) -> float:
    """Return how well the scores of some rows rank the labelled ones; a key weighs as its anomalies."""
    if trace.truth is None:
        return float("nan")
    truth = trace.truth[rows]
    return by_key(metric, trace.key[rows], truth, trace.score[rows], weight=truth.astype(float))  # type: ignore[arg-type]


def _halves(trace: Trace) -> tuple[float, float]:
    """Return the average precision before and after the start of the middle incident."""
    starts = sorted(incident.start for incident in incidents(trace))
    if len(starts) < 2:
        return float("nan"), float("nan")
    early = trace.clock < starts[len(starts) // 2]
    return (
        _ranked(average_precision, trace, trace.judged & early),
        _ranked(average_precision, trace, trace.judged & ~early),
    )
