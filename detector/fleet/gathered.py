"""What the units of a fleet have given away last: whose counts, and what is wrong with the rest.

- Only what a unit has learned itself is taken, never what was merged before: nothing counts twice.
- Of one life of a unit the larger count is the newer; no clock is asked, and an older one is passed over.
- A unit of another life has begun anew: what it learned before is replaced. Does the earlier life come back,
  two units have one name: neither counts until this daemon is started again.
- Two units of one life are a state that was copied: of the two only the one with the larger count counts.
- Who is of another shape, damaged or gone does not count.
"""

from __future__ import annotations

import structlog

from detector.contracts import Floats
from detector.errors import FleetError
from detector.fleet.merging import as_one, merged
from detector.fleet.reference import Reference, Shape

log = structlog.get_logger()

MOST_UNITS = 1000


class Gathered:
    """What is there of all units of one pipeline.

    Parameters
    ----------
    pipeline : str
        Its name, for the log.
    shape : Shape
        What the pipeline can use.
    """

    def __init__(self, pipeline: str, shape: Shape) -> None:
        self._shape = shape
        self._units: dict[str, Reference] = {}
        self._lives: dict[str, list[str]] = {}
        self._twice: set[str] = set()
        self._merged: Reference | None = None
        self._one: Reference | None = None
        self._log = log.bind(pipeline=pipeline)

    @property
    def units(self) -> dict[str, Reference]:
        """What counts now, by unit."""
        counting: dict[str, Reference] = {}
        owner: dict[str, str] = {}
        for unit, one in sorted(self._units.items(), key=lambda each: -each[1].units[each[0]].scored):
            life = one.units[unit].life
            if not life or owner.setdefault(life, unit) == unit:
                counting[unit] = one
        return counting

    def take(self, unit: str, data: bytes) -> bool:
        """Take what a unit has given away, b"" if that is gone; return whether it counts as news."""
        if not data or unit in self._twice:
            return self._drop(unit)
        try:
            given = Reference.from_bytes(data)
            self._check(unit, given)
        except FleetError as error:
            self._log.warning("fleet_refused", unit=unit, reason=str(error))
            self._drop(unit)
            return False
        life, count = given.units[unit]
        before = self._units.get(unit)
        lives = self._lives.setdefault(unit, [])
        if life not in lives:
            if lives:
                self._log.warning("fleet_unit_began_anew", unit=unit, remedy="nothing, if its state was lost")
            lives.append(life)
        elif life != lives[-1]:
            self._log.error("fleet_unit_twice", unit=unit, remedy="give each unit a client_id of its own")
            self._twice.add(unit)
            self._drop(unit)
            return False
        elif before is not None and count <= before.units[unit].scored:
            return False
        twins = [name for name, one in self._units.items() if name != unit and one.units[name].life == life]
        if life and twins and before is None:
            remedy = "let one of the two begin with an empty state"
            self._log.error("fleet_state_copied", unit=unit, of=twins[0], remedy=remedy)
        self._units[unit] = given
        self._merged = self._one = None
        return True

    def _check(self, unit: str, given: Reference) -> None:
        if list(given.units) != [unit]:
            raise FleetError(f"it is of {', '.join(given.units)}; a unit gives what it has learned itself")
        if differs := given.shape.differs(self._shape):
            raise FleetError(differs)
        if unit not in self._lives and len(self._lives) >= MOST_UNITS:
            raise FleetError(f"there are {MOST_UNITS} units already")

    def _drop(self, unit: str) -> bool:
        self._merged = self._one = None
        return self._units.pop(unit, None) is not None

    def start(self, key: str, *, by_key: bool) -> Floats | None:
        """Return the charts that a new model begins with: of its key, or of all; None: nothing is known."""
        if not self._units:
            return None
        if self._merged is None:
            self._merged = self._merge()
            self._one = as_one(self._merged, "")
        found = self._merged if by_key else self._one
        return found.charts.get(key if by_key else "") if found is not None else None

    def _merge(self) -> Reference:
        """Return what counts, merged; who cannot be merged with the others is told of and left out."""
        together: Reference | None = None
        for unit, one in self.units.items():
            try:
                together = merged([one] if together is None else [together, one])
            except FleetError as error:
                self._log.warning("fleet_refused", unit=unit, reason=str(error))
        return together or Reference(self._shape, {}, {})
