"""Records that come by the API to be judged: decoded as a source does it, and nothing is learned of them."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any, cast

import numpy as np

from connectors.decode import RowBuilder
from detector.contracts import Alert, Batch
from detector.judging import judge, vectors
from detector.web import answers, asked
from detector.web.looking import numbers, shown
from detector.web.office import Office, ask
from detector.web.refusal import Refusal

_NAMED = 3


def score(office: Office, of: asked.Records) -> answers.Scored:
    """Return what the models say of records now."""
    pipeline = office.worker(of.pipeline).pipeline
    batch, errors = _batch(office, of, pipeline.layout)
    results = [_silent(key, error) for key, error in errors]
    places = [i for i, (_, error) in enumerate(errors) if not error]
    judgement = ask(office.worker(of.pipeline), lambda: judge(pipeline, batch)) if len(batch) else None
    for i in places:
        results[i]["error"] = "no usable number, too many missing, or no model of this key yet"
    if judgement is not None:
        for at, used in enumerate(judgement.used.tolist()):
            results[places[used]] = _judged(judgement.told[at], bool(judgement.scores.anomaly[at]))
    return {"results": results}


def nearest(office: Office, of: asked.Records) -> answers.NearestAll:
    """Return the class that each record is nearest to."""
    pipeline = office.worker(of.pipeline).pipeline
    classes = pipeline.classes
    if classes is None:
        raise Refusal(
            409, f"pipeline {pipeline.name} knows no classes; set detector.classes in the configuration"
        )
    batch, errors = _batch(office, of, pipeline.layout)
    found = classes.nearest(vectors(pipeline.vector, batch)[:, pipeline.vector.context :])
    names, results, at = classes.names, list[answers.NearestOf](), 0
    for _, error in errors:
        if error:
            results.append(
                {
                    "class": None, "second": None, "margin": None, "unknown": True, "distances": {},
                    "levels": {}, "error": error,
                }
            )  # fmt: skip
            continue
        first, second = int(found.nearest[at]), int(found.second[at])
        results.append(
            {
                "class": names[first] if first >= 0 else None,
                "second": names[second] if second >= 0 else None,
                "margin": _number(float(found.margin[at])), "unknown": bool(found.unknown[at]) or first < 0,
                "distances": dict(zip(names, numbers(found.distance[at]), strict=True)),
                "levels": dict(zip(names, numbers(found.level[at]), strict=True)),
                "error": "" if first >= 0 else "no usable number",
            }
        )  # fmt: skip
        at += 1
    return {"results": results}


def _batch(office: Office, of: asked.Records, layout: Any) -> tuple[Batch, list[tuple[str, str]]]:
    """Return the usable records, and of each record its key, and what is wrong with it, "" = nothing."""
    builder = RowBuilder(replace(layout, key="") if of.key is not None else layout)
    errors = list[tuple[str, str]]()
    for i, record in enumerate(of.records):
        rejected = builder.rejected
        builder.add(record, {}, f"records[{i}]")
        errors.append(("", "" if builder.rejected == rejected else "rejected"))
    batch = builder.batch(arrival=office.clock(), position=b"")
    if of.key is not None:
        batch = replace(batch, key=np.full(len(batch), of.key, object))
    details, keys = iter(batch.rejected), iter(batch.key.tolist())
    return batch, [("", _said(next(details))) if error else (next(keys), "") for _, error in errors]


def _said(rejected: Any) -> str:
    return f"{rejected.reason}: {rejected.detail}"


def _silent(key: str, error: str) -> answers.Judged:
    return {
        "key": shown(key), "score": None, "threshold": None, "level": None, "p": None, "anomaly": False,
        "top": [], "reasons": [], "message": "", "error": error,
    }  # fmt: skip


def _judged(told: Alert, anomaly: bool) -> answers.Judged:
    silent = not math.isfinite(told.level)
    reasons = [] if silent else _reasons(told)
    return {
        "key": shown(told.key), "score": _number(told.score), "threshold": _number(told.threshold),
        "level": _number(told.level), "p": _number(told.p), "anomaly": anomaly,
        "top": [reason["name"] for reason in reasons[:_NAMED]], "reasons": reasons,
        "message": "" if silent else shown(told.message),
        "error": "the model of this key has not learned enough yet" if silent else "",
    }  # fmt: skip


def _reasons(told: Alert) -> list[answers.ReasonOf]:
    return [cast("answers.ReasonOf", asdict(reason)) for reason in told.reasons]


def _number(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
