"""The tutorial is true: its commands are run, in order, and print what the page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from itertools import zip_longest
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "tutorial.md").read_text()
STEP = re.compile(r"```sh\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
NUMBER = re.compile(r"(?<![\w.])-?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?(?![\w])")
DIGEST = re.compile(r"-[0-9a-f]{12}\b")
"""Of a metric's id: it tells machines apart whose arithmetic differs in the last digit."""
FREE = 0.02
"""How far silhouette, trustworthiness and the like may be from the page on another machine."""


def steps(page: str) -> list[tuple[str, str]]:
    """Commands, and what they are said to print."""
    return STEP.findall(page)


def numbers(line: str) -> list[float]:
    return [float(one) for one in NUMBER.findall(line)]


def words(line: str) -> list[str]:
    return NUMBER.sub("#", DIGEST.sub("", line)).split()


def exact(line: str) -> list[str]:
    """The figures of a line that must be as they stand: accuracies, and all that is counted."""
    table = re.match(r"(?:raw|standardised|whitened|mmc) +(\d+ +\.\d+)", line)
    said = re.findall(r"3-NN accuracy (\d\.\d+)", line)
    learner = re.match(r"(?:mmc|standardize only|covariance \(whiten\)) +(\.\d+)", line)
    counts = re.findall(r"\d+ of \d+|ellipse \d+", line)
    return [*(match[1] for match in (table, learner) if match), *said, *counts]


def differences(said: str, printed: str) -> list[str]:
    """Lines that are not what was printed."""
    wrong = []
    for claim, truth in zip_longest(said.splitlines(), printed.splitlines(), fillvalue=""):
        same = words(claim) == words(truth) and exact(claim) == exact(truth)
        pairs = zip(numbers(claim), numbers(truth), strict=False)
        if not same or any(abs(a - b) > FREE * max(1.0, abs(b)) for a, b in pairs):
            wrong.append(f"the page: {claim}\nprinted:  {truth}")
    return wrong


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """What each step of the page is said to print, and what it does print."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "bin").mkdir()
    (folder / "bin" / "kyori").write_text(f'#!/bin/sh\nexec {sys.executable} -m detector.cli "$@"\n')
    (folder / "bin" / "kyori").chmod(0o755)
    (folder / "work").mkdir()
    environ = os.environ | {
        "PYTHONPATH": str(ROOT),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONIOENCODING": "utf-8",
        "LC_ALL": "C",
    }
    found = []
    for commands, said in steps(PAGE):
        done = subprocess.run(
            ["sh", "-e", "-c", commands], cwd=folder / "work", env=environ, capture_output=True, text=True,
            check=False, timeout=200, encoding="utf-8",
        )  # fmt: skip
        assert done.returncode == 0, f"{commands}{done.stderr}"
        found.append((said, done.stdout))
    assert (folder / "work" / "tutorial.report.html").is_file()
    return found


def test_every_command_prints_what_the_page_says(outputs: list[tuple[str, str]]) -> None:
    assert len(outputs) >= 8
    wrong = [line for said, printed in outputs for line in differences(said, printed)]
    assert not wrong, "\n".join(wrong)


def test_a_page_with_another_figure_is_told(outputs: list[tuple[str, str]]) -> None:
    """The control of the test above: an accuracy, a count, a word, and a line too many."""
    said, printed = max(outputs, key=lambda pair: "trustworthiness" in pair[0])
    assert not differences(said, printed)
    for old, new, lines in (
        ("           .970", "           .960", 1),
        ("has 3-NN accuracy 0.970", "has 3-NN accuracy 0.971", 1),
        ("11 of 65", "12 of 65", 1),
        ("ellipse 2", "ellipse 3", 2),
        ("not promoted", "promoted", 1),
        (".709", ".809", 1),
    ):
        assert old in said
        assert len(differences(said.replace(old, new), printed)) == lines
    assert differences(said + "more\n", printed) == ["the page: more\nprinted:  "]


def test_figures_in_sentences_stand_in_an_output_too() -> None:
    prose = STEP.sub("", PAGE)
    prose, _, rest = prose.partition("<!-- made by")
    table, _, after = rest.partition("<!-- end -->")
    shown = set(re.findall(r"\.\d{3}\b", "".join(said for _, said in steps(PAGE))))
    quoted = set(re.findall(r"\.\d{3}\b", prose))
    assert {".468", ".980", ".970"} <= quoted <= shown
    assert table.count("\n|") >= 16
    assert not re.findall(r"\.\d{3}\b", after)


def test_the_pictures_show_the_same_figures() -> None:
    """They are drawn by docs/img/make_tutorial.py; t-SNE's places differ between machines, figures hardly."""
    reported = next(said for _, said in steps(PAGE) if "trustworthiness" in said)
    folder = ROOT / "docs" / "img"
    texts = {
        name: [one.text for one in ET.parse(folder / f"tutorial-{name}.svg").iter() if one.text]  # noqa: S314
        for name in ("tsne", "rings", "metric")
    }
    for name in ("raw", "standardised", "mmc"):
        row = re.search(rf"^{name} +\d +(\.\d+) +(-?\.\d+) +(\.\d+)$", reported, re.MULTILINE)
        assert row is not None
        assert set(row.groups()) <= set(texts["tsne"])
    for circle, others, ellipse in re.findall(r"takes in (\d+) of (\d+) others, the ellipse (\d+)", reported):
        assert f"{circle} of {others} others in" in texts["rings"]
        assert f"{ellipse} of {others} others in" in texts["rings"]
    assert "rank 1 of 5, condition 1" in texts["metric"]
    for name in texts:
        assert f"img/tutorial-{name}.svg" in PAGE
