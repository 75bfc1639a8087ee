"""The fenced blocks of the documentation, and the marks that stand before them.

A mark is a comment on the line before a block, which no reader sees: ``<!-- not run: needs systemd -->``
says why its commands are not run, ``<!-- first: cp examples/pumps.csv . -->`` what has to be done before
them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), ROOT / "examples" / "README.md"]
_BLOCK = re.compile(
    r"(?:^ *<!-- (?P<mark>not run|first): (?P<said>[^\n]*?) -->\n)?"
    r"^(?P<indent> *)```(?P<language>[\w-]*)\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes
    ----------
    page, line : str, int
        Where it stands.
    language : str
        ``sh``, ``yaml``, ``python``, ...
    text : str
        What it holds, not indented.
    not_run : str
        Why it is not run; "": it is.
    first : str
        Commands to be run before it.
    """

    page: str
    line: int
    language: str
    text: str
    not_run: str = ""
    first: str = ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(text: str, page: str) -> list[Block]:
    """Return the blocks of a page in order."""
    found = []
    for match in _BLOCK.finditer(text):
        said = {match["mark"]: match["said"].strip()} if match["mark"] else {}
        line = text.count("\n", 0, match.start("indent")) + 1
        marks = (said.get("not run", ""), said.get("first", ""))
        found.append(Block(page, line, match["language"], dedent(match["text"]), *marks))
    return found


def documented(*languages: str) -> list[Block]:
    """Return all blocks of the documentation in these languages; of all, if none is named."""
    each = (blocks(page.read_text(), str(page.relative_to(ROOT))) for page in PAGES)
    return [block for page in each for block in page if not languages or block.language in languages]
