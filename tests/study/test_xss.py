"""P38: names in pictures and pages stay text: 25 payloads make no element and no attribute."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from detector.study.plot import draw
from detector.study.replay import Trace
from detector.study.report import page, svg

PAYLOADS = (
    "<script>alert(1)</script>", "</title><script>alert(1)</script>",
    "</text></svg><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>",
    "<svg><animate onbegin=alert(1) attributeName=x>", "\"><script>alert(1)</script>",
    "' onmouseover='alert(1)", "\" onload=\"alert(1)", "<a href=javascript:alert(1)>x</a>",
    "<iframe src=javascript:alert(1)>", "<style>@import'//x'</style>", "</style><script>alert(1)</script>",
    "<!--><script>alert(1)</script>", "]]><script>alert(1)</script>",
    "<![CDATA[<script>alert(1)</script>]]>", "<?xml-stylesheet href='//x'?>",
    "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]>&y;", "&lt;script&gt;", "&#60;script&#62;",
    "<foreignObject><body onload=alert(1)>", "<use href='data:image/svg+xml,x'/>",
    "<scr\0ipt>alert(1)</scr\0ipt>", "\u202e<script>\u2066alert(1)\x0b\x1b[2J",
    "<math><mi xlink:href=javascript:alert(1)>",
)  # fmt: skip


class Elements(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, tuple[str, ...]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def picture(name: str) -> str:
    """The picture of a backtest whose key and title have that name."""
    n = 50
    nothing, ramp = np.zeros(n, np.int64), np.linspace(1.0, 2.0, n)
    trace = Trace(np.arange(n), nothing, ramp, ramp, ramp, ramp, nothing > 0, None, [name], [], timed=False)
    return draw(trace, name)


def report(name: str) -> str:
    """A page made of the parts of a report that take names."""
    drawn = svg.picture([(svg.text(0, 0, name), 10.0), svg.words([name])], name, alone=True)
    return f"<title>{page._text(name)}</title>{page._table(['space', name], [[name, '1']])}{drawn}"


def test_there_are_25() -> None:
    assert len(set(PAYLOADS)) == 25


@pytest.mark.parametrize("made", [picture, report])
@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_name_makes_no_element_and_no_attribute(made, payload: str) -> None:
    text = made(payload)
    assert Elements(text).found == Elements(made("harmless")).found
    assert all(line.isprintable() for line in text.split("\n"))
    assert any("alert(1)" in word or "script" in word or "x" in word for word in Elements(text).words)


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_picture_is_sound_xml_with_the_name_in_it(payload: str) -> None:
    found = ET.fromstring(picture(payload))  # noqa: S314 - our own text
    assert svg.printable(payload) in [one.text for one in found.iter("{http://www.w3.org/2000/svg}text")]


def test_unescaped_a_payload_would_be_found() -> None:
    raw = f"<title>{PAYLOADS[1]}</title><p {PAYLOADS[8]}>"
    assert Elements(raw).found != Elements("<title>harmless</title><p>").found
