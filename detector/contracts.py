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

MOST_SAMPLES = 2**20
"""A waveform of more samples is not taken in: all of it must lie in memory."""

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
class Statistic:
    """One number that is computed of a waveform.

    Attributes
    ----------
    column : str
        The column of the batch that it becomes.
    kind : str
        Which: a key of `connectors.decode.waveform.STATISTICS`.
    numbers : tuple of float
        What is in its brackets: the ends of a band in Hz, an order of the shaft's speed.
    """

    column: str
    kind: str
    numbers: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Wave:
    """A field that holds samples, and what is computed of them while the record is decoded.

    Attributes
    ----------
    field : str
        Where the samples are.
    rate : float
        Samples a second.
    statistics : tuple of Statistic
        What is computed.
    encoding : str
        ``array`` of numbers; ``int16`` or ``float32``, little-endian, as base64.
    scale : float
        A sample times this is in the unit of the signal.
    rpm : float or str or None
        The shaft's speed, or the field of the record that has it.
    resonance : (float, float) or None
        The band, in Hz, of which the envelope is taken.
    window, hop : float
        Seconds of a recording that are one record, and from one record's start to the next one's.
    """

    field: str
    rate: float
    statistics: tuple[Statistic, ...]
    encoding: str = "array"
    scale: float = 1.0
    rpm: float | str | None = None
    resonance: tuple[float, float] | None = None
    window: float = 1.0
    hop: float = 1.0


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
    waves : tuple of Wave
        Fields with samples; what is computed of them becomes columns beside the numbers.
    """

    numbers: tuple[str, ...]
    time: str | None = None
    time_format: str = "auto"
    timezone: str = "UTC"
    key: str = ""
    join: Join | None = None
    waves: tuple[Wave, ...] = ()

    @property
    def computed(self) -> tuple[str, ...]:
        """The columns that are computed of waveforms."""
        return tuple(statistic.column for wave in self.waves for statistic in wave.statistics)


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
        The numbers that the layout asked for, and what it wants computed. A value that is no usable
        number (text, inf, beyond `LARGEST`) is NaN here and counted in `faults`.
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


@dataclass(frozen=True, slots=True)
class KeyState:
    """How it stands with one key now: its newest record, and whether something is wrong.

    Attributes
    ----------
    key : str
        The model.
    anomaly : bool
        Whether an alert of the key is open and told, of whatever kind.
    severity : str
        The highest among the open alerts; "" = none is open.
    since : float or None
        When the first of them opened; the stream's time.
    kinds : tuple of str
        Of the open alerts, see `Alert`.
    top : tuple of str
        The features that they are about, the most important first.
    time : float or None
        The stream's time of the newest record; None: none has come since the daemon was started.
    score, threshold, level : float or None
        Of that record; None while the verdict is silent.
    quiet : str
        Why nobody is told of an alert of the key that is open; it does not count above. "" = there is none.
    acked : bool
        Whether somebody has acknowledged all open alerts that are told.
    """

    key: str
    anomaly: bool = False
    severity: str = ""
    since: float | None = None
    kinds: tuple[str, ...] = ()
    top: tuple[str, ...] = ()
    time: float | None = None
    score: float | None = None
    threshold: float | None = None
    level: float | None = None
    quiet: str = ""
    acked: bool = False

    def to_json(self, pipeline: str) -> str:
        """Return the state as one line of JSON, keys in the order above, ``schema`` and pipeline first."""
        fields = {"schema": "kyori.state.v1", "pipeline": pipeline, **_fields(self)}
        return json.dumps(fields, allow_nan=False, ensure_ascii=True)


@dataclass(frozen=True, slots=True)
class States:
    """How it stands with a pipeline, as far as that has changed.

    Attributes
    ----------
    pipeline, model : str
        Its name, and what identifies its settings and features.
    learning : bool
        Whether it learns, or has been told to pause.
    keys : sequence of KeyState
        Those that have changed.
    known : sequence of str
        Keys of which there are models already; told once, at the start, and not more than a thousand.
    """

    pipeline: str
    model: str
    learning: bool
    keys: Sequence[KeyState] = ()
    known: Sequence[str] = ()


def _fields(one: Alert | Reason | KeyState) -> dict[str, Any]:
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
    """Where alerts go. Called by one thread; what it raises leaves the alerts in the outbox.

    What only some need, and may leave out:

    - ``at_once``, an int: `write` is given so many alerts at most. 1, where each is delivered by itself, so
      that a failure or a crash cannot make those before it come twice.
    - ``wants(alert)``: whether it is to be told of this one; asked when all before it have been written.
      Without it the options ``grouped`` and ``quiet`` decide. It is not asked about a ``heartbeat``.
    - ``refused``, an int: how many alerts the receiver will never take, and `write` has passed over.
    - ``repeat()``, called when it was opened and then about every ``repeat_every_s`` seconds: tell again
      what is still so.
    - ``state_every``, seconds between two scores of a key (None: it does not want them), and
      ``tell(states: States) -> None``, for a sink that shows how it stands now, too. The pipeline's thread
      calls that after a commit, also before `open` and after `close`; it may neither wait nor raise. A newer
      state of a key takes the place of an older one, and nothing is told again: what the sink lost, the next
      state brings.
    """

    def open(self, resume: bytes) -> None:
        """Get ready; `resume` is what the last `write` that was noted down returned, or b""."""

    def write(self, alerts: Sequence[Alert]) -> bytes:
        """Deliver all, in order, and return where the sink stands; raise `SinkUnavailable` if not."""

    def close(self) -> None:
        """Let go of everything; safe to call twice, and after a failed `open`."""
