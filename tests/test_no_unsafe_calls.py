"""P33, P37, P38: nothing in kyori makes code, a shell command, a format or a pattern out of data."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from tests.unsafe import faults

HOME = Path(__file__).parents[1]
TABLES = {
    "connectors/logs/clock.py": {"re.compile"},  # of a table of literals, and escaped text
    "connectors/logs/pattern.py": {"re.compile"},  # checked first
    "detector/cli/completion.py": {"shell=shell.value"},  # the name of one, for typer
    "detector/config/scalars.py": {"re.compile", "re.search"},  # of a table of literals, in the same file
}


@pytest.mark.parametrize("package", ["detector", "connectors"])
def test_no_module_makes_code_a_format_or_a_pattern_out_of_data(package: str) -> None:
    files = sorted((HOME / package).rglob("*.py"))
    assert len(files) > 20
    found = [
        f"{name}:{fault}"
        for file in files
        for name in [str(file.relative_to(HOME))]
        for fault in faults(file.read_text())
        if fault.split()[1] not in TABLES.get(name, ())
    ]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle",
        "from joblib import load",
        "import os, shelve",
        "from marshal import loads as read",
        "eval(text)",
        "exec(text, {})",
        "__import__(name)",
        "compile(text, '', 'exec')",
        "np.load(path)",
        "np.load(path, allow_pickle=False)",
        "read(path, allow_pickle=True)",
        "read(path, allow_pickle=trusted)",
        "yaml.load(text, Loader=yaml.Loader)",
        "YAML()",
        "YAML(typ='unsafe')",
        "os.system(command)",
        "subprocess.run(command, shell=True)",
        "subprocess.run(command, shell=wanted)",
        "message.format(alert)",
        "alert.message.format_map(fields)",
        "str.format(text, 1)",
        "text % (a, b)",
        "settings.text % {'a': 1}",
        "re.compile(pattern)",
        "re.sub(settings.pattern, '', text)",
        "re.fullmatch(f'{prefix}.*', text)",
    ],
)
def test_an_unsafe_call_is_found(text: str) -> None:
    assert faults(text)


@pytest.mark.parametrize(
    "text",
    [
        "import json",
        "np.load",
        "YAML(typ='safe', pure=True)",
        "'{} of {}'.format(a, b)",
        "FRAME.format(x=1)",
        "'%s' % (a,)",
        "a % b",
        "re.compile(r'a+')",
        "re.compile(rf'{ALGORITHM}-[0-9]')",
        "re.fullmatch(NAME_PATTERN, value)",
        "write_array(file, X, allow_pickle=False)",
        "model.compile(options)",
    ],
)
def test_a_safe_call_is_not(text: str) -> None:
    assert faults(text) == []


def test_ruff_looks_for_the_rest() -> None:
    settings = tomllib.loads((HOME / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in settings["select"]
    assert not [rule for rule in settings["ignore"] if rule.startswith("S") and not rule.startswith("SIM")]
