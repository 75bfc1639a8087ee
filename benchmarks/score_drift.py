"""What a watch on the scores finds and what it costs: ``python -m benchmarks.score_drift``.

Twenty clean streams of each kind, 50,000 records of 5 features, through the default detector: every notice
is a false one. Then the same with each feature's mean moved by one of its standard deviations at record
30,000: how many records later the first notice comes, if it comes within 10,000. The cost is that of the
watch alone, on scores that are there.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np
from scipy import signal

from benchmarks.budget import FEATURES, autocorrelated, gaussian, t5
from detector.alerts.score_drift import ScoreDrift
from detector.contracts import Batch, Floats
from detector.pipeline import Pipeline
from detector.scores import Scores
from detector.settings import Drift
from detector.settings import Pipeline as Settings

STREAMS = 20
RECORDS = 50_000
MOVES, FOLLOWED = 30_000, 10_000


def slow(rng: np.random.Generator, n: int) -> Floats:
    """Each value is 0.99 of the one before and noise: it wanders for hundreds of records."""
    return np.asarray(signal.lfilter([1.0], [1.0, -0.99], rng.normal(size=(n + 500, FEATURES)), axis=0))[500:]


KINDS: dict[str, Callable[[np.random.Generator, int], Floats]] = {
    "gaussian": gaussian, "t5": t5, "autocorrelated": autocorrelated, "slow": slow,
}  # fmt: skip


def judged(X: Floats) -> Scores:
    """Return what the default detector says of all records."""
    names = [f"x{j}" for j in range(X.shape[1])]
    pipeline = Pipeline("clean", Settings.model_validate({"record": {"features": names}}))
    columns = {name: X[:, j].copy() for j, name in enumerate(names)}
    return pipeline.process(
        Batch(columns, np.arange(len(X), dtype=float), np.full(len(X), "", object))
    ).scores


def notices(scores: Scores, settings: Drift) -> list[int]:
    """Return the records at which a notice came."""
    n = len(scores.score)
    watch, record = ScoreDrift("clean", "", settings, 0, {}), np.arange(1.0, n + 1)
    rows, slots = np.full((1, watch.extra), np.nan), np.zeros(n, np.int64)
    alerts = watch.follow(rows, slots, lambda _: "", scores.score, scores.level, record, record)
    return [alert.record for _, alert in alerts if alert.status == "open"]


def main() -> None:
    """Print one line for each kind of stream and detector, and the cost of each detector."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=STREAMS, help="of each kind")
    streams = parser.parse_args().streams
    watches = {
        "page_hinkley": Drift(test="page_hinkley"),
        "adwin": Drift(test="adwin"),
        "adwin 1e-05": Drift(test="adwin", delta=1e-5),
    }
    spent = dict.fromkeys(watches, 0.0)
    print(f"{'stream':<16}{'test':<14}{'false notices':>14}{'found':>10}{'after: median':>16}{'last':>7}")
    for kind, make in KINDS.items():
        false = dict.fromkeys(watches, 0)
        delays: dict[str, list[int]] = {test: [] for test in watches}
        for seed in range(streams):
            rng = np.random.default_rng([list(KINDS).index(kind), seed])
            X = make(rng, RECORDS) @ rng.normal(size=(FEATURES, FEATURES))
            moved = X[: MOVES + FOLLOWED].copy()
            moved[MOVES:] += X.std(axis=0)
            clean, later = judged(X), judged(moved)
            for test, settings in watches.items():
                start = time.perf_counter()
                false[test] += len(notices(clean, settings))
                spent[test] += time.perf_counter() - start
                delays[test] += [at - MOVES for at in notices(later, settings) if at > MOVES][:1]
        for test in watches:
            found = delays[test]
            times = f"{np.median(found):>16.0f}{max(found):>7}" if found else ""
            line = f"{kind:<16}{test:<14}{false[test]:>14}{f'{len(found)} of {streams}':>10}"
            print(line + times, flush=True)
    for test, seconds in spent.items():
        print(f"{test}: {seconds / (streams * len(KINDS) * RECORDS) * 1e6:.2f} µs a record")


if __name__ == "__main__":
    main()
