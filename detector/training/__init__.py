"""Metrics are learned beside the daemon, in a process with limits, and kept with where they come from.

`start` begins to learn and gives a `Job` to look at now and then; `Models` keeps what came of it.
"""

from detector.training.job import Job, Outcome, start
from detector.training.modelindex import Version
from detector.training.modelstore import Models
from detector.training.process import Limits, Progress

__all__ = ["Job", "Limits", "Models", "Outcome", "Progress", "Version", "start"]
