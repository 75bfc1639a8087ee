"""The report as one HTML file that loads nothing, and as one SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from detector.metric.compare import NEIGHBOURS
from detector.study.report import svg
from detector.study.report.draw_embeddings import embeddings, legend
from detector.study.report.draw_matrix import matrix
from detector.study.report.draw_rings import rings
from detector.study.report.embed import perplexity
from detector.study.report.make import Report
from detector.study.report.svg import printable
from detector.study.text import number, share

_CSS = """\
:root{color-scheme:light dark}
body{font:16px/1.5 sans-serif;max-width:980px;margin:2em auto;padding:0 16px;color:#222;background:#fff}
h1{font-size:1.5em;overflow-wrap:anywhere}h2{font-size:1.15em;margin:2em 0 .4em}p{max-width:48em}
svg{display:block;width:100%;height:auto;margin:.6em 0}
table{border-collapse:collapse;margin:1em 0}
th,td{padding:.3em .9em;text-align:right;border-bottom:1px solid #ccc}
th:first-child,td:first-child{text-align:left}tr.learned td{font-weight:bold}
.facts{color:#555;overflow-wrap:anywhere}
.warning{border-left:4px solid #d55e00;padding:.1em 0 .1em 1em}
@media screen and (prefers-color-scheme:dark){
body{color:#d5d9de;background:#14181d}.facts{color:#a3abb5}
th,td{border-color:#39414a}.warning{border-color:#ff9d57}
}
@media print{
body{margin:0;max-width:none;font-size:11pt}svg,table{break-inside:avoid}h2{break-after:avoid}
}
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_PARTS = {2: "half", 3: "third", 4: "quarter", 5: "fifth"}
HEAD = ("space", "rank", f"{NEIGHBOURS}-NN accuracy", "silhouette", "trustworthiness")


def rows(report: Report) -> list[list[str]]:
    """Return the table of figures, a row for each space under `HEAD`."""
    return [
        [
            one.name,
            str(one.rank),
            *map(share, (one.figures.accuracy, one.figures.silhouette, one.trustworthiness)),
        ]
        for one in report.spaces
    ]


def facts(report: Report) -> list[str]:
    """Return what is to be known before one believes the figures."""
    folds, foreign = report.comparison.folds, report.foreign
    neighbours = number(perplexity(len(report.records)))
    said = [
        f"Accuracy and silhouette are of held-out records, {folds} times a {_PARTS[folds]} of all. "
        + (
            "The metric was given: if it was learned from some of them, its figures are too good."
            if foreign
            else "Each time the metric is learned, and the scale measured, without them."
        ),
        f"The last picture is of the metric that {'was given' if foreign else 'saw all labels'}; the figures "
        "below it are not read off it.",
        f"The pictures are by t-SNE with seed {report.seed} and perplexity {neighbours}, the same for each. "
        "Trustworthiness says how far neighbours in a picture are neighbours in its space.",
    ]
    return said + [f"{note}." for note in report.records.notes]


WARNING = (
    "Distances between groups of a t-SNE picture, and their sizes, mean nothing; who is beside whom does.",
    "Judge by the figures, not by how far apart the groups look.",
)


def before_and_after(report: Report) -> list[tuple[str, float]]:
    """Return the first rows of pictures: classes, and the flat pictures with their figures."""
    return [legend(report), embeddings(report)]


def around(report: Report) -> list[tuple[str, float]]:
    """Return the row of circles and ellipses, nothing where there is one feature."""
    return [rings(report)] if report.pair is not None else []


def to_svg(report: Report, title: str) -> str:
    """Return all pictures below each other."""
    above = [svg.words([title], "text"), *before_and_after(report)]
    said = [*WARNING, facts(report)[0], _sentence(report.comparison.verdict)]
    return svg.picture([*above, svg.words(said), *around(report), matrix(report)], title, alone=True)


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def to_html(report: Report, title: str) -> str:
    """Return the page; `title` names the input."""
    metric, records = report.metric, report.records
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        f"<title>{_text(title)}</title><style>{_CSS}{svg.STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        f'<p class="facts">{len(records)} records, {len(records.features)} features, '
        f"{len(records.classes)} classes; metric {_text(metric.id)}</p>",
        "<h2>Before and after</h2>",
        svg.picture(before_and_after(report), "t-SNE of each space", alone=False),
        f'<p class="warning"><strong>{" ".join(WARNING)}</strong></p>',
        "<h2>Figures</h2>",
        _table(HEAD, rows(report)),
        f"<p>{_text(_sentence(report.comparison.verdict))}</p>",
        *(f"<p>{_text(line)}</p>" for line in facts(report)),
    ]
    if report.pair is not None:
        pair = _text(" and ".join(report.pair.features))
        parts += [
            "<h2>Circle and ellipse</h2>",
            f"<p>{pair}, in standard deviations. The reference of a class is its mean (+), and its radius "
            "the distance of its farthest member: by Euclid that is the circle, by Mahalanobis with the "
            "covariance of the class the ellipse.</p>",
            svg.picture(around(report), "circle and ellipse around each class", alone=False),
        ]
    parts += [
        "<h2>The metric</h2>",
        "<p>D² = (x &minus; y)' M (x &minus; y), in units of each feature's standard deviation.</p>",
        svg.picture([matrix(report)], "spectrum and heat map of M", alone=False),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    lines = ["<table><tr>" + "".join(f"<th>{_text(cell)}</th>" for cell in head) + "</tr>"]
    for row in body:
        kind = ' class="learned"' if row is body[-1] else ""
        lines.append(f"<tr{kind}>" + "".join(f"<td>{_text(cell)}</td>" for cell in row) + "</tr>")
    return "\n".join([*lines, "</table>"])


def _text(words: str) -> str:
    return escape(printable(words))
