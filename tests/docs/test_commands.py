"""The documentation is run: its commands, its Python, and every configuration or part of one.

What cannot be run is marked in the page with its reason (`tests.docs.blocks`) and is a test that is skipped
for it.
"""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from detector.cli.validate import validate
from detector.errors import ConfigError
from detector.metric import archive
from detector.metric.learners import learn
from tests.brokers import MOSQUITTO, Broker
from tests.docs.blocks import PAGES, ROOT, Block, blocks, documented
from tests.docs.fragments import whole
from tests.docs.shell import Shell, forking

WRITTEN = {
    "README.md": ("out/scores.csv", "out/alerts.jsonl", "out/p.svg", "points.npz"),
    "docs/quickstart.md": ("alerts.jsonl", "examples/state/labels.jsonl"),
    "docs/guide-history.md": ("history.svg",),
    "docs/guide-mqtt.md": ("plant.yaml",),
}
"""What must be there, and not empty, when the commands of a page have run."""
ELSEWHERE = {
    "docs/tutorial.md": "tests/docs/test_tutorial.py",  # which also looks at what is printed
    "docs/waveforms.md": "tests/docs/test_waveforms.py",
    "docs/extending.md": "tests/docs/test_extending.py",
    "docs/api.md": "tests/web/test_api_docs.py",
}
KINDS = {"sh", "pycon", "python", "yaml", "json", "toml", "text"}
"""What a block may be; `text` is output, or of another program; doctests are run where they come from."""
_FILE = re.compile(r"\$\{file:([^}]+)\}")
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_SECRET = "0123456789abcdef" * 2
_URL = "https://example.com/hook"
_SECRETS = {"slack-url": "https://hooks.slack.com/services/T0/B0/x", "teams-url": "json://example.com/"}


def pages() -> dict[str, list[Block]]:
    """The pages with commands."""
    found: dict[str, list[Block]] = {}
    for block in documented("sh", "python"):
        if block.page not in ELSEWHERE:
            found.setdefault(block.page, []).append(block)
    return found


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with forking(tmp_path_factory.mktemp("docs")) as folder:
        yield folder


def ran(shell: list[Block], folder: Path, commands: Path) -> str:
    """Run the blocks, with a broker if one is spoken to."""
    broker = None
    if any(re.search(r"mqtt://localhost|mosquitto_", block.text + block.first) for block in shell):
        if MOSQUITTO is None:
            pytest.skip("needs mosquitto: apt-get install mosquitto mosquitto-clients")
        broker = Broker(folder / "broker").start()
    try:
        return Shell(folder / "place", commands, broker).run(shell)
    finally:
        if broker is not None:
            broker.kill()


@pytest.mark.parametrize("page", pages())
def test_commands(page: str, tmp_path: Path, commands: Path) -> None:
    shell = [block for block in pages()[page] if block.language == "sh" and not block.not_run]
    if shell:
        ran(shell, tmp_path, commands)
    for file in WRITTEN.get(page, ()):
        assert (tmp_path / "place" / file).stat().st_size > 0


@pytest.mark.parametrize(
    "page", [page for page, parts in pages().items() if "python" in {b.language for b in parts}]
)
def test_python(page: str) -> None:
    namespace: dict[str, object] = {}
    for block in pages()[page]:
        if block.language == "python" and not block.not_run:
            exec(compile(block.text, str(block), "exec"), namespace)  # noqa: S102 - ours, out of the docs


def validated(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`kyori validate` of a configuration or a part of one, with the secrets that it names."""
    for name in _VARIABLE.findall(text):
        monkeypatch.setenv(name, _URL if "URL" in name else _SECRET)
    for name in _FILE.findall(text):
        text = text.replace(f"${{file:{name}}}", f"${{file:{folder / Path(name).name}}}")
        (folder / Path(name).name).write_text(_SECRETS.get(name, _URL if "url" in name else _SECRET))
        (folder / Path(name).name).chmod(0o600)
    (folder / "history").mkdir(exist_ok=True)
    shutil.copy(ROOT / "examples" / "pumps.csv", folder / "history")
    if "pumps.npz" in text:
        rows = np.random.default_rng(0).normal(size=(20, 2))
        metric = learn("standardize", rows, None, ("flow", "pressure"))
        (folder / "pumps.npz").write_bytes(archive.to_bytes(metric))
    with (folder / "config.yaml").open("w") as file:
        YAML(typ="safe").dump(whole(text), file)
    (folder / "config.yaml").chmod(0o600)
    validate(folder / "config.yaml")


@pytest.mark.parametrize("block", [one for one in documented("yaml") if not one.not_run], ids=str)
def test_configurations(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    validated(block.text, tmp_path, monkeypatch)


@pytest.mark.parametrize("block", documented("json", "toml"), ids=str)
def test_data(block: Block) -> None:
    if block.language == "toml":
        assert tomllib.loads(block.text)
    else:
        assert [json.loads(line) for line in block.text.splitlines()]


def test_every_block_says_what_it_is() -> None:
    assert [str(block) for block in documented() if block.language not in KINDS] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_mark_stands_before_a_block(page: Path) -> None:
    text = page.read_text()
    marked = [block for block in blocks(text, page.name) if block.not_run or block.first]
    assert text.count("<!-- not run") + text.count("<!-- first") == len(marked)


@pytest.mark.parametrize("block", [one for one in documented() if one.not_run], ids=str)
def test_not_run(block: Block) -> None:
    """Each block that is not run is seen in the report, with its reason."""
    assert block.not_run.startswith("needs ")
    pytest.skip(block.not_run)


def test_most_is_run() -> None:
    shell = documented("sh")
    left_out = [block for block in shell if block.not_run]
    assert len(shell) > 20
    assert len(left_out) < len(shell) * 2 / 5, [str(block) for block in left_out]
    for page, test in ELSEWHERE.items():
        assert Path(page).name in (ROOT / test).read_text()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("kyori validate no.yaml", "no.yaml"),
        ("kyori features examples/pumps.csv --no-such-option", "No such option"),
        ("kyori score examples/pumps.csv --key pump > out.csv\ngrep -q bearing out.csv", "exit code 1"),
        ("printf 'version: 1' > a.yaml\nkyori run a.yaml", "exit code 78"),
        ("python -c 'import no_such_module'", "no_such_module"),
    ],
)
def test_a_wrong_command_is_found(wrong: str, said: str, tmp_path: Path, commands: Path) -> None:
    """Negative control."""
    page = f"```sh\nkyori version\n```\n\n```sh\n{wrong}\n```\n"
    with pytest.raises(AssertionError, match=re.escape(said)) as failed:
        ran(blocks(page, "page"), tmp_path, commands)
    assert "at page:5" in str(failed.value)


@pytest.mark.parametrize(
    "wrong",
    [
        "detector: {distance: mahalanobi}",
        "record: {features: [flow], stale_afer: 5m}",
        "plant: {type: mqtt, url: 'mqtt://broker', topics: {'plant/#': 2}}",
        "outputs: {file: {type: file}}",
        "detectors: {}",
    ],
)
def test_a_wrong_configuration_is_found(wrong: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control."""
    with pytest.raises((ConfigError, ValueError)):
        validated(wrong, tmp_path, monkeypatch)
