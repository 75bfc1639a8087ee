"""The groups of `python -m benchmarks.speed`, in the order of the table."""

from benchmarks.speed import files, kernel
from benchmarks.speed.compare import Group

GROUPS: dict[str, Group] = {
    "kernel": kernel.measure,
    "files": files.measure,
}
