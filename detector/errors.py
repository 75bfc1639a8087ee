"""Every error that kyori raises on purpose, and what the caller will do about it.

::

    KyoriError
    ├── ConfigError          the configuration is wrong: say where, exit 78, start nothing
    ├── StateError           the saved state cannot be used: exit 1, touch nothing
    │   ├── NewerState       a later kyori wrote it: refuse, leave it as it is
    │   ├── CorruptState     damaged: set it aside under another name, start anew, say so loudly
    │   └── StateInUse       another daemon holds the state directory: exit 3
    ├── MetricError          a metric cannot be used, or a learner failed: say why, keep the one in force
    ├── FleetError           what other units learned cannot be used: say why, go on without it
    ├── SourceError          a source cannot go on: exit 1 (what may pass is retried inside the source)
    ├── EndOfInput           a finite source has given all it has: not a failure
    └── SinkUnavailable      the alert was not delivered: keep it in the outbox, try again later

A record that cannot be used is never an exception: it is a `Rejected` in the batch that
it arrived with, is counted by its reason, and the stream goes on.
"""

from __future__ import annotations

from dataclasses import dataclass


class KyoriError(Exception):
    """The root of the tree above."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a configuration, and how to mend it.

    Attributes
    ----------
    path : str
        The setting, as in ``sources.plant.topics``.
    message : str
        What is wrong, with the value in question (secrets masked).
    remedy : str
        What to write instead.
    line : int or None
        Line in the file, from 1; None where there is no file.
    """

    path: str
    message: str
    remedy: str = ""
    line: int | None = None


class ConfigError(KyoriError):
    """The configuration is wrong; `problems` tells everything that is, not only the first."""

    def __init__(self, problems: list[Problem], file: str = "") -> None:
        self.problems = problems
        self.file = file
        super().__init__("\n".join(self._line(p) for p in problems))

    def _line(self, problem: Problem) -> str:
        place = self.file + (f":{problem.line}" if problem.line else "")
        head = ": ".join(part for part in (place, problem.path, problem.message) if part)
        return f"{head} ({problem.remedy})" if problem.remedy else head


class StateError(KyoriError):
    """The saved state cannot be used."""


class NewerState(StateError):  # noqa: N818 - read as a sentence: `except NewerState`
    """The state was written by a later version."""


class CorruptState(StateError):  # noqa: N818 - read as a sentence: `except CorruptState`
    """The state does not pass its own checksum or structure."""


class StateInUse(StateError):  # noqa: N818 - read as a sentence: `except StateInUse`
    """Another daemon holds the state directory."""


class MetricError(KyoriError):
    """A metric cannot be used, or could not be learned."""


class FleetError(KyoriError):
    """What other units have learned cannot be used, or ours not given away."""


class SourceError(KyoriError):
    """A source cannot go on, and waiting would not help."""


class EndOfInput(KyoriError):  # noqa: N818 - read as a sentence: `except EndOfInput`
    """A finite source has given everything."""


class SinkUnavailable(KyoriError):  # noqa: N818 - read as a sentence: `except SinkUnavailable`
    """A sink cannot take alerts now; they stay in the outbox.

    `retry_after_s`: the receiver has asked not to be tried again before so many seconds are over.
    """

    def __init__(self, message: str, retry_after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
