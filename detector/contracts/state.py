"""How it stands now, for whoever shows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from detector.contracts.alert import fields_of


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
        fields = {"schema": "kyori.state.v1", "pipeline": pipeline, **fields_of(self)}
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
