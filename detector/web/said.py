"""What people have said of alerts: the label file, followed."""

from __future__ import annotations

import json
import threading
from collections import deque
from pathlib import Path

from detector.given import Given
from detector.labelbook import Follower
from detector.web.answers import LabelGiven

_MOST = 10_000
"""Labels that are held, the newest."""


class Said:
    """Knows the newest labels. Safe to use from several threads.

    Parameters
    ----------
    path : Path
        The label file.
    """

    def __init__(self, path: Path) -> None:
        self._follower, self._lock = Follower(path), threading.Lock()
        self._position = b""
        self._given: deque[Given] = deque(maxlen=_MOST)

    def all(self) -> list[Given]:
        """Return the labels, the newest last."""
        with self._lock:
            while True:
                given, _, position = self._follower.read(self._position)
                self._given.extend(given)
                if position == self._position:
                    return list(self._given)
                self._position = position

    def newest(self) -> dict[str, Given]:
        """Return the label that counts of each alert."""
        return {given.alert: given for given in self.all() if given.alert}


def told(given: Given) -> LabelGiven:
    """Return a label as the API tells it.

    >>> told(Given("2f8a", "real", "wear", "pumps"))["class"]
    'wear'
    """
    plain = json.loads(given.to_json())
    return {
        "alert": given.alert, "label": given.label, "class": given.name, "pipeline": given.pipeline,
        "key": given.key, "given": float(plain["given"]), "by": given.by,
    }  # fmt: skip
