"""The labels that people give, from their file into the pipeline."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog

from detector.alerts.notices import identity
from detector.errors import KyoriError
from detector.given import Given
from detector.labelbook import Follower
from detector.pipeline import Pipeline

log = structlog.get_logger()


class Feedback:
    """Follows the file of labels for one pipeline.

    Parameters
    ----------
    path : Path
        The file; it need not be there.
    alone : callable
        Tells whether no other pipeline follows it: a label of nobody's alert is worth a warning then.
    """

    def __init__(self, path: Path, alone: Callable[[], bool]) -> None:
        self._follower, self._alone = Follower(path), alone
        self.position = b""

    def begin(self, position: bytes) -> None:
        """Go on where the labels are stored up to."""
        self.position = position

    def take(self, pipeline: Pipeline) -> bool:
        """Hand the pipeline what is new in the file; True: there was something to be stored."""
        given, problems, position = self._follower.read(self.position)
        for problem in problems:
            log.warning("label_refused", pipeline=pipeline.name, reason=problem)
        for one in given:
            if one.pipeline in ("", pipeline.name):
                self._apply(pipeline, one)
        moved = position != self.position
        self.position = position
        return moved

    def _apply(self, pipeline: Pipeline, given: Given) -> None:
        about = given.alert or identity(given.to_json())
        try:
            values = given.values if not given.alert else None
            taken = pipeline.label(about, given.label, given.name, values, given.key)
        except KyoriError as error:
            log.warning("label_refused", pipeline=pipeline.name, alert=given.alert, reason=str(error))
            return
        if taken is not None:
            log.info(
                "labelled", pipeline=pipeline.name, alert=given.alert, label=given.label,
                **({"class": given.name} if given.name else {}), key=taken.key, by=given.by,
            )  # fmt: skip
        elif given.pipeline or self._alone():
            log.warning(
                "label_of_nothing", pipeline=pipeline.name, alert=given.alert,
                remedy="the alert is not remembered any more; label a newer one",
            )  # fmt: skip
