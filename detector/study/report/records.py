"""The labelled records of an input that figures can be made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from connectors.decode.values import to_float
from detector.contracts import Floats
from detector.errors import KyoriError
from detector.study.classed import Classed
from detector.study.labels import NORMAL

Labels = NDArray[np.int64]

FEWEST = 12
"""Records below which no figure of them means anything."""
MOST_CLASSES = 24
"""As many as there are pairs of a colour and a shape that can be told apart."""
MOST_ROWS = 1500
"""A picture of more would take minutes, and be a blot."""
_OF_EACH = 3  # a class has at least so many in a sample, if it has them


@dataclass(frozen=True)
class Records:
    """The n records that have a class and no missing value.

    Attributes
    ----------
    X : (n, d)
        Their features.
    y : (n,) int
        Their class, as its place in `classes`.
    classes : tuple of str
        The labels: what means normal, then numbers by size, then words.
    features : tuple of str
        What the columns are.
    notes : tuple of str
        What was left out, for the reader.
    """

    X: Floats
    y: Labels
    classes: tuple[str, ...]
    features: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    @property
    def truth(self) -> Labels:
        """The classes as `detector.metric.compare.compare` numbers them: 0 is what means normal."""
        return self.y + (self.classes[0].lower() not in NORMAL)


def usable(table: Classed) -> Records:
    """Return the records that figures can be made of.

    Raises
    ------
    KyoriError
        There are too few, or their labels are no classes.

    >>> X = np.arange(24.0).reshape(12, 2)
    >>> records = usable(Classed("a.csv", ("flow", "temp"), X, ["10", "leak", "normal"] * 4))
    >>> records.classes, records.y.tolist()[:3]
    (('normal', '10', 'leak'), [1, 2, 0])
    """
    X, name, notes = table.X, table.name, []
    labels = np.array(table.labels, object)
    complete = np.isfinite(X).all(axis=1)
    if missing := int((~complete).sum()):
        notes.append(f"{missing} records were left out: they lack a value")
    counts = Counter(label for label in labels[complete].tolist() if label)
    if len(counts) > max(len(labels) / 2, 2):
        raise KyoriError(f"{name}: its labels have {len(counts)} values: measurements, or texts of their own")
    common = {label for label, count in counts.most_common(MOST_CLASSES) if count > 1}
    kept = complete & np.array([label in common for label in labels], bool)
    if other := int((complete & ~kept).sum()):
        notes.append(f"{other} records were left out: of no class, or of one of a single record, or too many")
    classes = sorted(set(labels[kept].tolist()), key=_order)
    if len(classes) < 2 or kept.sum() < FEWEST:
        raise KyoriError(
            f"{name}: {kept.sum()} complete records of {len(classes)} classes; "
            f"a report needs at least {FEWEST} records and 2 classes"
        )
    if (X[kept] == X[kept][0]).all():
        raise KyoriError(f"{name}: all records are the same in {', '.join(table.features)}")
    y = np.array([classes.index(label) for label in labels[kept]], np.int64)
    return Records(X[kept], y, tuple(classes), table.features, tuple(notes))


def _order(label: str) -> tuple[bool, bool, float, str]:
    number = to_float(label)[0]
    is_word = not np.isfinite(number)
    return label.lower() not in NORMAL, is_word, 0.0 if is_word else number, label


def sample(records: Records, seed: int, most: int = MOST_ROWS) -> Records:
    """Return about `most` records, as many of each class as is its share, chosen by chance.

    >>> y = np.repeat([0, 1], [9000, 1000])
    >>> records = Records(np.zeros((10_000, 1)), y, ("a", "b"), ("x",))
    >>> np.bincount(sample(records, 0, 100).y)
    array([90, 10])
    """
    if len(records) <= most:
        return records
    rng, chosen = np.random.default_rng(seed), []
    for label in range(len(records.classes)):
        members = np.flatnonzero(records.y == label)
        share = max(round(most * len(members) / len(records)), _OF_EACH)
        chosen.append(rng.permutation(members)[:share])
    rows = np.sort(np.concatenate(chosen))
    said = f"looked at {len(rows)} of {len(records)} records, as many of each class as is its share"
    return replace(records, X=records.X[rows], y=records.y[rows], notes=(*records.notes, said))
