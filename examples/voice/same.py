"""Prints how far a recording is from speaker A: `python examples/voice/same.py [RECORDING.wav ...]`."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

HERE = Path(__file__).parent


def levels(recording: Path) -> tuple[float, float]:
    """Return the middle distance of a recording's windows, and its middle level: 1 is on the threshold."""
    with tempfile.NamedTemporaryFile(suffix=".jsonl") as scores:
        command = [sys.executable, "-m", "detector.cli", "score", recording, "--output", scores.name]
        subprocess.run([*command, "--config", HERE / "voice.yaml"], check=True)
        rows = [json.loads(line) for line in Path(scores.name).read_text().splitlines()]
    return median(row["score"] for row in rows), median(row["level"] for row in rows)


def main() -> None:
    """Print a line for each recording."""
    for recording in map(Path, sys.argv[1:] or [HERE / "a-again.wav", HERE / "b.wav"]):
        distance, level = levels(recording)
        answer = "not the same" if level >= 1 else "the same"
        print(f"{recording.name:12} distance {distance:5.1f}, {level:4.2f} of the threshold: {answer}")


if __name__ == "__main__":
    main()
