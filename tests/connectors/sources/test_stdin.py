"""Standard input: a stream that may stall, and cannot be read twice."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time

import pytest

from connectors.sources import SOURCES, load
from connectors.sources.stdin import StdinOptions, StreamSource
from detector.contracts import Layout
from detector.errors import EndOfInput

LAYOUT = Layout(("x",))


@pytest.mark.parametrize("cut", [0, 1, 3, 6])
def test_prefix_is_read_first(cut: int) -> None:
    data = b"\xef\xbb\xbfx;y\n1;2\n3;4"
    made = StreamSource("-", StdinOptions(), LAYOUT, io.BytesIO(data[cut:]), data[:cut])
    made.open(b"")
    batch = made.read(10, 1.0)
    assert batch is not None and batch.columns["x"].tolist() == [1.0, 3.0]
    assert batch.position == b"2"
    with pytest.raises(EndOfInput):
        made.read(10, 1.0)


def test_a_pipe_that_stalls() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb", buffering=0) as stream:
        made = StreamSource("-", StdinOptions(), LAYOUT, stream)
        made.open(b"")
        start = time.monotonic()
        assert made.read(10, 0.05) is None
        os.write(write_end, b'{"x": 1}\n{"x": ')
        batch = made.read(10, 0.05)
        assert batch is not None and batch.columns["x"].tolist() == [1.0]
        assert time.monotonic() - start < 1.0
        os.write(write_end, b"2}")
        os.close(write_end)
        batch = made.read(10, 0.05)
        assert batch is not None and batch.columns["x"].tolist() == [2.0]
        with pytest.raises(EndOfInput):
            made.read(10, 0.05)


def test_standard_input() -> None:
    code = (
        "from connectors.sources import load\nfrom detector.contracts import Layout\n"
        "cls = load('stdin')\nsource = cls('s', cls.Options(), Layout(('x',)))\nsource.open(b'')\n"
        "print(source.read(10, 5.0).columns['x'].tolist())"
    )
    done = subprocess.run([sys.executable, "-c", code], input=b"x\n1\n2\n", capture_output=True, check=True)
    assert done.stdout.strip() == b"[1.0, 2.0]"


def test_sources_are_loaded_one_by_one() -> None:
    code = "import sys\nfrom connectors.sources import load\nload('file')\nassert 'paho' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    for kind in SOURCES:
        assert load(kind).Options.model_fields["type"].default == kind
