"""Writes python.md from the docstrings of what may be imported. ``python docs/make_python.py``.

A test (tests/docs/test_reference.py) fails while the page is not what this makes.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import detector
from detector import contracts, errors
from detector.metric import learners

PAGE = Path(__file__).parent / "python.md"

HEAD = """\
# Python reference

<!-- Made by docs/make_python.py; change the docstrings instead. Their examples are doctests. -->

`from detector import ...` has what is kept stable: a change that breaks it is a new major version, before
1.0 a new minor one, and stands in the changelog. What connectors and learners are made of
([extending](extending.md)) is in `detector.contracts`, `detector.errors` and `detector.metric.learners`.
Everything else is how it is built.
"""
PARTS: tuple[tuple[str, Any, tuple[str, ...]], ...] = (
    ("detector", detector, tuple(detector.__all__)),
    (
        "detector.contracts",
        contracts,
        ("Layout", "Source", "Sink", "Rejected", "Gap", "Reason", "States", "KeyState"),
    ),
    ("detector.metric.learners", learners, ("learn", "Learner", "Examples")),
    (
        "detector.errors",
        errors,
        ("KyoriError", "ConfigError", "Problem", "SourceError", "SinkUnavailable", "MetricError"),
    ),
)
_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ITEM = re.compile(r"^(\S.*?)(?: : (.*))?$")


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for module, place, names in PARTS:
        parts.append(f"## {module}\n")
        parts += [_object(module, name, getattr(place, name)) for name in names]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(parts)).rstrip() + "\n"


def _object(module: str, name: str, one: Any) -> str:
    lines = [f"### {name}\n", f"```text\n{_signature(f'{module}.{name}', one)}\n```\n", _text(one, name)]
    for method, function in _methods(one):
        is_property = isinstance(function, property)
        call = f"`{method}`" if is_property else f"`{_signature(method, function, own=True)}`"
        lines.append(
            f"#### {name}.{method}\n\n{call}\n\n{_text(function.fget if is_property else function, method)}"
        )
    return "\n".join(lines)


def _methods(one: Any) -> Iterator[tuple[str, Any]]:
    """Yield what is public and documented of a class itself, and of its base classes of ours."""
    if not inspect.isclass(one) or issubclass(one, Exception):
        return
    seen = set()
    for base in one.__mro__:
        for name, value in vars(base).items() if base.__module__.startswith("detector.") else ():
            function = getattr(value, "__func__", value)
            if (
                name.startswith("_")
                or name in seen
                or not (inspect.isfunction(function) or isinstance(value, property))
            ):
                continue
            seen.add(name)
            if inspect.getdoc(value):
                yield name, function if not isinstance(value, property) else value


def _signature(name: str, one: Any, own: bool = False) -> str:
    if inspect.isclass(one) and issubclass(one, Exception):
        return name
    signature = inspect.signature(one)
    given = [
        value.replace(annotation=inspect.Parameter.empty)
        for key, value in signature.parameters.items()
        if not (own and key in ("self", "cls"))
    ]
    plain = signature.replace(parameters=given, return_annotation=inspect.Signature.empty)
    return f"{name}{plain}"


def _text(one: Any, name: str) -> str:
    """Return a numpydoc docstring as Markdown."""
    text = inspect.getdoc(one) or ""
    if not text:
        raise ValueError(f"{name} has no docstring")
    head, *rest = _HEADING.split(text)
    parts = [_prose(head)]
    for title, body in zip(rest[::2], rest[1::2], strict=True):
        is_list = title in ("Parameters", "Attributes", "Returns", "Raises", "Yields")
        parts.append(f"**{title}**\n\n{_items(body) if is_list else _prose(body)}")
    return "\n\n".join(part for part in parts if part.strip()) + "\n"


def _items(text: str) -> str:
    """Return a list of what has names, types and descriptions."""
    lines = []
    for line in text.strip().splitlines():
        if line.startswith(" "):
            lines[-1] += " " + line.strip()
        elif line and (found := _ITEM.match(line)):
            kind = f" ({_plain(found[2])})" if found[2] else ""
            lines.append(f"- `{found[1]}`{kind}:")
    return "\n".join(_plain(line).removesuffix(":") for line in lines)


def _prose(text: str) -> str:
    """Return paragraphs, doctests as blocks."""
    parts = []
    for part in text.strip().split("\n\n"):
        example = part.find(">>> ")
        if part.startswith("    "):
            parts.append(f"```text\n{inspect.cleandoc(part)}\n```")
        elif example >= 0:
            parts.append(_plain(part[:example].strip()))
            parts.append(f"```pycon\n{part[example:]}\n```")
        else:
            parts.append(_plain(part))
    return "\n\n".join(part for part in parts if part)


def _plain(text: str) -> str:
    """Return text whose double back-quotes are single, as Markdown has them."""
    return text.replace("``", "`").removesuffix("::")


def main() -> None:
    """Write the page."""
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
