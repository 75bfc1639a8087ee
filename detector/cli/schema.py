"""``kyori schema``."""

from __future__ import annotations

import json

from detector.cli.say import say

EXAMPLES = """\
  kyori schema > kyori.schema.json

  An editor with a YAML language server checks and completes a file that begins with:
  # yaml-language-server: $schema=kyori.schema.json
"""


def schema() -> None:
    """Print the JSON Schema of the configuration file."""
    from detector.config.schema import json_schema  # noqa: PLC0415
    from detector.registry import DISTANCES, command_options, fleet_options, sink_options, source_options  # noqa: PLC0415

    made = json_schema(source_options(), sink_options(), DISTANCES, command_options(), fleet_options())
    say(json.dumps(made, indent=2))
