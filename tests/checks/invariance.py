"""What must make no difference: how a stream is cut, a restart, the order of features, other keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from detector.codec import decode_row, encode_row
from detector.contracts import Batch
from detector.labels.book import Entries
from detector.metric.learned import Metric
from detector.pipeline import Pipeline
from tests.streams import cut, part

Make = Callable[[], Pipeline]


@dataclass
class Outcome:
    """All that a pipeline said of a stream, comparable to the last bit."""

    numbers: list[bytes] = field(default_factory=list)
    alerts: list[str] = field(default_factory=list)
    state: dict[str, bytes] = field(default_factory=dict)
    open_alerts: bytes = b""
    budget: bytes = b""
    entries: Entries = field(default_factory=dict)


def outcome(pipeline: Pipeline, batches: Iterable[Batch]) -> Outcome:
    """Run the batches through, and save the state after them."""
    out = Outcome()
    for one in batches:
        result = pipeline.process(one)
        s = result.scores
        for i in range(len(s.score)):
            said = [s.score[i], s.threshold[i], s.level[i], s.p[i], result.clock[i]]
            why = [s.shares[i], s.expected[i], s.sd[i]] if s.anomaly[i] else []
            out.numbers.append(np.concatenate([said, *why]).tobytes())
        out.alerts += [alert.to_json() for alert in result.alerts]
    state, schema = pipeline.state(), bytes.fromhex(pipeline.schema)
    out.state = {key: encode_row(row, schema) for key, row in state.rows.items()}
    out.open_alerts, out.budget, out.entries = state.open_alerts, state.budget, state.entries
    return out


def restore(pipeline: Pipeline, saved: Outcome, metric: Metric | None = None) -> None:
    """Put all that was saved, as bytes, into a pipeline that has seen nothing."""
    schema = bytes.fromhex(pipeline.schema)
    rows = {key: decode_row(data, schema, pipeline.width) for key, data in saved.state.items()}
    entries: dict[str, dict[str, bytes]] = {}
    for (kind, name), data in saved.entries.items():
        if data is not None:
            entries.setdefault(kind, {})[name] = data
    pipeline.restore(rows, saved.open_alerts, budget=saved.budget, entries=entries, metric=metric)


def check_batches_do_not_matter(make: Make, stream: Batch, sizes: Sequence[int] = (1, 7)) -> None:
    """However the stream is cut: the same scores, alerts and state, bit for bit."""
    whole = outcome(make(), cut(stream, 10_000))
    for size in sizes:
        parts = outcome(make(), cut(stream, size))
        assert parts.numbers == whole.numbers, f"scores differ in batches of {size}"
        assert parts.alerts == whole.alerts, f"alerts differ in batches of {size}"
        assert (parts.state, parts.open_alerts) == (whole.state, whole.open_alerts), f"state, {size}"
        assert parts.budget == whole.budget, f"what was told in the minute, {size}"
        assert parts.entries == whole.entries, f"alerts, labels, second score, {size}"


def check_restart_does_not_matter(make: Make, stream: Batch, offsets: Sequence[int]) -> None:
    """Save, restore elsewhere and go on: the same as going on."""
    for offset in offsets:
        first = make()
        saved = outcome(first, [part(stream, slice(0, offset))])
        again = make()
        restore(again, saved, first.metric)
        rest = [part(stream, slice(offset, None))]
        there, here = outcome(again, rest), outcome(first, rest)
        assert there.numbers == here.numbers, f"scores differ after a restart at {offset}"
        assert there.alerts == here.alerts, f"alerts differ after a restart at {offset}"
        assert (there.open_alerts, there.entries) == (here.open_alerts, here.entries)
        assert there.budget == here.budget, f"what was told in the minute of a restart at {offset}"
        assert all(here.state[key] == data for key, data in there.state.items())


def check_keys_do_not_meet(make: Make, stream: Batch) -> None:
    """A key alone gets the same scores and alerts as among others."""
    together = make().process(stream)
    of = stream.key[together.used]
    for key in np.unique(stream.key.astype(str)):
        alone = make().process(part(stream, stream.key == key))
        assert alone.scores.score.tobytes() == together.scores.score[of == key].tobytes()
        assert [a.to_json() for a in alone.alerts] == [a.to_json() for a in together.alerts if a.key == key]


def check_order_of_features_does_not_matter(
    make: Callable[[Sequence[int]], Pipeline], stream: Batch, order: Sequence[int], rtol: float = 1e-8
) -> None:
    """In another order of features: the same distances, and the shares permuted."""
    straight, other = make(range(len(order))).process(stream), make(order).process(stream)
    np.testing.assert_allclose(other.scores.score, straight.scores.score, rtol=rtol, atol=1e-9)
    assert (other.scores.anomaly == straight.scores.anomaly).all()
    flagged = straight.scores.anomaly
    assert flagged.any()
    for name in ("shares", "expected", "sd"):
        expected = getattr(straight.scores, name)[flagged][:, list(order)]
        np.testing.assert_allclose(getattr(other.scores, name)[flagged], expected, rtol=1e-5, atol=1e-8)
