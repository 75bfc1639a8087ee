"""All harnesses of sources; a new one is one line."""

from tests.checks import harness_mqtt, harness_sources, harness_streams

HARNESSES = {
    **harness_sources.HARNESSES,
    **harness_mqtt.HARNESSES,
    **harness_streams.SOURCES,
}
