"""The protocol: which rows are only learned, and which half a file is in."""

import json
from pathlib import Path

import numpy as np

from benchmarks.accuracy import bundled, data


def test_halves_are_fixed_whatever_order_files_are_found_in():
    names = ["valve1_3", "other_10", "other_9", "valve1_11"]
    fixed = {"other_10": "A", "other_9": "B", "valve1_11": "A", "valve1_3": "B"}
    assert data.halves(names) == data.halves(names[::-1]) == fixed


def test_skab_learns_400_rows_and_leaves_out_the_file_without_labels(tmp_path: Path):
    folder = tmp_path / "skab"
    folder.mkdir()
    rows = [f"2020-03-09 10:{i // 60:02d}:{i % 60:02d},{i},{-i},{float(i >= 410)},0.0" for i in range(420)]
    (folder / "a.csv").write_text("\n".join(["datetime,x,y,anomaly,changepoint", *rows]))
    (folder / "free.csv").write_text("datetime,x,y\n2020-03-09 10:00:00,1,2\n")
    (one,) = data.load(tmp_path, "skab")
    assert (one.name, one.warm, one.X.shape, one.y.sum(), one.half) == ("a", 400, (420, 2), 10, "A")
    assert one.X[7].tolist() == [7, -7]
    assert one.time[61] - one.time[0] == 61


def test_the_last_1000_rows_of_the_training_part_come_first(tmp_path: Path):
    folder = tmp_path / "smap"
    folder.mkdir()
    X = np.arange(6_000.0)[:, None]
    np.savez(folder / "a.npz", X_train=-X[:1_500], X=X, y=np.arange(6_000) >= 5_990)
    (one,) = data.load(tmp_path, "smap")
    assert one.warm == 1_000
    assert one.X[[0, 999, 1_000, 1_001, -1], 0].tolist() == [-500, -1_499, 0, 2, 5_998]  # every second row
    assert one.y.sum() == 5
    assert not one.y[: one.warm].any()


def test_nab_has_windows_and_a_probationary_period(tmp_path: Path):
    folder = tmp_path / "nab" / "some"
    folder.mkdir(parents=True)
    stamps = [f"2014-07-01 {i // 60:02d}:{i % 60:02d}:00" for i in range(100)]
    (folder / "a.csv").write_text("\n".join(["timestamp,value", *(f"{t},{i}" for i, t in enumerate(stamps))]))
    windows = {"some/a.csv": [[f"{stamps[50]}.000000", f"{stamps[59]}.000000"]], "some/kept_back.csv": []}
    (tmp_path / "nab" / "combined_windows.json").write_text(json.dumps(windows))
    (one,) = data.load(tmp_path, "nab")
    assert (one.warm, one.windows) == (15, ((50, 59),))
    assert np.flatnonzero(one.y).tolist() == list(range(50, 60))
    assert one.first(40).windows == ((50, 54),)
    assert one.first(20).windows == ()


def test_tables_are_shuffled_alike_every_time():
    X, y = np.arange(3_000.0)[:, None], np.arange(3_000) < 30
    one, again = (data.table("adbench", "a", X, y) for _ in range(2))
    assert (len(one.X), one.warm) == (2_000, 200)
    assert (one.X == again.X).all()
    assert one.X[:, 0].tolist() != sorted(one.X[:, 0].tolist())
    assert (one.y == (one.X[:, 0] < 30)).all()


def test_what_is_missing_is_left_out(tmp_path: Path):
    assert data.load(tmp_path, "smd") == []


def test_the_bundled_server_has_its_incidents():
    (one,) = bundled.load("server")
    edges = np.diff(np.concatenate([[0], one.y.astype(int), [0]]))
    assert (edges == 1).sum() == 4
    assert not one.y[: one.warm].any()


def test_the_bundled_tables_have_rare_anomalies():
    tables = bundled.load("tables")
    assert len(tables) == 12
    assert all(0 < one.y.mean() < 0.08 for one in tables)
    assert {one.half for one in tables} == {"A", "B"}
