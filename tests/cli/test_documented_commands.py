"""Commands in the documentation exist: verbs, their options, and targets of make."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer.main

from detector import cli

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted(ROOT.glob("examples/**/README.md")),
]
GROUP = typer.main.get_command(cli.app)


def lines(kind: str = "") -> list[tuple[str, str]]:
    """Every line of a block of shell (or text) of the documentation, and every `command` in a sentence."""
    found = []
    for page in PAGES:
        text = page.read_text()
        for language, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL):
            if language in ("", "sh", "shell", "bash", "console"):
                found += [(page.name, line.removeprefix("$ ")) for line in block.splitlines()]
        found += [(page.name, line) for line in re.findall(r"`((?:kyori|make) [^`]*)`", text)]
    return [(page, line) for page, line in found if re.search(rf"(^|[|;&] *){kind} ", line)]


def commands() -> list[object]:
    found = {}
    for page, line in lines("kyori"):
        text = re.sub(r"^.*?(?=\bkyori )", "", line)
        found[text] = pytest.param(text, id=f"{page}: {text[:50]}")
    return list(found.values())


@pytest.mark.parametrize("command", commands())
def test_the_verb_and_its_options_exist(command: str) -> None:
    words = shlex.split(re.split(r" [|>&<]|\s#", command)[0].replace("'", "") or command)
    verb, *rest = words[1:]
    assert verb in GROUP.commands or verb in ("--help", "-h")  # type: ignore[attr-defined]
    if verb in GROUP.commands:  # type: ignore[attr-defined]
        known = GROUP.commands[verb]  # type: ignore[attr-defined]
        if rest and hasattr(known, "commands"):  # as `kyori metric learn`
            assert rest[0] in known.commands
            known = known.commands[rest[0]]
        options = {name for one in known.params for name in one.opts}
        named = {word.partition("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert named <= options | {"--help", "-h"}


def test_the_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert targets >= {"run", "test", "check"}
    missing = [(page, line) for page, line in lines("make") if line.split()[1].strip(".,;") not in targets]
    assert missing == []


def test_the_extras_that_are_named_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {extra for page in PAGES for extra in re.findall(r"(?:\.|kyori)\[([a-z]+)\]", page.read_text())}
    assert named <= set(known)
