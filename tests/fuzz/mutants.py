"""A simple mutator of bytes, where atheris is not: flips, cuts, repeats and splices of the seeds."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

_TELLING = (
    *(
        b"\0",
        b"\xff",
        b"\x80",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"\n",
        b'"',
        b"\\u0000",
        b"{}",
        b"[]",
    ),
    *(
        b"[[[[[[[[",
        b"1e999",
        b"-0",
        b"NaN",
        b"9" * 30,
        b"%",
        b"*",
        b"&a",
        b"!!",
        b"${",
        b"\xff" * 8,
        b"\x7f" * 4,
    ),
)


def mutant(seeds: Sequence[bytes], chance: random.Random) -> bytes:
    """Return a seed with up to four changes."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        until = min(len(data), at + chance.randint(1, 16))
        change = chance.randrange(6)
        if change == 0 and at < len(data):
            data[at] ^= 1 << chance.randrange(8)
        elif change == 1:
            del data[at:until]
        elif change == 2:
            data[at:at] = data[at:until] * chance.randint(1, 40)
        elif change == 3:
            data[at:at] = chance.choice(_TELLING)
        elif change == 4:
            data[at:until] = chance.randbytes(until - at)
        else:
            other = chance.choice(seeds)
            data[at:] = other[chance.randint(0, len(other)) :]
    return bytes(data)


def run(one: Callable[[bytes], None], seeds: Sequence[bytes], seconds: float, seed: int = 0) -> int:
    """Try the seeds, then mutants for so long; return how many. What fails names its bytes.

    The time begins after the seeds, which may have to compile what they run through.
    """

    def mutants() -> Iterator[bytes]:
        chance, end = random.Random(seed), time.monotonic() + seconds
        while time.monotonic() < end:
            yield mutant(seeds, chance)

    runs = 0
    for data in chain(seeds, mutants()):
        try:
            one(data)
        except Exception as error:
            raise AssertionError(f"{type(error).__name__} for {data!r}") from error
        runs += 1
    return runs
