"""What a pipeline wants out of each record."""

from __future__ import annotations

from dataclasses import dataclass


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
