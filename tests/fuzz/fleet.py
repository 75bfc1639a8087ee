"""References from other units: `FleetError`, or moments that merge, stay finite, and are written alike."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from detector import codec
from detector.errors import FleetError
from detector.fleet.merging import as_one, merged
from detector.fleet.reference import Learned, Reference, Shape
from detector.merged import Mixing
from detector.reference.moments import factorise
from detector.row import LEARNED, MATURE, VECTORS, WEIGHT
from detector.snapshot import moments

_SHAPE = Shape("0123456789abcdef", ("flow", "temp"), 1, Mixing(True, 1e-4, 3.0))


def _reference(unit: str, *, mature: bool) -> Reference:
    chart = np.zeros(_SHAPE.width)
    chart[[WEIGHT, LEARNED]] = 9.0
    chart[VECTORS : VECTORS + 8] = [0.5, -0.5, 1e9, 7.0, 2.0, 2.0, 9.0, 9.0]
    chart[VECTORS + 8 : VECTORS + 11] = [9.0, 3.0, 9.0]
    if mature:
        chart[MATURE] = 1.0
        factorise(chart, 2, VECTORS + 8)
    return Reference(_SHAPE, {"": chart[None]}, {unit: Learned("a life", 9)})


_OTHER = _reference("other", mature=True)
SEEDS = (_reference("pump", mature=False).to_bytes(), _reference("pump", mature=True).to_bytes())


def one(data: bytes) -> None:
    """Read the bytes as they are, and with the checksum that a forger would put below them."""
    body = data[: -codec.CHECKSUM]
    for whole in (data, body + codec.checksum(body)):
        with suppress(FleetError):
            found = Reference.from_bytes(whole)
            assert Reference.from_bytes(found.to_bytes()).to_bytes() == found.to_bytes()
            assert sum(charts.nbytes for charts in found.charts.values()) <= len(whole)
            with suppress(FleetError):
                together = as_one(merged([found, _OTHER]), "")
                made = moments(together.charts[""][0], 2, full=True)
                assert np.isfinite(made.mean).all()
                assert np.isfinite(made.covariance).all()
