"""Draws tutorial-*.svg: the rows of `kyori report tutorial.csv --labels label`, each by itself.

``python docs/img/make_tutorial.py``
"""

from __future__ import annotations

from pathlib import Path

from detector.cli.data import points
from detector.study.classed import Classed
from detector.study.report import page, svg
from detector.study.report.draw_embeddings import legend
from detector.study.report.draw_matrix import matrix
from detector.study.report.make import make
from detector.study.report.records import usable

FEATURES = ("f1", "f2", "f3", "f4", "f5")


def main(folder: Path) -> None:
    """Write the pictures."""
    X, y = points(0)
    records = usable(Classed("tutorial.csv", FEATURES, X, [str(label) for label in y.tolist()]))
    report = make(records, "mmc", None, (), 0, lambda _: None)
    rows = {
        "rings": ([legend(report), *page.around(report)], "Circle and ellipse around each class"),
        "tsne": (page.before_and_after(report), "t-SNE of the points: raw, standardised, learned"),
        "metric": ([matrix(report)], "Spectrum and heat map of the learned M"),
    }
    for name, (parts, title) in rows.items():
        (folder / f"tutorial-{name}.svg").write_text(svg.picture(parts, title, alone=True))


if __name__ == "__main__":
    main(Path(__file__).parent)
