"""All harnesses of sources; a new one is one line."""

from tests.checks import harness_sources

HARNESSES = {
    **harness_sources.HARNESSES,
}
