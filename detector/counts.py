"""What became of every record that a pipeline was ever given: the law that nothing is lost.

``received = scored + rejected + redelivered``, where what is scored is learned or held back by its model,
which numbers its records itself (`detector.row.SEEN`). The counts are stored with the models in one
transaction, so that the law can be checked of any state file, whatever killed its daemon.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(slots=True)
class Counts:
    """Since the models began, over all restarts.

    Attributes
    ----------
    received : int
        Records that the sources handed over.
    scored : int
        Those that a model judged; it learned them or held them back.
    rejected : int
        Those that could not be used.
    redelivered : int
        Those that were known already, and left out.
    missing : int
        Those that never came, as their sequence numbers say.
    history : int
        Records learned from a file before the first one was received.

    Examples
    --------
    >>> counts = Counts()
    >>> counts.add(received=10, scored=7, rejected=2, redelivered=1)
    >>> Counts.from_bytes(counts.to_bytes()) == counts
    True
    """

    received: int = 0
    scored: int = 0
    rejected: int = 0
    redelivered: int = 0
    missing: int = 0
    history: int = 0

    @property
    def modelled(self) -> int:
        """Records that the models have come of."""
        return self.scored + self.history

    def add(self, *, received: int, scored: int, rejected: int, redelivered: int, missing: int = 0) -> None:
        """Account for a batch."""
        self.received += received
        self.scored += scored
        self.rejected += rejected
        self.redelivered += redelivered
        self.missing += missing

    def to_bytes(self) -> bytes:
        """Return them as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Counts:
        """Read back what `to_bytes` wrote; nothing: a pipeline that begins."""
        return cls(**json.loads(data or b"{}"))
