"""What passes between the parts: a batch of records in, verdicts and alerts out.

Connectors know this module and `detector.errors`, nothing else of `detector`. Times are unix
seconds as float64; a missing number is NaN, a missing text is None. A batch is a struct of arrays:
one record is a batch of one row, and no Python object is made per record between decoding and alert.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Objects = NDArray[np.object_]

LARGEST = 1e150
"""A number beyond this is taken for a fault of its sender: its square must still be finite."""

NOTABLE = 0.1
"""A feature whose share of the distance is smaller than this, up or down, is not what it is about."""


@dataclass(frozen=True, slots=True)
class Join:
    """How values of one key that come apart become one record.

    Attributes
    ----------
    within : float
        Seconds that the parts of a record may lie apart.
    when : str
        ``all``: complete records only, others are refused; ``all_or_timeout``: after `within`, what is there;
        ``each``: a record for each part, with the last value of each field that is no older than `within`.
    """

    within: float
    when: str


@dataclass(frozen=True, slots=True)
class Layout:
    """What the pipeline wants out of each record; decoders build exactly these columns.

    Attributes
    ----------
    numbers : tuple of str
        Field names to decode as float64. A name with dots reads nested JSON (``payload.flow``)
        unless the record has that very key.
    time : str or None
        The field of the event time; None: records have none.
    time_format : str
        ``auto`` (numbers: unix s, ms, us or ns by size; text: ISO 8601), or a ``strptime`` format.
    timezone : str
        IANA name for times that carry no offset.
    key : str
        Template of the model's name, as ``{site}/{pump}``; names are labels of the source or fields
        of the record. Empty: one model.
    join : Join or None
        For sources with a true class attribute `joins`; others are never asked to.
    """

    numbers: tuple[str, ...]
    time: str | None = None
    time_format: str = "auto"
    timezone: str = "UTC"
    key: str = ""
    join: Join | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that could not be used.

    Attributes
    ----------
    row : int
        How many usable rows of the same batch came before it, so that order is not lost.
    reason : str
        Short and stable, for counters: ``bad_json``, ``ragged_row``, ``too_long``, ``no_key`` ...
    detail : str
        For a person: what was wrong, and with which field.
    where : str
        The place: ``in/pumps.csv:17`` or ``topic plant/a``.
    raw : bytes
        The offending bytes, cut at 1 KiB, for the dead-letter file.
    """

    row: int
    reason: str
    detail: str
    where: str
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class Gap:
    """A time of which records may be missing that never came to us, as the source knows.

    Attributes
    ----------
    source : str
        Its name in the configuration.
    since, until : float
        Times of arrival: of the last record before, and from when on all come again.
    reason : str
        What happened, in a sentence without a full stop.
    """

    source: str
    since: float
    until: float
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Records of one source, in arrival order.

    Attributes
    ----------
    columns : mapping of str to (n,) float64
        The numbers that the layout asked for. A value that is no usable number (text, inf, beyond
        `LARGEST`) is NaN here and counted in `faults`.
    time : (n,) float64
        Event time, NaN where the record has none.
    key : (n,) object
        Which model, as str; "" for the single model.
    rejected : sequence of Rejected
        Records that could not be used at all.
    faults : mapping of (reason, field) to int
        Values set to NaN although the record had something there, as ``("not_a_number", "flow")``.
    arrival : float
        When the batch was read; NaN for finite input, whose result must not depend on it.
    skipped : int
        Redeliveries that were recognised and left out.
    gaps : sequence of Gap
        Before these records.
    position : bytes
        Where to resume after this batch.
    token : object
        What `Source.ack` takes; lives in memory only.
    """

    columns: Mapping[str, Floats]
    time: Floats
    key: Objects
    rejected: Sequence[Rejected] = ()
    faults: Mapping[tuple[str, str], int] = field(default_factory=dict)
    arrival: float = float("nan")
    skipped: int = 0
    gaps: Sequence[Gap] = ()
    position: bytes = b""
    token: object = None

    def __len__(self) -> int:
        return len(self.time)


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
        missing), ``summary`` (alerts that were held together).
    pipeline, key : str
        Where: the pipeline's name and the model's key.
    time : float
        The stream's time of the record that caused this notice; never the writer's clock. If ``stale``,
        when it had been silent for too long, and when a record came again.
    opened : float
        The `time` of the notice that opened the episode.
    record : int
        That model's record number, from 1, of the record that caused this notice; if ``stale``, of the
        last one that had come.
    records : int
        How many records the episode has lasted so far; if ``gap``, how many are missing, 0 = unknown.
    score, threshold, level : float
        Distance, the threshold in force, and their ratio; at the worst record so far. If ``stuck``,
        records with one value, if ``stale``, seconds without a record, if ``shift``, T of the window, if
        ``drift``, times the variance or the threshold, or standard deviations between the means; all when it
        opened. If ``score_drift``, the mean score since it moved, and before. If ``gap``, its
        seconds. If ``summary``, alerts, the budget, and the worst level.
    p : float or None
        Tail probability of that score; None where it has none.
    severity : str
        ``warning`` or ``critical``.
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
    _json: str = field(default="", init=False, repr=False, compare=False)

    def to_json(self) -> str:
        """Return the alert as one line of JSON, keys in the order above, ``schema`` first.

        It is made once: the outbox asks for it, each output, and each commit as long as the episode is open.
        """
        if not self._json:
            fields = _fields(self) | {"reasons": [_fields(reason) for reason in self.reasons]}
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


def _fields(one: Alert | Reason) -> dict[str, Any]:
    """Return what `dataclasses.asdict` does, which copies all of it, and takes four times as long."""
    return {name: getattr(one, name) for name in one.__slots__ if name != "_json"}


@runtime_checkable
class Source(Protocol):
    """Where records come from.

    A source is made with its options and a `Layout`, opened once, and read by one thread.
    """

    finite: bool
    """True when it ends by itself (a file), so that ``--once`` can end too."""

    def open(self, resume: bytes) -> None:
        """Start after `resume`, the position of the last committed batch; b"" for a first start.

        A peer that cannot be reached yet is no error: say so, and keep trying behind `read`.
        """

    def read(self, max_rows: int, timeout_s: float) -> Batch | None:
        """Return up to `max_rows` rows, or None when there were none within `timeout_s`.

        Nothing that was returned may be returned again before a restart. Raises `EndOfInput` when
        a finite source has given all it has, and `SourceError` when it cannot go on.
        """

    def ack(self, token: object) -> None:
        """Take note that the batch with this token is committed; an earlier connection's does nothing."""

    def close(self) -> None:
        """Let go of everything; safe to call twice, and after a failed `open`."""


@runtime_checkable
class Sink(Protocol):
    """Where alerts go. Called by one thread; what it raises leaves the alerts in the outbox."""

    def open(self, resume: bytes) -> None:
        """Get ready; `resume` is what the last `write` that was noted down returned, or b""."""

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Deliver all, in order, and return where the sink stands; raise `SinkUnavailable` if not."""

    def close(self) -> None:
        """Let go of everything; safe to call twice, and after a failed `open`."""
