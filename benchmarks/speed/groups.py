"""The groups of `python -m benchmarks.speed`, in the order of the table."""

from benchmarks.speed import kernel, latency, mqtt
from benchmarks.speed.compare import Group

GROUPS: dict[str, Group] = {
    "kernel": kernel.measure,
    "mqtt": mqtt.measure,
    "latency": latency.measure,
}
