"""What the pictures of a report are drawn with: page, text, and a colour and a shape for each class."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from detector.contracts import Floats

WIDTH, GAP = 960, 24
PANEL = (WIDTH - 2 * GAP) // 3
"""Side of a panel; three stand in a row."""

_COLOURS = (
    ("#0072b2", "#5ab4f0"),
    ("#d55e00", "#ff9d57"),
    ("#009e73", "#3fd0a5"),
    ("#b0559a", "#e6a3cd"),
    ("#8a6d00", "#e3c64d"),
    ("#555555", "#c4c4c4"),
)
"""For a light and a dark page; told apart by those who see no red or no green (after Okabe and Ito)."""

STYLE = "\n".join(
    [
        ".page{fill:#ffffff}.text{fill:#333333}.soft{fill:#666666}.frame{fill:none;stroke:#cccccc}",
        ".line{fill:none;stroke:#222222}.bar{fill:#0072b2}.minus{fill:#d55e00}.on{fill:#ffffff}",
        *(f".c{i}{{fill:{light};stroke:#ffffff}}" for i, (light, _) in enumerate(_COLOURS)),
        "@media screen and (prefers-color-scheme:dark){",
        ".page{fill:#14181d}.text{fill:#d5d9de}.soft{fill:#a3abb5}.frame{stroke:#39414a}",
        ".line{stroke:#f0f0f0}.bar{fill:#2f8fd0}.minus{fill:#d9661a}",
        *(f".c{i}{{fill:{dark};stroke:#14181d}}" for i, (_, dark) in enumerate(_COLOURS)),
        "}",
    ]
)


_SHAPES = (
    "m-4 0a4 4 0 1 1 8 0a4 4 0 1 1 -8 0z",  # circle
    "m-3.6 -3.6h7.2v7.2h-7.2z",  # square
    "m0 -4.8l4.6 8h-9.2z",  # triangle
    "m0 -5.2l4.6 5.2l-4.6 5.2l-4.6 -5.2z",  # diamond
    "m-1.6 -4.8h3.2v3.2h3.2v3.2h-3.2v3.2h-3.2v-3.2h-3.2v-3.2h3.2z",  # cross
    "m0 4.8l-4.6 -8h9.2z",  # triangle on its tip
    "m-4.8 -1.8h9.6v3.6h-9.6z",  # bar
)


def marks(label: int, places: Floats, more: str = "") -> str:
    """Return a mark at each place (n, 2), coloured and shaped by the class."""
    shape = _SHAPES[label % len(_SHAPES)]
    paths = "".join(f'<path d="M{x:.1f} {y:.1f}{shape}"/>' for x, y in places.tolist())
    return f'<g class="c{label % len(_COLOURS)}" stroke-width=".8"{more}>{paths}</g>'


def text(x: float, y: float, words: str, kind: str = "text", more: str = "") -> str:
    """Return a line of text; what an input brought in may be in it."""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{more}>{escape(printable(words))}</text>'


END, MIDDLE, BOLD = ' text-anchor="end"', ' text-anchor="middle"', ' font-weight="bold"'


def printable(words: str) -> str:
    r"""Return text without what XML forbids or what turns its direction.

    >>> printable("a\x00b") == "a\ufffdb"
    True
    """
    return "".join(char if char.isprintable() else "\ufffd" for char in words)


def short(words: str, most: int) -> str:
    """Return at most so many characters, of the end as many as of the beginning.

    >>> short("boiler.temperature_12", 11)
    'boile…re_12'
    """
    if len(words) <= most:
        return words
    end = (most - 1) // 2
    return f"{words[: most - 1 - end]}…{words[-end:]}"


def frame(x: float, y: float, width: float, height: float) -> str:
    """Return a border."""
    return f'<rect class="frame" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" rx="3"/>'


def words(lines: Sequence[str], kind: str = "soft") -> tuple[str, float]:
    """Return a row of lines of text."""
    parts = [text(0, 16 + 19 * n, line, kind) for n, line in enumerate(lines)]
    return "\n".join(parts), 19.0 * len(lines) + 10


def picture(rows: Sequence[tuple[str, float]], title: str, *, alone: bool) -> str:
    """Return an SVG of rows, each with its height, below each other; `alone`: with margins and colours."""
    margin = 20 if alone else 2
    height = sum(tall for _, tall in rows) + 2 * margin
    box = f"{-margin} {-margin} {WIDTH + 2 * margin} {height:.0f}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" font-family="sans-serif" font-size="13" '
        'role="img">',
        f"<title>{escape(printable(title))}</title>",
    ]
    if alone:
        parts.append(f"<style>{STYLE}</style>")
        size = f'width="{WIDTH + 2 * margin}" height="{height:.0f}"'
        parts.append(f'<rect class="page" x="{-margin}" y="{-margin}" {size}/>')
    top = 0.0
    for body, tall in rows:
        parts.append(f'<g transform="translate(0 {top:.0f})">\n{body}\n</g>')
        top += tall
    return "\n".join([*parts, "</svg>"]) + "\n"
