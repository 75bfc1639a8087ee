"""The frame: what starts quickly, exit codes, and silence where a pipe breaks."""

import atexit
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from detector import cli
from detector.errors import ConfigError, KyoriError, Problem, SourceError, StateInUse

KYORI = [sys.executable, "-m", "detector.cli"]


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    environ = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        [*KYORI, *arguments], capture_output=True, text=True, cwd=cwd, env=environ, check=False
    )


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom detector.cli import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        "heavy = ('numpy', 'numba', 'pydantic', 'scipy', 'paho', 'structlog')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")
    assert "Commands:" in done.stdout


@pytest.mark.parametrize("verb", [command.name for command in cli.app.registered_commands])
def test_every_verb_has_examples(verb: str) -> None:
    done = CliRunner().invoke(cli.app, [verb, "--help"])
    assert done.exit_code == 0
    assert "Examples:\n" in done.output
    assert f"  kyori {verb}" in done.output


def test_exit_codes_of_the_real_program(tmp_path: Path) -> None:
    assert run("version").returncode == 0
    usage = run("nonsense")
    assert usage.returncode == 2
    assert "No such command 'nonsense'" in usage.stderr
    wrong = run("validate", "none.yaml", cwd=tmp_path)
    assert wrong.returncode == 78
    assert wrong.stderr.startswith("none.yaml: cannot be read")
    assert wrong.stdout == ""


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (ConfigError([Problem("a.b", "is wrong", "mend it", 3), Problem("c", "too")], "f"), 78,
         "f:3: a.b: is wrong (mend it)\nf: c: too\n"),
        (StateInUse("state is in use"), 3, "kyori: state is in use\n"),
        (SourceError("no broker"), 1, "kyori: no broker\n"),
        (KyoriError("no"), 1, "kyori: no\n"),
        (KeyboardInterrupt(), 130, ""),
        (typer.Exit(5), 5, ""),
    ],
)  # fmt: skip
def test_exit_code(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    app = typer.Typer()

    @app.command()
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", app)
    monkeypatch.setattr(sys, "argv", ["kyori"])
    monkeypatch.setattr(atexit, "register", lambda leave: None)  # it would end pytest
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == code
    assert capsys.readouterr().err.strip("\n") == said.strip("\n")


@pytest.mark.parametrize(
    ("last", "code"), [("pass", 0), ("raise SystemExit(5)", 5), ("raise RuntimeError", 1)]
)
def test_all_is_written_and_done_before_the_process_ends(last: str, code: int) -> None:
    lines = (
        "import atexit, threading, time",
        "from detector import cli",
        "def app(**_):",
        "    threading.Thread(target=lambda: (time.sleep(0.1), print('thread'))).start()",
        "    atexit.register(lambda: print('registered'))",
        "    print('said')",
        f"    {last}",
        "cli.app = app",
        "cli.main()",
    )
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [sys.executable, "-c", "\n".join(lines)]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    assert done.stdout.splitlines() == ["said", "thread", "registered"]
    assert done.returncode == code
    assert ("RuntimeError" in done.stderr) == (code == 1)


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(atexit, "register", lambda leave: None)
    with pytest.raises(SystemExit) as done:
        cli.main()
    assert done.value.code == 1
    assert "does not run on Windows" in capsys.readouterr().err


def test_broken_pipe_is_quiet() -> None:
    command = f"{sys.executable} -m detector.cli init | true"
    done = subprocess.run(
        ["bash", "-c", f"sleep 0.1; {command}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_version() -> None:
    done = CliRunner().invoke(cli.app, ["version"])
    assert done.output.startswith("kyori ")
    about = json.loads(CliRunner().invoke(cli.app, ["version", "--json"]).output)
    assert {"kyori", "python", "numpy", "pydantic"} <= about.keys()
