"""What must be there before Spark can start, and what is said when it is not. No Spark starts here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector import cli
from detector.engines import job as jobs
from detector.engines import session
from detector.errors import KyoriError
from tests.spark import devices


def java(folder: Path, said: str) -> None:
    """A program of that name."""
    program = folder / "bin" / "java"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\necho '{said}' >&2\n")
    program.chmod(0o755)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ('openjdk version "11.0.2" 2019-01-15', "there is Java 11"),
        ('java version "1.8.0_1"', "there is Java 8"),
    ],
)
def test_an_old_java_is_told(said: str, found: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tmp_path, said)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(KyoriError, match=f"{found}.*apt-get install openjdk-17-jre-headless.*JAVA_HOME"):
        session.check_installed()


def test_no_java_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(KyoriError, match="there is no Java"):
        session.check_installed()


def test_a_newer_java_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    java(tmp_path, 'openjdk version "21" 2023-09-19')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    session.check_installed()


@pytest.mark.parametrize("package", ["pyspark", "pandas", "google"])
def test_a_missing_extra_is_told(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    known = session.lacking
    monkeypatch.setattr(
        session, "lacking", lambda name, *rest: known("no_such" if name == package else name, *rest)
    )
    with pytest.raises(KyoriError, match=r"pip install 'kyori\[spark\]'"):
        session.check_installed()


def test_help_imports_no_spark() -> None:
    code = (
        "import sys\nfrom detector.cli import app\n"
        "for args in (['--help'], ['spark', '--help']):\n"
        "    try: app(args)\n    except SystemExit: pass\n"
        "print([name for name in ('pyspark', 'pandas', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("\n[]\n")


def test_a_worker_gets_one_thread_and_the_place_for_compiled_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", "/var/cache/numba")
    options = session._options("spark://head:7077", 32)
    assert options["spark.executorEnv.OMP_NUM_THREADS"] == "1"
    assert options["spark.executorEnv.NUMBA_CACHE_DIR"] == "/var/cache/numba"
    assert options["spark.sql.shuffle.partitions"] == "32"
    assert "RocksDB" in options["spark.sql.streaming.stateStore.providerClass"]
    assert "spark.driver.host" not in options


def told(*arguments: str) -> str:
    done = CliRunner().invoke(cli.app, ["spark", *arguments])
    assert done.exit_code != 0
    return str(done.exception) if isinstance(done.exception, KyoriError) else done.output


def test_wrong_usage_is_told(tmp_path: Path) -> None:
    devices.write(tmp_path)
    at = [f"--{name}={tmp_path / name}" for name in ("checkpoint", "output")]
    given = [*at, "--order-by=seq", f"--input={tmp_path / 'spark'}"]
    assert "missing: --checkpoint, --input, --output, --order-by" in told()
    assert "Give --key, or --config" in told(*given)
    assert "there is no column 'device'; it has: dev, seq" in told(*given, "--key=device")
    assert "has no *.jsonl yet" in told(*at, "--order-by=seq", f"--input={tmp_path}", "--key=dev")
    config = f"--config={tmp_path / 'config.yaml'}"
    assert "has key: '{dev}'" in told(*given, config, "--key=seq")
    assert "is no checkpoint of kyori spark" in told(*at, config, f"--export={tmp_path}")


def test_without_a_configuration_the_columns_are_the_features(tmp_path: Path) -> None:
    devices.write(tmp_path)
    settings = jobs.settings_of(tmp_path / "spark", "dev", "seq", None)
    assert settings.key == "{dev}"
    assert sorted(settings.layout.numbers) == ["current", "flow", "pressure"]


def test_a_checkpoint_of_something_else_is_left_alone(tmp_path: Path) -> None:
    devices.write(tmp_path)
    job = devices.job(tmp_path, "local[1]")
    (job.checkpoint / "offsets").mkdir(parents=True)
    with pytest.raises(KyoriError, match="not empty, and not of kyori"):
        jobs.begin(job)


def test_a_checkpoint_goes_on_as_it_began(tmp_path: Path) -> None:
    """Also where the seed has changed meanwhile, and after an end between seed and note."""
    devices.write(tmp_path, [0])
    devices.daemon(tmp_path)
    job = devices.job(tmp_path, "local[1]", seed=tmp_path / "state")
    begun = jobs.begin(job)
    (job.checkpoint / "kyori.job").unlink()
    assert jobs.begin(job) == begun
    (tmp_path / "state" / "plant.db").unlink()
    assert jobs.begin(job) == begun
