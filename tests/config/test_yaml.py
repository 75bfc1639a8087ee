"""P34: no plain word, tag, alias or key can turn into something that was not written."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.config.yaml import MAX_BYTES, MAX_DEPTH, read
from detector.errors import ConfigError

TRAPS = [
    ("a: 12:30:00", "time of day"),
    ("a: 1:30", "base 60"),
    ("a: 0123", "leading zero"),
    ("a: -007", "leading zero"),
    ("a: 0o17", "not decimal"),
    ("a: 0x1F", "not decimal"),
    ("a: 0b11", "not decimal"),
    ("a: 1_000", "underscores"),
    ("a: 2026-11-23", "a date"),
    ("a: 2026-11-23T10:00:00Z", "a date"),
    ("a: .inf", "no usable number"),
    ("a: -.Inf", "no usable number"),
    ("a: .NaN", "no usable number"),
    ("a: 1e999", "no usable number"),
    ("a: ~", "a word for nothing"),
    ("a: NULL", "a word for nothing"),
    ("a:", "has no value"),
    ("a: [1, ]\nb:\n", "has no value"),
    ("1: a", "the key 1 is not text"),
    ("true: a", "the key true is not text"),
    ("null: a", "the key null is not text"),
    ("2026-11-23: a", "a date"),
    ("a: 1\nb: 2\na: 3", "the key is there twice, first on line 1"),
    ("a: {b: 1, b: 1}", "the key is there twice"),
    ("a: &x 1", "an anchor (&)"),
    ("a: &x 1\nb: *x", "an alias (*)"),
    ("a: {b: 1}\n<<: {c: 1}", "a merge key (<<)"),
    ("*x : 1", "an alias (*)"),
    ("? [1, 2]\n: 3", "a key must be text"),
    ("a: !!str 1", "a tag (!)"),
    ("a: !!python/object/apply:os.system [ls]", "a tag (!)"),
    ("a: !include x.yaml", "a tag (!)"),
    ("!!map {a: 1}", "a tag (!)"),
    ("%YAML 1.1\n---\na: 1", "a % directive"),
    ("a: 1\n---\nb: 2", "a second document"),
    ("a:\n\tb: 1", "a tab"),
    ("a: b: c", "a ': ' where none can be"),
    ("a: 1\n b: 2", "a ': ' where none can be"),
    ("a: [1, 2", "a bracket is not closed"),
    ("a: 'x", "a quote is not closed"),
    ('a: "\\d+"', "a backslash"),
    ("a: @x", "cannot start a value"),
    ("a: %x", "cannot start a value"),
    ("a: `x`", "cannot start a value"),
    ("a: \x1b[2J", "control character"),
    ("a: \0", "control character"),
    ('a: "\\0"', "an escape of NUL"),
    ('a: "x\\ud800"', "half a character"),
    ('"\\0": 1', "an escape of NUL"),
    ('a: 1\nb: "\\U00110000"', "a character that there is not"),
    ('a: 1\nb: "\\U80000000"', "a character that there is not"),
    ("a: \ud800", "control character"),
    ("...\na: 1", "not YAML"),
    ("a: 1\n...\nb: 2", "a second document"),
    ("%TAG ! x:\n---\na: 1", "a % directive"),
    ("- a\n- b", "must be a map; it is a list"),
    ("just text", "must be a map; it is 'just text'"),
    ("", "it is empty"),
    ("# nothing", "it is empty"),
    ("a: " + "[" * (MAX_DEPTH + 1), "nested more than"),
    ("[" * 100_000, "nested more than"),
    ("a: '" + "x" * MAX_BYTES + "'", "larger than 1 MiB"),
]


@pytest.mark.parametrize(("text", "expected"), TRAPS, ids=[repr(text[:30]) for text, _ in TRAPS])
def test_trap_is_an_error(text: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=r"^config\.yaml") as caught:
        read(text, "config.yaml")
    assert expected in str(caught.value)
    assert all(problem.remedy for problem in caught.value.problems)
    assert "larger than" in expected or all(problem.line for problem in caught.value.problems)


def test_the_line_of_a_trap_is_its_own() -> None:
    before, line = "x:\n  - y\n\n# z\n", 5
    for text, expected in TRAPS:
        if text.startswith("a: ") and "\n" not in text and len(text) < 100:
            with pytest.raises(ConfigError) as caught:
                read(before + text, "config.yaml")
            assert [problem.line for problem in caught.value.problems if expected in problem.message] == [
                line
            ]


@pytest.mark.parametrize(
    "word", ["yes", "no", "on", "off", "y", "n", "Yes", "NO", "1.2.3", "10.0.0.1", "=", "0.1 %"]
)
def test_word_stays_text(word: str) -> None:
    assert read(f"a: {word}\n{word}: 1").data == {"a": word, word: 1}


def test_remedy_shows_the_quoted_word() -> None:
    with pytest.raises(ConfigError, match=r"put it in quotes: '12:30:00'"):
        read("a: 12:30:00")


def test_plain_values() -> None:
    text = "a: 1\nb: -2.5\nc: 1e3\nd: true\ne: null\nf: '0123'\ng: |\n  x\n  y\nh: [.5, +1, {i: 1.}]\n"
    data = read(text).data
    assert data == {
        "a": 1, "b": -2.5, "c": 1000.0, "d": True, "e": None,
        "f": "0123", "g": "x\ny\n", "h": [0.5, 1, {"i": 1.0}],
    }  # fmt: skip
    assert [type(value) for value in data.values()] == [int, float, float, bool, type(None), str, str, list]


def test_lines() -> None:
    lines = read("a:\n  b:\n    - 1\n    - {c: 2,\n       d: 3}\n'x.y': 1\n").lines
    assert lines[("a",)] == 1
    assert lines[("a", "b")] == 2
    assert lines[("a", "b", 1)] == 4
    assert lines[("a", "b", 1, "d")] == 5
    assert lines[("x.y",)] == 6


def test_alias_bomb_is_refused_at_once() -> None:
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n"
    bomb += "".join(
        f"{b}: &{b} [{','.join(['*' + a] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
    )
    start = time.perf_counter()
    with pytest.raises(ConfigError, match="an alias") as caught:
        read(bomb)
    assert time.perf_counter() - start < 5
    assert len(caught.value.problems) <= 51


def test_all_traps_are_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read("a: 0123\nb: 12:30:00\nc: *x\nd:\n", "c.yaml")
    assert [problem.line for problem in caught.value.problems] == [1, 2, 3, 4]


def test_not_utf8() -> None:
    with pytest.raises(ConfigError, match=r"c:2: the file is not UTF-8"):
        read(b"a: 1\nb: \xff\n", "c")


def test_long_word_is_text_and_quick() -> None:
    word = "1_" * 200_000 + "x"
    assert read(f"a: {word}").data == {"a": word}


SCALARS = st.one_of(
    st.booleans(), st.integers(-(10**9), 10**9), st.text(st.characters(min_codepoint=32, max_codepoint=126))
)


@given(st.dictionaries(st.text("abc", min_size=1), st.lists(SCALARS, max_size=3), min_size=1, max_size=4))
def test_reads_json(data: dict[str, list[object]]) -> None:
    import json  # noqa: PLC0415

    assert read(json.dumps(data)).data == data


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        read(text)
    except ConfigError as error:
        assert error.problems
