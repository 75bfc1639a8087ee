"""The groups of `python -m benchmarks.speed`, in the order of the table."""

from benchmarks.speed import commit, kernel, keys
from benchmarks.speed.compare import Group

GROUPS: dict[str, Group] = {
    "kernel": kernel.measure,
    "keys": keys.measure,
    "commit": commit.measure,
}
