"""The groups of `python -m benchmarks.speed`, in the order of the table."""

from benchmarks.speed import commit, detectors, files, kernel, keys, latency, mqtt, one, start
from benchmarks.speed.compare import Group

GROUPS: dict[str, Group] = {
    "kernel": kernel.measure,
    "one": one.measure,
    "detectors": detectors.measure,
    "files": files.measure,
    "keys": keys.measure,
    "mqtt": mqtt.measure,
    "latency": latency.measure,
    "commit": commit.measure,
    "start": start.measure,
}
