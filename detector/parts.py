"""What a pipeline runs with, put together by `detector.prepared` and run by `detector.worker`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from detector.arrival import Arrival
from detector.contracts import Alert, Source
from detector.courier import Courier
from detector.feedback import Feedback
from detector.fleet.member import Member
from detector.heartbeat import Heartbeat
from detector.history import History
from detector.keeper import Keeper
from detector.pipeline import Pipeline
from detector.refused import Refused
from detector.result import Result
from detector.standing import Standing
from detector.store import Store

FEEDBACK = "(labels)"
"""Stands among the names of sources for the file of labels; no source may be called so."""
HISTORY = "(history)"
"""Stands among the names of outputs for the alerts that the API tells of; no output may be called so."""


class Observer(Protocol):
    """Sees what passes, from the pipeline's own thread, and must be quick."""

    def note(self, result: Result) -> None:
        """Take note of what the pipeline says of a batch; its arrays hold until the next one."""

    def hear(self, alerts: Sequence[Alert]) -> None:
        """Take note of alerts, which are stored with the next commit."""


@dataclass(slots=True)
class Parts:
    """A pipeline, and all that stands around it.

    Attributes
    ----------
    pipeline : Pipeline
        Fresh; its state is taken from `store`.
    sources : mapping of str to Source
        Not opened yet, by name.
    store : Store
        Of this pipeline.
    couriers : sequence of Courier
        Not started yet.
    refused : Refused
        Counts what could not be used.
    clock : Arrival
        The one that sources note arrivals by.
    standing : Standing
        Tells the outputs that show it how it stands with each key.
    history : History, optional
        Learned first if there is no saved model.
    keeper : Keeper, optional
        Says which metric the records go through.
    feedback : Feedback, optional
        Brings the labels that people give.
    observer : Observer, optional
        Sees what passes.
    heartbeat : Heartbeat, optional
        Makes signs of life.
    member : Member, optional
        Gives away what is learned, and lets new models begin with what others have.
    """

    pipeline: Pipeline
    sources: Mapping[str, Source]
    store: Store
    couriers: Sequence[Courier]
    refused: Refused
    clock: Arrival
    standing: Standing
    history: History | None = None
    keeper: Keeper | None = None
    feedback: Feedback | None = None
    observer: Observer | None = None
    heartbeat: Heartbeat | None = None
    member: Member | None = None
