"""``kyori init``: what it prints is valid, and fits the file that it was shown."""

import gzip
from pathlib import Path

import pytest
from typer.testing import CliRunner

from detector.cli import app
from detector.config.load import load_text
from detector.config.models import Config
from detector.errors import KyoriError
from detector.registry import DISTANCES, sink_options, source_options


def invoke(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["init", *arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def valid(text: str, base: Path | None = None) -> Config:
    return load_text(text, "config.yaml", source_options(), sink_options(), DISTANCES, base=base, environ={})


def write_pumps(path: Path, rows: int = 200) -> Path:
    head = "time,pump,site name,unit_id,no,flow,Temp (C),label\n"
    lines = [
        f"2026-11-23T10:{n // 60:02}:{n % 60:02}Z,p{n % 4},north,7,{n},{n / 10},{20 - n / 100},{n % 2}\n"
        for n in range(rows)
    ]
    text = (head + "".join(lines)).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


def test_sample_is_valid(tmp_path: Path) -> None:
    config = valid(invoke(), tmp_path)
    assert config.sources["records"].options.model_dump()["paths"] == (f"{tmp_path}/in/*.csv",)
    assert config.state_dir == tmp_path / "state"


def uncommented(text: str, begin: str, end: str) -> str:
    """Return the sample with the lines from `begin` to `end` in force, in place of the file source."""
    lines = text.splitlines()
    source = lines.index("  records:")
    kept = [line for n, line in enumerate(lines) if not (source <= n <= source + 2)]
    first = next(n for n, line in enumerate(kept) if line.strip() == begin)
    last = next(n for n, line in enumerate(kept) if n > first and end in line)
    kept[first : last + 1] = [line.replace("# ", "", 1) for line in kept[first + 1 : last + 1]]
    return "\n".join(kept)


@pytest.mark.parametrize(
    ("begin", "end", "kind"),
    [
        ("# A log that grows, and is rotated:", "paths:", "tail"),
        ("# Messages of a broker; +site makes a label that a key can use:", "topics:", "mqtt"),
    ],
)
def test_commented_alternatives_are_valid(begin: str, end: str, kind: str) -> None:
    config = valid(uncommented(invoke(), begin, end))
    assert config.sources["records"].type == kind


@pytest.mark.parametrize("arguments", [("--from", "F"), ("--from", "csv", "F")])
def test_from_csv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    file = write_pumps(tmp_path / "pumps[1].csv")
    monkeypatch.chdir(tmp_path)
    text = invoke(*(str(file) if word == "F" else word for word in arguments))
    config = valid(text, Path("/elsewhere"))
    pipeline = config.pipelines["main"]
    assert pipeline.record.time is not None
    assert pipeline.record.time.field == "time"
    assert pipeline.key == "{pump}"
    assert [feature.name for feature in pipeline.record.features] == ["flow", "Temp (C)"]
    options = config.sources["records"].options.model_dump()
    assert options["paths"] == (f"{tmp_path}/pumps[[]1].csv",)
    assert options["format"] == ("csv" if "csv" in arguments else "auto")
    assert config.state_dir == tmp_path / "state"
    assert config.outputs["alerts"].options.model_dump()["path"] == tmp_path / "alerts.jsonl"
    assert "# - label" in text
    assert "4 among the records looked at" in text


def test_from_with_places_and_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_pumps(tmp_path / "pumps.csv.gz")
    monkeypatch.chdir(tmp_path)
    said = invoke("--from", str(file), "--state-dir", "st", "--alerts", "/var/a.jsonl", "--output", "c.yaml")
    assert said == ""
    config = valid((tmp_path / "c.yaml").read_text())
    assert config.state_dir == tmp_path / "st"
    assert config.outputs["alerts"].options.model_dump()["path"] == Path("/var/a.jsonl")
    assert config.pipelines["main"].key == "{pump}"
    with pytest.raises(KyoriError, match="exists already"):
        invoke("--output", "c.yaml")


def test_from_jsonl(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(
        "".join(f'{{"ts": {1e9 + n}, "device": "d{n % 2}", "x": {n}, "y": {n / 7}}}\n' for n in range(100))
    )
    config = valid(invoke("--from", "jsonl", str(file)))
    assert config.pipelines["main"].key == "{device}"
    assert [feature.name for feature in config.pipelines["main"].record.features] == ["x", "y"]


def test_a_column_with_many_values_is_no_key(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("id,note,x\n" + "".join(f"{n},n{n},{n % 7}.5\n" for n in range(100)))
    text = invoke("--from", str(file))
    config = valid(text)
    assert config.pipelines["main"].key == ""
    assert [feature.name for feature in config.pipelines["main"].record.features] == ["x"]


def test_a_decimal_comma_is_written_down_or_asked_about(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    lines = [f"p{n % 2};{n}.{n % 10:03},5;{n},25\n" if n else "p0;0,5;1,5\n" for n in range(100)]
    file.write_bytes(("Pumpe;Drehzahl;T °C\n" + "".join(lines)).encode("windows-1252"))
    options = valid(invoke("--from", str(file))).sources["records"].options.model_dump()
    wanted = {"decimal": ",", "thousands": ".", "encoding": "windows-1252"}
    assert {name: options[name] for name in wanted} == wanted
    file.write_text("a;b\n" + "".join(f"{n};1,{n:03}\n" for n in range(100)))
    with pytest.raises(KyoriError, match=r"column b: 1,000 may be .* set decimal: ',' or thousands: ','"):
        invoke("--from", str(file))


def test_number_names_the_sender(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("machine_id,x\n" + "".join(f"{n % 3},{n % 7}.5\n" for n in range(100)))
    assert valid(invoke("--from", str(file))).pipelines["main"].key == "{machine_id}"


def test_odd_names_are_quoted(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text('"a: b",no,"#x","0123",{y}\n' + "".join(f"{n},{n}.5,{n},{n},{n}\n" for n in range(30)))
    config = valid(invoke("--from", str(file)))
    assert [feature.name for feature in config.pipelines["main"].record.features] == [
        "a: b",
        "#x",
        "0123",
        "{y}",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--from", "csv"), "--from csv needs a FILE"),
        (("x.csv",), "what is 'x.csv' for?"),
        (("--from", "xls", "x"), "not 'xls'"),
    ],
)
def test_usage(
    arguments: tuple[str, ...], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["init", *arguments])
    assert done.exit_code == 2
    assert said in " ".join(done.output.split())


def test_unusable_files(tmp_path: Path) -> None:
    with pytest.raises(KyoriError, match="cannot be read"):
        invoke("--from", str(tmp_path / "none.csv"))
    (tmp_path / "words.csv").write_text("a,b\nx,y\nz,w\n")
    with pytest.raises(KyoriError, match="no numeric column"):
        invoke("--from", str(tmp_path / "words.csv"))
