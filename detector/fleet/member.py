"""A pipeline as a unit of a fleet: it gives away what it learned, and new models begin with what all have.

All of it happens in the pipeline's own thread, between two batches; what comes from others waits in a queue
until then. What is given away was committed before: after a crash the same records are learned again, and
come to the same.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Protocol

import numpy as np
import structlog

from detector import codec
from detector.contracts import Floats
from detector.errors import FleetError, StateError
from detector.fleet.gathered import Gathered
from detector.fleet.giving import begun, given, shape_of
from detector.fleet.merging import as_one, learned
from detector.fleet.reference import Learned, Reference, Shape
from detector.pipeline import Pipeline

log = structlog.get_logger()

MOST_GIVEN = 1000
"""Models that are given away; of more, those that stand first in memory."""
_LOOK_S = 0.2


class Channel(Protocol):
    """The way to the other units; see `connectors.fleet.load`."""

    unit: str

    def give(self, pipeline: str, data: bytes) -> None:
        """Let all others have this, in the place of what was given before."""

    def complete(self, pipeline: str) -> bool:
        """Return whether all has come that was there before us."""


class Member:
    """A pipeline among others like it.

    Parameters
    ----------
    pipeline : Pipeline
        Fresh.
    channel : Channel or None
        To the others; None: there is only what was imported.
    imported : bytes
        A reference that was brought in by hand; it counts where no unit says anything. b"" = none.
    every : float
        Seconds between two times that something is given away.
    warm, by_key : bool
        Whether new models begin with what others have learned; of their key, or of all keys.
    wait : float
        Seconds that a pipeline without any model waits for the others at most.

    Raises
    ------
    FleetError
        Its models do not merge, or what was imported is of others.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        channel: Channel | None,
        imported: bytes = b"",
        *,
        every: float = 3600.0,
        warm: bool = True,
        by_key: bool = False,
        wait: float = 10.0,
    ) -> None:
        self._pipeline, self._channel = pipeline, channel
        self._shape = shape_of(pipeline)
        self._every, self._warm, self._by_key, self._longest = every, warm, by_key, wait
        self._gathered = Gathered(pipeline.name, self._shape)
        self._imported = self._read(imported) if imported else None
        self._bases: dict[str, Floats] = {}
        self._fresh: dict[str, bytes] = {}
        self._came: SimpleQueue[tuple[str, bytes, bool]] = SimpleQueue()
        self._life: Callable[[bool], str] = lambda _renew: ""
        self._given, self._given_at, self._looked = -1, -np.inf, -np.inf
        self._taken_over, self._begun_at = False, 0
        self._log = log.bind(pipeline=pipeline.name)

    def _read(self, imported: bytes) -> Reference:
        reference = Reference.from_bytes(imported)
        if differs := reference.shape.differs(self._shape):
            raise FleetError(f"the imported reference is of another pipeline: {differs}")
        return reference if self._by_key else as_one(reference, "")

    def hear(self, unit: str, data: bytes, retained: bool) -> None:
        """Take what a unit has given away, before we came (`retained`) or now; called by any thread."""
        self._came.put((unit, data, retained))

    def begin(self, entries: Mapping[str, bytes], life: Callable[[bool], str], count: int) -> None:
        """Take up which models began with the records of others, and let new ones begin so.

        Parameters
        ----------
        entries : mapping of str to bytes
            What `changed` returned, over all commits.
        life : callable
            Returns what tells this state from any other; given True, a new one.
        count : int
            Records that its models have come of.
        """
        self._bases = {key: base_of(data, self._shape) for key, data in entries.items()}
        self._life, self._begun_at = life, count
        if not count:  # what this unit may have given before its state was lost counts until then
            self._given_at = time.monotonic()
        if self._warm:
            self._pipeline.pool.begin = self._begin

    def wait(self, pause: Callable[[float], bool]) -> None:
        """Wait until what the others have given is here; a new unit shall not begin without it.

        `pause` waits so many seconds, and returns whether to end.
        """
        end = time.monotonic() + self._longest
        while self._channel is not None and self._warm and not self._channel.complete(self._pipeline.name):
            if time.monotonic() >= end:
                self._log.warning(
                    "fleet_silent",
                    waited_s=self._longest,
                    remedy="models begin without it; see the connection",
                )
                break
            if pause(_LOOK_S):
                return
        self._hear()

    def step(self) -> None:
        """Take what others have given."""
        now = time.monotonic()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            self._hear()

    def due(self, count: int) -> bool:
        """Return whether to commit now, and then to `give`; `count` records were scored so far."""
        waited = time.monotonic() - self._given_at >= self._every
        return self._channel is not None and not self._taken_over and waited and count > self._given

    def give(self, count: int) -> None:
        """Give away what was learned so far, all of which is committed."""
        channel, pipeline = self._channel, self._pipeline
        if channel is None or self._taken_over or count <= self._given:
            return
        self._given_at, self._given = time.monotonic(), count
        keys = list(pipeline.pool.keys())
        if len(keys) > MOST_GIVEN:
            self._log.warning("fleet_gives_a_part", keys=len(keys), given=MOST_GIVEN)
        rows = ((key, pipeline.pool.row(key)) for key in keys[:MOST_GIVEN])
        try:
            charts = given(pipeline, rows, self._bases)
            reference = Reference(self._shape, charts, {channel.unit: Learned(self._life(False), count)})
            data = (reference if self._by_key else as_one(reference, "")).to_bytes()
        except FleetError as error:
            self._log.warning("fleet_gives_nothing", reason=str(error))
            return
        channel.give(pipeline.name, data)
        self._log.info("fleet_given", records=reference.records, keys=len(charts), bytes=len(data))

    def changed(self) -> dict[tuple[str, str], bytes | None]:
        """Return what is to be stored with the models, by kind and key."""
        fresh, self._fresh = self._fresh, {}
        return {("warm", key): data for key, data in fresh.items()}

    def _begin(self, key: str) -> Floats | None:
        """Return the row that a new key's model begins with."""
        charts = self._gathered.start(key, by_key=self._by_key)
        units = len(self._gathered.units)
        if self._imported is not None and not units:
            charts, units = self._imported.charts.get(key if self._by_key else ""), len(self._imported.units)
        if charts is None:
            return None
        if not self._fresh:  # of many that come at once only the first
            self._log.info("model_begins_warm", key=key, units=units, records=learned(charts))
        self._bases[key] = charts
        self._fresh[key] = codec.encode({"charts": charts}, {})
        return begun(self._pipeline, charts)

    def _hear(self) -> None:
        while True:
            try:
                unit, data, retained = self._came.get_nowait()
            except Empty:
                return
            if self._channel is not None and unit == self._channel.unit and data:
                self._hear_ourselves(data, retained)
            if self._gathered.take(unit, data):
                self._log.info("fleet_heard", unit=unit, units=len(self._gathered.units))

    def _hear_ourselves(self, data: bytes, retained: bool) -> None:
        """Look at what stands in our place: it is ours, or somebody else has our name."""
        try:
            ((life, count),) = Reference.from_bytes(data).units.values()
        except (FleetError, ValueError):
            return
        if life != self._life(False):
            if not retained and not self._taken_over:
                self._taken_over = True
                self._log.error(
                    "fleet_unit_twice", unit=self._channel and self._channel.unit,
                    remedy="another gives in our place, so we do not any more; give each its own client_id",
                )  # fmt: skip
        elif self._given < 0 and count > self._begun_at:
            self._life(True)
            self._log.warning("fleet_state_went_back", count=count, remedy="nothing; it counts as a new life")


def base_of(data: bytes, shape: Shape) -> Floats:
    """Return what a model began with, as `Member.changed` had it stored."""
    found = codec.decode(data)[0].get("charts")
    if found is None or found.shape != (shape.charts, shape.width) or found.dtype != np.float64:
        raise StateError("what a model began with is of another shape; remove the state to begin anew")
    return found.astype(np.float64)
