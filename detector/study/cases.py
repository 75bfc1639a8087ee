"""`kyori test`: the cases of a configuration, each run through a fresh pipeline."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from detector import scoring
from detector.assembled import assembled
from detector.config.cases import Case, Expect, holds
from detector.config.models import Config
from detector.contracts import Alert, Batch
from detector.errors import KyoriError
from detector.history import History
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings
from detector.study.history import places


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was said of a record.

    Attributes
    ----------
    refused : str
        Why it could not be used; "" = it could.
    told : Alert or None
        What an alert that opened there would say; None: it was refused.
    """

    refused: str = ""
    told: Alert | None = None

    @property
    def judged(self) -> bool:
        """Whether there is a verdict: not within the warm-up."""
        return self.told is not None and self.told.level == self.told.level

    @property
    def anomaly(self) -> bool:
        """Whether it lies beyond the threshold."""
        return self.judged and self.told is not None and self.told.level >= 1.0

    @property
    def top(self) -> str:
        """The feature with the largest share of the distance."""
        reasons = self.told.reasons if self.told else ()
        return max(reasons, key=lambda one: one.share).name if reasons else ""


@dataclass(frozen=True, slots=True)
class Failure:
    """An expectation that was not met.

    Attributes
    ----------
    place : str
        Of what, as ``record 3``.
    wanted, found : str
        In words.
    told : Alert or None
        The explanation of the record.
    """

    place: str
    wanted: str
    found: str
    told: Alert | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a case came to."""

    name: str
    pipeline: str
    records: int
    failures: list[Failure] = field(default_factory=list)


def run(config: Config, case: Case) -> Outcome:
    """Run a case.

    Raises
    ------
    KyoriError
        Its records cannot be read, or there is no such record.
    """
    name = case.pipeline or next(iter(config.pipelines))
    settings = config.pipelines[name]
    pipeline = assembled(name, settings)
    _learn(pipeline, settings, case)
    wanted = {one.record for one in case.expect if one.record is not None}
    verdicts, alerts, records = _through(pipeline, list(_batches(settings, case)), wanted)
    if late := sorted(wanted - verdicts.keys()):
        raise KyoriError(f"{case.name}: there is no record {late[0]}; there are {records}")
    failures = [
        failure
        for one in case.expect
        for failure in (
            _of_alerts(one, alerts) if one.record is None else _of_record(one, verdicts[one.record])
        )
    ]
    return Outcome(case.name, name, records, failures)


def _learn(pipeline: Pipeline, settings: Settings, case: Case) -> None:
    path = case.history or settings.detector.warmup.history
    if path:
        History(Path(path), settings, lambda what, do: KyoriError(f"{case.name}: {what} ({do})")).learn(
            pipeline
        )


def _batches(settings: Settings, case: Case) -> Iterator[Batch]:
    layout = settings.layout
    if case.file:
        if not Path(case.file).is_file():
            raise KyoriError(f"{case.name}: {case.file}: there is no such file")
        yield from scoring.batches(scoring.source_of(case.file, layout))
        return
    lines = "".join(json.dumps(one) + "\n" for one in case.records).encode()
    yield from scoring.batches(scoring.source_of("-", layout, io.BytesIO(), lines))


def _through(
    pipeline: Pipeline, batches: list[Batch], wanted: set[int]
) -> tuple[dict[int, Verdict], list[Alert], int]:
    """Return the verdicts on these records, the alerts that opened, and how many records there were."""
    verdicts: dict[int, Verdict] = {}
    alerts: list[Alert] = []
    numbers, before, records = places(batches), 0, 0
    for batch in batches:
        number = numbers[before : before + len(batch)]
        asked = np.isin(number, list(wanted))
        result = pipeline.process(batch, asked)
        verdicts |= {records + one.row + 1: Verdict(f"{one.reason}: {one.detail}") for one in batch.rejected}
        verdicts |= {int(number[one.row]): Verdict(f"{one.reason}: {one.detail}") for one in result.rejected}
        explained = number[result.used][asked[result.used]]
        verdicts |= {int(n): Verdict(told=told) for n, told in zip(explained, result.explained, strict=True)}
        alerts += [alert for alert in result.alerts if alert.status == "open" and alert.kind != "summary"]
        before, records = before + len(batch), records + len(batch) + len(batch.rejected)
    return {number: verdicts[number] for number in wanted & verdicts.keys()}, alerts, records


def _of_alerts(expect: Expect, alerts: list[Alert]) -> Iterator[Failure]:
    mine = [one for one in alerts if expect.key in (None, one.key)]
    if expect.alerts is not None and not holds(len(mine), expect.alerts):
        told = "; ".join(one.message for one in mine[:5])
        place = "alerts" if expect.key is None else f"alerts of {expect.key or 'no key'}"
        yield Failure(place, str(expect.alerts), f"{len(mine)}{f': {told}' if told else ''}")


def _of_record(expect: Expect, verdict: Verdict) -> Iterator[Failure]:
    place, told = f"record {expect.record}", verdict.told
    if expect.refused is not None and expect.refused != bool(verdict.refused):
        yield Failure(place, _yes(expect.refused, "refused"), verdict.refused or "not refused", told)
    judged = (expect.anomaly, expect.level, expect.top) != (None, None, None)
    if not judged:
        return
    if told is None:
        yield Failure(place, "a verdict", f"refused: {verdict.refused}")
    elif not verdict.judged:
        yield Failure(
            place, "a verdict", "none yet: it is within the warm-up of its key; give a history", told
        )
    else:
        level = f"level {told.level:.3g}"
        if expect.anomaly is not None and expect.anomaly != verdict.anomaly:
            found = f"{_yes(verdict.anomaly, 'an anomaly')}, {level}"
            yield Failure(place, _yes(expect.anomaly, "an anomaly"), found, told)
        if expect.level is not None and not holds(told.level, expect.level):
            yield Failure(place, f"level {expect.level}", level, told)
        if expect.top is not None and expect.top != verdict.top:
            yield Failure(place, f"{expect.top} on top", f"{verdict.top} on top", told)


def _yes(value: bool, word: str) -> str:
    return word if value else f"not {word}"


def plain(outcome: Outcome) -> Mapping[str, object]:
    """Return it as plain data."""
    failures = [
        {
            "place": one.place,
            "wanted": one.wanted,
            "found": one.found,
            "message": one.told.message if one.told else "",
        }
        for one in outcome.failures
    ]
    return {
        "name": outcome.name,
        "pipeline": outcome.pipeline,
        "records": outcome.records,
        "passed": not failures,
        "failures": failures,
    }
