"""What is told, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

NOTABLE = 0.1
"""A feature whose share of the distance is smaller than this, up or down, is not what it is about."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One feature's part in an alert.

    Attributes
    ----------
    name, unit : str
        The feature.
    value : float or None
        What was measured; None where it was missing. Of a shift the window's mean, of a drift the model's.
    expected, sd : float or None
        What the other features of the same record led to expect, and its standard deviation.
    share : float
        The part of the distance that this feature accounts for; all shares sum to 1. Below 0: it lies
        on one side of its mean and on the other of what is expected of it.
    direction : str
        ``above`` or ``below`` the expected value.
    """

    name: str
    unit: str
    value: float | None
    expected: float | None
    sd: float | None
    share: float
    direction: str


@dataclass(frozen=True, slots=True)
class Alert:
    """One notice of an episode: that it opened, changed or closed.

    Attributes
    ----------
    id : str
        The same for every notice of an episode, and after a restart.
    status : str
        ``open``, ``update`` or ``closed``; what is over when it is told, is ``closed`` at once.
    kind : str
        What is wrong: ``distance`` (the record is too far from normal), ``stuck`` (a value does not move),
        ``stale`` (no records come), ``shift`` (the mean of a window of records has moved), ``drift`` (the
        model is not what it was), ``score_drift`` (the scores as a whole have moved), ``gap`` (records are
        missing), ``summary`` (alerts that were held together), ``heartbeat`` (nothing: it shows that alerts
        would come through, and only the outputs that are named for it get it).
    pipeline, key : str
        Where: the pipeline's name and the model's key.
    time : float
        The stream's time of the record that caused this notice; never the writer's clock. If ``stale``,
        when it had been silent for too long, and when a record came again. If ``heartbeat``, of arrival.
    opened : float
        The `time` of the notice that opened the episode.
    record : int
        That model's record number, from 1, of the record that caused this notice; if ``stale``, of the
        last one that had come, if ``heartbeat``, its number.
    records : int
        How many records the episode has lasted so far; if ``gap``, how many are missing, 0 = unknown.
    score, threshold, level : float
        Distance, the threshold in force, and their ratio; at the worst record so far. If ``stuck``,
        records with one value, if ``stale``, seconds without a record, if ``shift``, T of the window, if
        ``drift``, times the variance or the threshold, or standard deviations between the means; all when it
        opened. If ``score_drift``, the mean score since it moved, and before. If ``gap``, its
        seconds. If ``summary``, alerts, the budget, and the worst level. If ``heartbeat``, the threshold is
        the seconds until the next one is due.
    p : float or None
        Tail probability of that score; None where it has none.
    severity : str
        ``warning`` or ``critical``; a ``heartbeat`` is ``info``.
    message : str
        The reason in a sentence.
    reasons : sequence of Reason
        Features by falling size of their share.
    model : str
        Identifies settings and features of the model that decided.
    metric : str
        Identifies the learned metric in force; "" = none.
    known : str
        The class of the known fault that the record is like: what an operator called one before. "" = none.
    grouped : bool
        Beyond the budget of its minute: a ``summary`` stands for it where not every alert is wanted.
    quiet : str
        Why nobody is told of it who did not ask for that: a quiet window, a silence, or that the episode was
        acknowledged. "" = it is told.
    """

    id: str
    status: str
    kind: str
    pipeline: str
    key: str
    time: float
    opened: float
    record: int
    records: int
    score: float
    threshold: float
    level: float
    p: float | None
    severity: str
    message: str
    reasons: Sequence[Reason]
    model: str
    metric: str = ""
    known: str = ""
    grouped: bool = False
    quiet: str = ""
    _json: str = field(default="", init=False, repr=False, compare=False)

    def to_json(self) -> str:
        """Return the alert as one line of JSON, keys in the order above, ``schema`` first.

        It is made once: the outbox asks for it, each output, and each commit as long as the episode is open.
        """
        if not self._json:
            fields = fields_of(self) | {"reasons": [fields_of(reason) for reason in self.reasons]}
            text = json.dumps({"schema": "kyori.alert.v1", **fields}, allow_nan=False, ensure_ascii=True)
            object.__setattr__(self, "_json", text)
        return self._json

    @classmethod
    def from_json(cls, text: str | bytes) -> Alert:
        """Read back what `to_json` wrote; raises `ValueError` where it is something else."""
        try:
            fields: dict[str, Any] = json.loads(text)
            fields.pop("schema")
            fields.setdefault("kind", "distance")  # an alert that was stored before there were others
            fields["reasons"] = tuple(Reason(**reason) for reason in fields["reasons"])
            return cls(**fields)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ValueError(f"not an alert: {error!r}") from None


def fields_of(one: Any) -> dict[str, Any]:
    """Return what `dataclasses.asdict` does, which copies all of it, and takes four times as long."""
    return {name: getattr(one, name) for name in one.__slots__ if name != "_json"}
