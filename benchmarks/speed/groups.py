"""The groups of `python -m benchmarks.speed`, in the order of the table."""

from benchmarks.speed import commit, detectors, files, kernel, keys, one, start
from benchmarks.speed.compare import Group

GROUPS: dict[str, Group] = {
    "kernel": kernel.measure,
    "one": one.measure,
    "detectors": detectors.measure,
    "files": files.measure,
    "keys": keys.measure,
    "commit": commit.measure,
    "start": start.measure,
}
