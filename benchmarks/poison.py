"""Whether slow poisoning is told in time: ``python -m benchmarks.poison`` (promise P32).

Someone owns a fifth of the records and places each as far out in one direction as goes unnoticed. The model
follows, until a reading 10 standard deviations out in that direction passes: it is blinded. The watch on the
frozen reference has to have told of it by then, and must not tell of clean streams. The control is the same
attack without the watch: no alert of any kind.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import signal

from detector import row
from detector.contracts import Batch, Floats
from detector.pipeline import Pipeline
from detector.settings import Pipeline as Settings

FEATURES = 4
SHARE = 0.2  # of the records are the attacker's
SIGMAS = 10.0
NAMES = [f"x{j}" for j in range(FEATURES)]
WARMUP, TRUSTED, DEFAULT_TRUSTED = 100, 2000, 8000  # records; the last is what auto means
DIRECTIONS = {"one feature": -1, "widest": FEATURES - 1, "narrowest": 0}
HALF_LIVES = (69, 231, 693, 2000)  # records; lambda = .01 to .0003
_AFTER = {"after": WARMUP + DEFAULT_TRUSTED, "most": 10_000}
DEFAULT = {
    "independent rows": ({"watch": "auto"}, {**_AFTER, "serial": 0.0}),
    "series": ({"mode": "series", "watch": "auto"}, {**_AFTER, "serial": 0.9, "reading": 5}),
}
"""Settings and arguments of the attack; a series is averaged, so a reading lasts."""


@dataclass(frozen=True, slots=True)
class Run:
    """What came of an attack; records since it began, None: not within the run.

    Attributes
    ----------
    told, blinded : int or None
        When the drift alert opened, and when the reading passed.
    alerts : int
        Of other kinds.
    """

    told: int | None
    blinded: int | None
    alerts: int

    @property
    def in_time(self) -> bool:
        """Whether it was told no later than the model was blinded."""
        return self.told is not None and (self.blinded is None or self.told <= self.blinded)


def plain(half_life: int, watch: int = TRUSTED) -> dict[str, Any]:
    """Return the settings of the experiment that the promise comes from: one chart, chi² radius, a gate.

    No shrinking: with so short a memory it makes a narrow direction so wide that a model may be nearly blind
    there from the beginning.
    """
    return {
        "mode": "plain",
        "memory": half_life,
        "covariance": {"shrink": "off"},
        "threshold": {"kind": "chi2_p", "value": 0.001},
        "watch": watch,
    }


def made(detector: dict[str, Any]) -> Pipeline:
    """Return a pipeline that has seen nothing."""
    return Pipeline("p", Settings.model_validate({"record": {"features": NAMES}, "detector": detector}))


def process(pipeline: Pipeline, X: Floats) -> list[str]:
    """Return the kinds of the alerts that open in these records."""
    columns = {name: np.ascontiguousarray(X[:, j]) for j, name in enumerate(NAMES)}
    batch = Batch(columns, np.full(len(X), np.nan), np.full(len(X), "", object))
    return [alert.kind for alert in pipeline.process(batch).alerts if alert.status == "open"]


def clean(rng: np.random.Generator, n: int, serial: float) -> tuple[Floats, Floats]:
    """Return n records with autocorrelation `serial` and some covariance, and that covariance."""
    mixing = rng.normal(size=(FEATURES, FEATURES))
    noise = rng.normal(size=(n + 500, FEATURES)) * np.sqrt(1.0 - serial**2)
    smooth = np.asarray(signal.lfilter([1.0], [1.0, -serial], noise, axis=0), float)[500:]
    return np.asarray(smooth @ mixing), np.asarray(mixing.T @ mixing)


def direction(covariance: Floats, which: str) -> Floats:
    """Return the unit vector of an attack."""
    place = DIRECTIONS[which]
    axes: Floats = np.eye(FEATURES) if place < 0 else np.linalg.eigh(covariance)[1].T
    return np.asarray(axes[place])


def unnoticed(pipeline: Pipeline, X: Floats) -> bool:
    """Return whether these records, one after the other, would pass; nothing is learned of them."""
    model, rows = pipeline.model, pipeline.pool.rows[:1].copy()
    scores = model.run(rows, np.zeros(len(X), np.int64), X, rows[0, row.CLOCK] + 1.0 + np.arange(len(X)))
    return not scores.anomaly.any()


def furthest(pipeline: Pipeline, u: Floats, sd: float) -> Floats:
    """Return the record furthest out along u that goes unnoticed."""
    low, high = 0.0, 100.0 * sd
    for _ in range(14):
        middle = (low + high) / 2
        low, high = (middle, high) if unnoticed(pipeline, (middle * u)[None]) else (low, middle)
    return low * u


def attack(
    detector: dict[str, Any],
    which: str,
    seed: int,
    most: int,
    *,
    after: int = WARMUP + TRUSTED,
    serial: float = 0.0,
    reading: int = 1,
) -> Run:
    """Poison a model until it is blinded.

    Parameters
    ----------
    most : int
        Records of the attack at most.
    after : int
        Records before it.
    serial : float
        Autocorrelation of the honest records.
    reading : int
        Records in a row, 10 sigma out, of which none may be noticed in a model that is blinded.
    """
    rng = np.random.default_rng(seed)
    X, covariance = clean(rng, after + most, serial)
    u = direction(covariance, which)
    sd = float(np.sqrt(u @ covariance @ u))
    probe = np.tile(SIGMAS * sd * u, (reading, 1))
    pipeline = made(detector)
    alerts, told = len(process(pipeline, X[:after])), None
    for i in range(most):
        mine = rng.random() < SHARE
        kinds = process(pipeline, (furthest(pipeline, u, sd) if mine else X[after + i])[None])
        alerts += sum(kind != "drift" for kind in kinds)
        if told is None and "drift" in kinds:
            told = i
        if unnoticed(pipeline, probe):
            return Run(told, i, alerts)
    return Run(told, None, alerts)


def false_alarm(detector: dict[str, Any], seed: int, n: int, serial: float = 0.0) -> bool:
    """Return whether a clean stream makes a drift alert."""
    return "drift" in process(made(detector), clean(np.random.default_rng([seed, 7]), n, serial)[0])


def line(name: str, runs: list[Run]) -> str:
    """Return a row of the table."""
    told = [run.told for run in runs if run.told is not None]
    blinded = [run.blinded for run in runs if run.blinded is not None]
    median = [f"{np.median(one):.0f}" if one else "-" for one in (told, blinded)]
    in_time, others = sum(run.in_time for run in runs), sum(run.alerts for run in runs)
    figures = f"{f'{in_time}/{len(runs)}':>8}{median[0]:>12}{median[1]:>12}{len(blinded):>10}{others:>8}"
    return f"{name:<42}{figures}"


def table(of: dict[str, tuple[dict[str, Any], dict[str, Any]]], seeds: range) -> None:
    """Print a line for each named (settings, arguments of the attack)."""
    print(f"{'attack':<42}{'in time':>8}{'told at':>12}{'blinded at':>12}{'blinded':>10}{'others':>8}")
    for name, (settings, how) in of.items():
        for which in DIRECTIONS:
            for watch in (settings["watch"], 0):
                runs = [attack({**settings, "watch": watch}, which, seed, **how) for seed in seeds]
                print(line(f"{name}, {which}" if watch else "  without the watch", runs), flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--default", action="store_true", help="poison the default detector instead")
    options = parser.parse_args()
    seeds = range(options.seeds)
    if options.default:
        table(DEFAULT, seeds)
        for name, (settings, how) in DEFAULT.items():
            false = sum(false_alarm(settings, seed, 50_000, how["serial"]) for seed in seeds)
            print(f"{name}: clean streams of 50,000 records with an alert: {false} of {len(seeds)}")
        return
    table({f"half-life {h}": (plain(h), {"most": 20 * h}) for h in HALF_LIVES}, seeds)
    false = sum(false_alarm(plain(h), seed, 8000) for h in HALF_LIVES for seed in seeds)
    print(f"clean streams of 8,000 records with an alert: {false} of {len(HALF_LIVES) * len(seeds)}")


if __name__ == "__main__":
    main()
