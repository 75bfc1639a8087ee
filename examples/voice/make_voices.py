"""Makes the recordings of this example with espeak-ng: `python examples/voice/make_voices.py`.

Two speakers: A twice, with different words, and B with the words that A said the second time. Each is
written with 8,000 samples of 8 bits a second, so that all together stay small.
"""

import shutil
import subprocess
import sys
import tempfile
import wave
from pathlib import Path

import numpy as np
from scipy.signal import resample_poly

RATE = 8000
A, B = "en+m3", "en+f2"
FIRST = (
    "A distance tells how far two things are apart. If it is small we call them the same, if it is large we "
    "call them different, and the only thing that is left to choose is how large is too large."
)
SECOND = "Every morning the old machine in the corner hums its song, and nobody listens until it stops."
RECORDINGS = {"a.wav": (A, FIRST), "a-again.wav": (A, SECOND), "b.wav": (B, SECOND)}


def spoken(voice: str, text: str) -> np.ndarray:
    """Return the samples of a text, of size 1 at most, at `RATE`."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as file:
        subprocess.run(["espeak-ng", "-v", voice, "-s", "165", "-w", file.name, text], check=True)
        with wave.open(file.name) as recording:
            samples = np.frombuffer(recording.readframes(recording.getnframes()), "<i2")
            rate = recording.getframerate()
    slower = resample_poly(samples.astype(float), RATE, rate)
    return slower / np.abs(slower).max()


def main() -> None:
    """Write the recordings beside this file."""
    if shutil.which("espeak-ng") is None:
        sys.exit("espeak-ng is not installed: apt-get install espeak-ng. The recordings are here already.")
    for name, (voice, text) in RECORDINGS.items():
        samples = spoken(voice, text)
        with wave.open(str(Path(__file__).with_name(name)), "wb") as recording:
            recording.setparams((1, 1, RATE, 0, "NONE", ""))
            recording.writeframes(np.round(128 + 127 * samples).astype(np.uint8).tobytes())


if __name__ == "__main__":
    main()
