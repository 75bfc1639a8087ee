"""Cutting bytes into lines: the same lines, however the bytes arrive."""

from __future__ import annotations

import pytest

from connectors.sources.lines import LineReader, Overlong

TEXT = b"\xef\xbb\xbfone\r\ntwo \x0b\xe2\x80\xa8\x85\x1c\x0c\n\nlong" + b"g" * 40 + b"\nnul\x00\n\xc3\xa9end"


def pieces(text: bytes, *cuts: int) -> LineReader:
    parts = [text[a:b] for a, b in zip((0, *cuts), (*cuts, len(text)), strict=True) if a != b]
    return LineReader(lambda _: parts.pop(0) if parts else b"", max_line=20)


def all_lines(reader: LineReader, count: int) -> list[tuple[bytes, int]]:
    found = []
    while lines := reader.peek(count):
        for line in lines:
            reader.advance(1)
            found.append((line[:4] if isinstance(line, Overlong) else line, reader.offset))
    return found


def test_only_line_feeds_cut() -> None:
    lines = [line for line, _ in all_lines(pieces(TEXT), 100)]
    assert lines == [b"one\r", b"two \x0b\xe2\x80\xa8\x85\x1c\x0c", b"", b"long", b"nul\x00", b"\xc3\xa9end"]


def test_any_cut_gives_the_same_lines_and_offsets() -> None:
    whole = all_lines(pieces(TEXT), 100)
    assert whole[-1][1] == len(TEXT)
    for cut in range(len(TEXT)):
        for other in range(cut, len(TEXT), 7):
            assert all_lines(pieces(TEXT, cut, other), 2) == whole


def test_offset_is_where_reading_can_go_on() -> None:
    whole = all_lines(pieces(TEXT), 1)
    for i, (_, offset) in enumerate(whole):
        rest = TEXT[offset:]
        parts = [rest]
        reader = LineReader(lambda _, parts=parts: parts.pop(0) if parts else b"", 20, offset)  # type: ignore[misc]
        assert all_lines(reader, 100) == whole[i + 1 :]


@pytest.mark.parametrize("taken", [1, 2, 3])
@pytest.mark.parametrize("peeked", [0, 1, 2])
def test_lines_that_are_taken_whole_are_the_same(taken: int, peeked: int) -> None:
    """Whether they are cut or not, and if some were looked at before."""
    whole = all_lines(pieces(TEXT), 100)
    for cut in range(len(TEXT)):
        reader, found = pieces(TEXT, cut), []
        while reader.peek(1):
            reader.peek(peeked)
            text = reader.whole()
            lines = text.split(b"\n")[:-1][:taken]
            if lines and max(map(len, lines)) <= 20:
                for line in lines:
                    reader.skip(len(line) + 1)
                    found.append((line, reader.offset))
            else:
                (line,) = reader.peek(1)
                reader.advance(1)
                found.append((line[:4] if isinstance(line, Overlong) else line, reader.offset))
        assert found == whole


def test_long_lines_take_no_memory() -> None:
    count = 0

    def endless(size: int) -> bytes:
        nonlocal count
        count += 1
        return b"x" * size if count < 400 else b"\nlast\n" if count == 400 else b""

    reader = LineReader(endless, 1000)
    (line,) = reader.peek(10)
    assert isinstance(line, Overlong) and len(line) == 1024 and line.size > 50_000_000
    reader.advance(1)
    assert reader.peek(10) == [b"last"]


@pytest.mark.parametrize("text", [b"\xff\xfea\x00", b"\xfe\xff\x00a"])
def test_utf16(text: bytes) -> None:
    reader = pieces(text, 1)
    assert reader.peek(1) == [] and reader.ended
    assert reader.problem is not None and reader.problem.reason == "utf16"
