"""Records of a source, those that could not be used, and those that never came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from detector.contracts.arrays import Floats, Objects


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
