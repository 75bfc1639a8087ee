"""Run by test_crash: commits batch after batch from where the last life of this process stood.

Batch n stores position n, row n and alert n; so what belongs to one batch is known by its number.
"""

from __future__ import annotations

import sys
from pathlib import Path

from detector.store import Store
from tests.store.samples import make_alert

BATCHES = 6


class SplitStore(Store):
    """The mistake that the crash tests must catch: the position has a transaction of its own."""

    def commit(self, *, positions, rows, alerts, meta=None):
        super().commit(positions=positions, rows={}, alerts=[])
        super().commit(positions={}, rows=rows, alerts=alerts, meta=meta or {})


def main(path: Path, kind: type[Store]) -> None:
    store = kind.open(path, schema="s")
    store.register(["log"])
    done = int(store.load().positions.get("in", b"0"))
    for number in range(done + 1, BATCHES + 1):
        text = b"%d" % number
        store.commit(
            positions={"in": text}, rows={"k": text * 3000}, alerts=[make_alert(number)], meta={"m": text}
        )
    store.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), {"whole": Store, "split": SplitStore}[sys.argv[2]])
