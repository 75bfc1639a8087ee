"""The controls fit the code as it is, and the one that tries them tells red from green."""

from __future__ import annotations

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from tests.controls.control import ROOT, Control, attempt, read

CONTROLS = read()


def test_every_tested_promise_has_one() -> None:
    table = (ROOT / "docs" / "promises.md").read_text()
    tested = set(re.findall(r"^\| (P\d+) \|[^|]*\| (?:tested|partly)", table, flags=re.MULTILINE))
    assert len(tested) > 30
    assert tested - {control.promise for control in CONTROLS} == set()


@pytest.mark.parametrize("control", CONTROLS, ids=[f"{one.promise}-{one.breaks}" for one in CONTROLS])
def test_it_fits(control: Control, tmp_path: Path) -> None:
    copy = tmp_path / control.file
    copy.parent.mkdir(parents=True)
    copy.write_text((ROOT / control.file).read_text())
    control.apply(tmp_path)
    if copy.suffix == ".py":
        compile(copy.read_text(), control.file, "exec")
    assert control.old != control.new
    path, _, name = control.test.partition("::")
    named = {node.name for node in ast.walk(ast.parse((ROOT / path).read_text())) if hasattr(node, "name")}
    assert {re.sub(r"\[.*", "", part) for part in name.split("::") if part} <= named | {"TestLog"}


def test_red_is_told_from_green() -> None:
    control = next(one for one in CONTROLS if one.promise == "P34")
    assert attempt(control).red
    harmless = dataclasses.replace(control, new=control.old)
    assert not attempt(harmless).red
    missing = dataclasses.replace(control, test="tests/config/test_yaml.py::test_there_is_no_such_test")
    assert not attempt(missing).red
