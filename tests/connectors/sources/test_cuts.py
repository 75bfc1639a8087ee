"""P18: the same records, wherever the bytes of a text are cut in two."""

from __future__ import annotations

import os
from itertools import chain
from pathlib import Path

import pytest

from connectors.decode.rows import RowBuilder
from connectors.sources.reading import TextOptions, TextReading
from detector.contracts import Layout
from tests.connectors.sources.tailing import Follower, append, in_order

LONG = b"g" * 1500
ODD = "\x0b\x0c\x1c\u2028\x85é🙂".encode()
JSONL = (
    b'\xef\xbb\xbf{"x": 1}\r\n\r\n{"x": "%s"}\n{"x": 2, "y": "\xff"}\n{"y": "\x00"}\n{"x": 3, "y": "%s"}\r\n'
    b'[1]\n{"x": 4, "y": "%s"}\n{"x": 5}\n%s\n\n{"x": NaN}\n{"x": 6'
) % (ODD, ODD, LONG, LONG)
CSV = (
    b'\xef\xbb\xbfx,y\r\n1,"a,%s"\r\n2\r\n3,\x0b\x00\n\n4,"open\n5,\xff\n6,%s\n7,%s\r\n8,z\n%s\n9,""""\n10,cut'
) % (ODD, ODD, LONG, LONG)
TEXTS = {
    "a.jsonl": JSONL,
    "a.csv": CSV,
    "a.log": b"\n \r\n" + JSONL[3:],
    "utf16.csv": "x,y\n1,2\n3,4\n".encode("utf-16"),
    "utf16.jsonl": '{"x": 1}\n{"x": 2}\n'.encode("utf-16"),
}
STEP = 1 if os.environ.get("KYORI_FULL") else 89


def cuts(text: bytes) -> list[int]:
    """Return where to cut: everywhere, or within the first bytes, the last ones, and now and then."""
    assert len(text) <= 4096
    last = len(text) + 1
    return sorted({*chain(range(min(6, last)), range(0, last, STEP), range(max(0, last - 6), last))})


@pytest.mark.crash
@pytest.mark.parametrize("name", TEXTS)
def test_a_growing_file_gives_the_same_records(tmp_path: Path, name: str) -> None:
    path, text = tmp_path / name, TEXTS[name]
    path.write_bytes(text)
    whole = Follower(path, max_line="1 KiB")
    whole.read()
    assert whole.reasons.count("too_long") == (2 if LONG in text else 0)
    for cut in cuts(text):
        path.unlink()
        path.write_bytes(text[:cut])
        follower = Follower(path, max_line="1 KiB")
        follower.read(1)
        if cut % 2:
            follower.restart()
        append(path, text[cut:])
        follower.read()
        assert repr(follower.records) == repr(whole.records), cut
        follower.source.close()


def read(name: str, *pieces: bytes) -> list[float | str]:
    """Return the records of a text that comes in these pieces."""
    left = [piece for piece in pieces if piece]
    layout = Layout(("x",))
    options = TextOptions(max_line="1 KiB")
    form = "auto" if name.endswith(".log") else name.rpartition(".")[2]
    reading = TextReading(lambda _: left.pop(0) if left else b"", options, layout, name, {}, form, {})
    builder = RowBuilder(layout)
    while reading.fill(builder, 3):
        pass
    return in_order(builder.batch(arrival=0.0, position=b""))


@pytest.mark.crash
@pytest.mark.parametrize("name", TEXTS)
def test_a_text_in_two_pieces_gives_the_same_records(name: str) -> None:
    text = TEXTS[name]
    whole = read(name, text)
    assert len(whole) > 8 or whole == ["utf16"]
    for cut in cuts(text):
        assert repr(read(name, text[:cut], text[cut:])) == repr(whole), cut
