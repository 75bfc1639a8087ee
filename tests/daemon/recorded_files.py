"""Run by test_powercut: gives labels and promotes metrics, and notes each that it was told is there."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from detector import labelbook
from detector.training import Models
from tests.test_labelbook import label
from tests.training.test_modelstore import metric


def main(state: Path) -> None:
    marks = os.open(os.environ["MARKS"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    models = Models.of(state, "p")
    for number in range(20):
        labelbook.append(state / labelbook.FILE, label(number))
        os.write(marks, b"%d\n" % number)
        if number % 4 == 0:
            one = models.add(metric(number), None, number)
            models.promote(one.id, number)
            os.write(marks, one.id.encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
