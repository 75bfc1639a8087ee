"""Makes vibration of a motor whose bearing breaks: `python examples/bearing/make_bearing.py [FILE]`.

A record is half a second: 4,096 samples as base64, and the speed of the shaft, which wanders. Healthy, it is
the shaft's turning and noise. From record 200 on the outer ring has a spot: each ball that rolls over it is a
blow that makes the housing ring at 3 kHz for a millisecond (P. D. McFadden and J. D. Smith, "Model for the
vibration produced by a single point defect in a rolling element bearing", J. Sound Vib. 96(1), 1984). Balls
slip, so blows come 1 % early or late.
"""

import base64
import json
import sys
from pathlib import Path

import numpy as np

RATE, SAMPLES = 8192, 4096
ORDER = 3.585
"""Blows of the outer ring in a turn of the shaft, for a bearing 6205: n/2 (1 - d/D cos a)."""
RECORDS, HEALTHY = 240, 200


def vibration(rng: np.random.Generator, rpm: float, blow: float) -> np.ndarray:
    """Return half a second of acceleration, in g."""
    time = np.arange(SAMPLES) / RATE
    turn = 2 * np.pi * rpm / 60 * time + rng.uniform(0, 2 * np.pi)
    x = 0.3 * np.sin(turn) + 0.1 * np.sin(2 * turn + 1) + 0.2 * rng.normal(size=SAMPLES)
    x *= np.exp(rng.normal(scale=0.08))  # the load
    period = 60 / (rpm * ORDER)
    for start in np.arange(rng.uniform(0, period), time[-1], period):
        since = np.maximum(time - start - rng.normal(scale=0.01 * period), 0)
        x += blow * np.exp(-since / 1e-3) * np.sin(2 * np.pi * 3000 * since)
    return x


def main() -> None:
    """Write the records."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1] / "out" / "bearing.jsonl"
    path.parent.mkdir(exist_ok=True)
    rng = np.random.default_rng(0)
    with path.open("w") as file:
        for i in range(RECORDS):
            rpm = 1797 + rng.normal(scale=10)
            x = vibration(rng, rpm, blow=0.6 if i >= HEALTHY else 0.0)
            counts = np.round(x * 4096).astype("<i2")  # as a sensor of ±8 g has it
            wave = base64.b64encode(counts.tobytes()).decode()
            file.write(
                json.dumps({"ts": 1767225600 + 60 * i, "rpm": round(rpm, 1), "vibration": {"wave": wave}})
            )
            file.write("\n")


if __name__ == "__main__":
    main()
