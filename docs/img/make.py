"""Draws incidents.svg: what `kyori demo` sees of the bundled server. ``python docs/img/make.py``.

The records go through the pipeline of examples/demo.yaml, settings untouched, straight from the file
instead of over MQTT; that gives the same alerts. The labelled incidents are only drawn, never used.
"""

from __future__ import annotations

from pathlib import Path

from detector.config.load import load_text
from detector.registry import DISTANCES, sink_options, source_options
from detector.settings import Pipeline as Settings
from detector.study.history import Choice, load
from detector.study.plot import draw
from detector.study.replay import replay

EXAMPLES = Path(__file__).parents[2] / "examples"


def settings() -> Settings:
    """Return the demo's pipeline, for one server: over MQTT the topic names it."""
    environ = {
        "KYORI_DEMO_DIR": "out",
        "KYORI_DEMO_BROKER": "mqtt://127.0.0.1:1883",
        "KYORI_DEMO_METRIC": str(EXAMPLES / "asd" / "metric.npz"),
    }
    text = (EXAMPLES / "demo.yaml").read_bytes()
    config = load_text(text, "demo.yaml", source_options(), sink_options(), DISTANCES, environ=environ)
    return config.pipelines["server"].model_copy(update={"key": ""})


def main(folder: Path) -> None:
    """Write the picture."""
    server = EXAMPLES / "asd"
    history = load(Choice(str(server / "omi-2.csv"), labels=str(server / "omi-2.incidents.csv")))
    title = "Score of every record of the bundled server, with labelled incidents and alerts"
    (folder / "incidents.svg").write_text(draw(replay(settings(), history), title))


if __name__ == "__main__":
    main(Path(__file__).parent)
