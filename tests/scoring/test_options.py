"""What is scored, how it is chosen, and what is said when that cannot be."""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from detector.errors import KyoriError
from tests.scoring.help import KYORI, csv_text, run, score, stream

DATA = Path(__file__).parents[3] / "shared" / "data"
CONFIG = """
version: 1
pipelines:
  p: {sources: [s], outputs: [o], record: {time: time, features: [b, c]}, detector: {distance: euclidean}}
  q: {sources: [t], outputs: [o], record: {time: time, features: [a]}}
sources: {s: {type: stdin}, t: {type: file, paths: [x.csv]}}
outputs: {o: {type: stdout}}
"""


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "in[1] *?.csv"  # a name, and no pattern
    made.write_text(csv_text(stream()))
    (tmp_path / "in1 xx.csv").write_text("a\n1\n")
    return made


def scores(rows):
    return [row["score"] for row in rows]


def test_the_columns_named_are_used(file, tmp_path):
    whole = score(file, tmp_path / "out.csv")
    assert len(whole) == 400
    assert scores(score(file, tmp_path / "out.csv", features="a, b,c")) == scores(whole)
    assert scores(score(file, tmp_path / "out.csv", features="a,b")) != scores(whole)
    assert scores(score(file, tmp_path / "out.csv", features="a,b,c,time")) != scores(whole)
    other = tmp_path / "other.csv"
    other.write_text(file.read_text().replace("time", "when"))
    assert scores(score(other, tmp_path / "out.csv", time="when")) == scores(whole)


def test_labels_are_left_out_with_a_notice(file, tmp_path):
    lines = file.read_text().splitlines()
    labelled = tmp_path / "labelled.csv"
    labelled.write_text(
        "\n".join([lines[0] + ",anomaly", *(f"{line},{i % 2}" for i, line in enumerate(lines[1:]))])
    )
    expected = scores(score(file, tmp_path / "out.csv"))
    with capture_logs() as log:
        assert scores(score(labelled, tmp_path / "out.csv")) == expected
    (notice,) = [line for line in log if line["event"] == "label_columns_left_out"]
    assert notice["columns"] == ("anomaly",)
    with capture_logs() as log:
        assert scores(score(labelled, tmp_path / "out.csv", features="a,b,c,anomaly")) != expected
    assert not log


@pytest.mark.parametrize("option", ["key", "time", "features"])
def test_a_column_that_is_not_there_is_told_with_those_that_are(file, tmp_path, option):
    with pytest.raises(KyoriError, match=r"there is no column 'nope'; it has: time, a, b, c"):
        score(file, tmp_path / "out.csv", **{option: "nope"})
    assert not (tmp_path / "out.csv").exists()


def test_a_configuration_says_how_to_score(file, tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG)
    p, q = (score(file, tmp_path / "out.csv", config=config, pipeline=name) for name in "pq")
    assert scores(q) == scores(score(file, tmp_path / "out.csv", features="a"))
    assert scores(p) != scores(score(file, tmp_path / "out.csv", features="b,c"))
    with pytest.raises(KyoriError, match=r"several pipelines; choose one: --pipeline p\|q"):
        score(file, tmp_path / "out.csv", config=config)
    with pytest.raises(KyoriError, match="has no pipeline r; it has: p, q"):
        score(file, tmp_path / "out.csv", config=config, pipeline="r")
    with pytest.raises(KyoriError, match="leave them out with --config"):
        score(file, tmp_path / "out.csv", config=config, pipeline="p", features="a")


def test_a_history_is_learned_first(file, tmp_path):
    """The configuration's, or the one that is given: every row has a level then."""
    config, old = tmp_path / "config.yaml", tmp_path / "old.csv"
    old.write_text(csv_text(stream()))
    cold = run(file, "--features", "a,b")
    warm = run(file, "--features", "a,b", "--warmup-from", old)
    config.write_text(
        CONFIG.replace("features: [a]}", "features: [a, b]}, detector: {warmup: {from: old.csv}}")
    )
    same = run(file, "--config", config, "--pipeline", "q")
    assert (warm.stderr, warm.returncode) == (b"", 0)
    assert warm.stdout == same.stdout
    levels = [line.split(b",")[3] for line in warm.stdout.splitlines()[1:]]
    assert len(levels) == 400
    assert all(levels)
    assert b",,,0," in cold.stdout.splitlines()[1]
    told = run(file, "--warmup-from", tmp_path / "none.csv")
    assert told.returncode == 1
    assert told.stderr.startswith(b"kyori: --warmup-from: ")
    assert b"none.csv: there is no such file; give a CSV" in told.stderr


@pytest.mark.parametrize(
    ("name", "output", "said"),
    [
        ("none.csv", "out.csv", "none.csv: no such file"),
        (".", "out.csv", ": not a regular file; pipe it into: kyori score -"),
        ("in.csv", "none/out.csv", "none/out.csv: cannot be written: No such file or directory"),
        ("in.csv", "/dev/full", "/dev/full: cannot be written: No space left on device"),
    ],
)
def test_what_cannot_be_read_or_written_is_told(tmp_path, name, output, said):
    (tmp_path / "in.csv").write_text("a\n1\n")
    with pytest.raises(KyoriError) as told:
        score(tmp_path / name, tmp_path / output)
    assert str(told.value).endswith(said)


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path):
    (tmp_path / "in.csv").write_text("a,b\n" + "1,2\n2,3\n" * 50_000)
    with subprocess.Popen(
        [*KYORI, tmp_path / "in.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as kyori:
        assert kyori.stdout is not None
        assert kyori.stderr is not None
        assert kyori.stdout.readline() == b"time,key,score,level,p,anomaly,top\n"
        kyori.stdout.close()
        assert kyori.stderr.read() == b""
        assert kyori.wait(60) == 1


def test_a_full_disk_behind_standard_output_is_told(file):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*KYORI, file], stdout=full, stderr=subprocess.PIPE, check=False, timeout=60)
    assert done.returncode == 1
    assert done.stderr == b"kyori: standard output: cannot be written: No space left on device\n"


def test_progress_is_drawn_on_a_terminal_only(file, tmp_path):
    quiet = run(file, "--output", tmp_path / "out.csv")
    assert (quiet.returncode, quiet.stderr, quiet.stdout) == (0, b"", b"")
    master, terminal = pty.openpty()
    with subprocess.Popen([*KYORI, file, "--output", tmp_path / "out2.csv"], stderr=terminal) as kyori:
        os.close(terminal)
        shown = b""
        while part := read(master):
            shown += part
        assert kyori.wait(60) == 0
    os.close(master)
    assert b"rows" in shown
    assert (tmp_path / "out2.csv").read_bytes() == (tmp_path / "out.csv").read_bytes()


def read(terminal: int) -> bytes:
    try:
        return os.read(terminal, 4096)
    except OSError:  # closed at the other end
        return b""


@pytest.mark.parametrize("group", ["adbench", "asd", "logs", "msl", "nab", "skab", "smap", "smd"])
def test_a_file_of_each_public_group_is_scored(tmp_path, group):
    files = sorted(path for path in (DATA / group).rglob("*") if path.suffix in (".csv", ".npz"))
    if not files:
        pytest.skip(f"there is no public data beside the repository for {group}")
    smallest = min(files, key=lambda path: path.stat().st_size)
    got = score(smallest, tmp_path / "out.csv")
    assert len(got) > 100
    assert all(row["score"] == "" or float(row["score"]) >= 0 for row in got)
    if smallest.suffix == ".csv":
        assert len(got) == len(smallest.read_text().splitlines()) - 1
