"""What `import detector` offers, and what it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

import detector


@pytest.mark.parametrize("name", detector.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(detector, name).__name__ == name
    assert name in dir(detector)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Nonsense"):
        _ = detector.Nonsense


@pytest.mark.parametrize("wanted", ["detector", "detector.estimators", "detector.pipeline"])
def test_importing_brings_in_neither_scikit_learn_nor_river(wanted: str) -> None:
    code = f"import sys, {wanted}; print([m for m in ('sklearn', 'river', 'pandas') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


def test_importing_the_package_alone_brings_in_no_numba() -> None:
    code = "import sys, detector; print('numba' in sys.modules or 'scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
