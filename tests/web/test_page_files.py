"""The files of the page: complete, of one piece, and without what its policy forbids."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import detector.web
from detector.web.page import TYPES, assets
from tests.web.serving import Serving, serving

STATIC = Path(detector.web.__file__).parent / "static"
TEXTS = {path.stem: json.loads(path.read_text()) for path in (STATIC / "text").glob("*.json")}
SCRIPTS = {path.name: path.read_text() for path in (STATIC / "js").rglob("*.js")}
HOLE = re.compile(r"\{(\w+)\}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    """A daemon whose data nobody may read without a token; the page is free."""
    with serving(tmp_path_factory.mktemp("page"), token="nachtigall-0123456789", page=True) as one:
        yield one


def test_every_file_is_served_under_its_name(server: Serving) -> None:
    for path in STATIC.rglob("*"):
        if path.is_file():
            answer = server.ask(f"/static/{path.relative_to(STATIC).as_posix()}")
            assert answer.status == 200, path
            assert answer.body == path.read_bytes()
            assert answer.headers["content-type"] == TYPES[path.name.rpartition(".")[2]]
            assert answer.headers["content-security-policy"].startswith("default-src 'self'")


def test_the_page_is_at_the_root(server: Serving) -> None:
    answer = server.ask("/")
    assert answer.body == (STATIC / "index.html").read_bytes()
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_it_may_be_left_out(tmp_path: Path) -> None:
    with serving(tmp_path, page=False) as one:
        assert one.ask("/").status == 404
        assert one.ask("/static/js/main.js").status == 404
        assert one.ask("/livez").status == 200


def test_what_the_browser_has_is_not_sent_again(server: Serving) -> None:
    first = server.ask("/static/js/main.js")
    assert first.headers["cache-control"] == "no-cache"
    again = server.ask("/static/js/main.js", If_None_Match=first.headers["etag"])
    assert (again.status, again.body) == (304, b"")
    assert server.ask("/static/js/main.js", If_None_Match='"other"').status == 200


@pytest.mark.parametrize(
    "path",
    ["../page.py", "..%2fpage.py", "%2e%2e/page.py", "/etc/passwd", "js", "js/", "", "a\\..\\index.html"],
)
def test_nothing_else_is_served(server: Serving, path: str) -> None:
    assert server.ask(f"/static/{path}").status == 404


def test_all_languages_say_the_same_things() -> None:
    assert set(TEXTS) == {"en", "ja"}
    for language, texts in TEXTS.items():
        assert texts.keys() == TEXTS["en"].keys(), language
        assert all(texts.values()), language


def test_all_languages_fill_in_the_same_values() -> None:
    for key, text in TEXTS["en"].items():
        names = set(HOLE.findall(text)) - {"n"}
        assert set(HOLE.findall(TEXTS["ja"][key])) - {"n"} <= names | {"shown", "total"}, key


def test_every_text_that_a_script_names_is_there() -> None:
    known = {re.sub(r"\.(one|other)$", "", key) for key in TEXTS["en"]} | TEXTS["en"].keys()
    for name, script in SCRIPTS.items():
        for key in re.findall(r'\bt\("([^"]+)"', script):
            assert key in known, f"{name}: {key}"


def test_every_import_is_a_file_of_ours() -> None:
    for path in (STATIC / "js").rglob("*.js"):
        for target in re.findall(r'from "([^"]+)"', path.read_text()):
            assert (path.parent / target).resolve().is_file(), f"{path.name}: {target}"


def test_every_module_is_asked_for_at_once() -> None:
    """Else the browser asks for them level by level, as it finds the imports."""
    page = (STATIC / "index.html").read_text()
    for path in (STATIC / "js").rglob("*.js"):
        assert f'"static/{path.relative_to(STATIC).as_posix()}"' in page, path.name


def test_every_icon_that_is_named_is_drawn() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    for name, script in SCRIPTS.items():
        assert set(re.findall(r'\bicon\("([^"]+)"\)', script)) <= drawn, name


def test_there_is_no_way_from_text_to_markup() -> None:
    """What the browser would also refuse is not there to begin with."""
    forbidden = re.compile(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|createContextualFragment|srcdoc"
        r"|\beval\(|new Function|setAttribute\(\"(?:on|style)|javascript:|https?://(?!www\.w3\.org)"
    )
    for name, script in SCRIPTS.items():
        assert not forbidden.search(script), f"{name}: {forbidden.search(script)}"
    page = (STATIC / "index.html").read_text()
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=|https?://", page)


def test_the_library_comes_with_its_licence() -> None:
    assert "MIT License" in (STATIC / "vendor" / "uPlot.LICENSE").read_text()
    script = (STATIC / "vendor" / "uPlot.iife.min.js").read_text()
    assert "(v1.6.32)" in script
    assert "innerHTML" not in script


def test_it_is_small() -> None:
    assert sum(len(asset.content) for asset in assets().values()) < 300_000
