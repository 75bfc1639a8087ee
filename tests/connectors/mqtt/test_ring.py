"""The bytes that grow with the entries are those that all entries make."""

from __future__ import annotations

import random
from collections import OrderedDict

from connectors.mqtt.ring import Ring


def test_bytes_follow_the_entries() -> None:
    chance, ring, expected = random.Random(1), Ring(), OrderedDict[int, bytes]()
    for step in range(5000):
        mid, digest = chance.randrange(1, 60), step.to_bytes(6, "big")
        expected.pop(mid, None)
        if chance.random() < 0.1:
            ring.forget(mid)
        else:
            ring.add(mid, digest)
            expected[mid] = mid.to_bytes(2, "big") + digest
        most = chance.randrange(20, 200)
        ring.keep(most)
        while len(expected) > most:
            expected.popitem(last=False)
        if chance.random() < 0.3:
            assert ring.packed() == b"".join(expected.values())
            ring = Ring(ring.packed()) if chance.random() < 0.1 else ring
    assert len(ring) == len(expected) > 10
    assert all(ring.has(mid, entry[2:]) and not ring.has(mid, b"other.") for mid, entry in expected.items())
