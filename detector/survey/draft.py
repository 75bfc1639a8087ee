"""What was found in data, as far as a configuration needs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from detector.errors import KyoriError
from detector.survey.broker import Broker
from detector.survey.columns import Column


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a record has its time.

    Attributes
    ----------
    field : str
        "" where there is none.
    format : str
        As in the configuration.
    note : str
        What is to be said about it.
    """

    field: str = ""
    format: str = "auto"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """What was found.

    Attributes
    ----------
    name : str
        A name for the detector.
    source : sequence of str
        Lines of its source, without their indentation.
    features : sequence of Column
        What is compared.
    left_out : mapping of str to str
        Numbers that are no features, and why.
    key : str
        Template; "" = one model for all.
    key_note : str
        What is to be said about it.
    time : Moment
        The event time.
    within : str
        How far apart the parts of one record come, where it has to be joined; "" = it has not.
    broker : Broker or None
        Where it comes from, and alerts and states go to.
    seen : str
        What was looked at.
    """

    name: str
    source: Sequence[str]
    features: Sequence[Column]
    left_out: dict[str, str] = field(default_factory=dict)
    key: str = ""
    key_note: str = ""
    time: Moment = Moment()
    within: str = ""
    broker: Broker | None = None
    seen: str = ""


def check_features(where: str, features: Sequence[Column], left_out: dict[str, str]) -> None:
    """Raise an error that says what was found instead, where nothing is a feature."""
    if not features:
        found = "; ".join(f"{name} {why}" for name, why in list(left_out.items())[:8])
        raise KyoriError(
            f"{where}: no numeric column was found" + (f" that may vary: {found}" if found else "")
        )
