"""Writes adr/index.md, the list of decisions, from their own files. ``python docs/make_adr.py``.

A test (tests/docs/test_reference.py) fails while the page is not what this makes.
"""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent / "adr"
PAGE = FOLDER / "index.md"

HEAD = """\
# Decisions

<!-- Made by docs/make_adr.py. -->

What was decided, why, and what it costs; a page each. A decision that is given up keeps its page, and says
so.

| | decision | date |
|---|---|---|
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_row(file) for file in sorted(FOLDER.glob("[0-9]*.md")))


def _row(file: Path) -> str:
    text = file.read_text(encoding="utf-8")
    title, date = (
        re.search(pattern, text, re.MULTILINE) for pattern in (r"^# (?:\d+\W+)?(.*)$", r"\d{4}-\d\d-\d\d")
    )
    if title is None:
        raise ValueError(f"{file.name} has no title")
    return f"| {file.name[:4]} | [{title[1]}]({file.name}) | {date[0] if date else ''} |\n"


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
