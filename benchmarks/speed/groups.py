"""The groups of `python -m benchmarks.speed`, in the order of the table."""

from benchmarks.speed import detectors, kernel, one, start
from benchmarks.speed.compare import Group

GROUPS: dict[str, Group] = {
    "kernel": kernel.measure,
    "one": one.measure,
    "detectors": detectors.measure,
    "start": start.measure,
}
