"""P37: a user's pattern is a glob, a topic filter, a template or a format, and never stalls."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from connectors.decode.errors import Undecodable
from connectors.decode.keys import KeyTemplate
from connectors.decode.times import Times
from connectors.logs.pattern import LOOKED_AT, compile_start
from connectors.mqtt.topics import TopicFilter, fill_template
from connectors.options import parse_size
from connectors.sources.places import names
from detector import written
from detector.config.load import load_text
from detector.config.models import File
from detector.config.words import shown
from detector.errors import ConfigError
from detector.registry import command_options, sink_options, source_options
from detector.settings.record import Time

EVIL = (
    *(
        "(a+)+$",
        "([a-zA-Z]+)*$",
        "(a|aa)+$",
        "(a|a?)+$",
        "(.*a){20}$",
        "^(([a-z])+.)+[A-Z]([a-z])+$",
        "(a*)*b",
    ),
    *("(a?){30}a{30}", r"(\w+\s?)*$", r"^(\d+)*$", "(x+x+)+y", "(.*)*=(.*)*", "*a*a*a*a*a*a*a*a*b"),
    *("**/**/**/**/**/**/**/**/**/**/b", "[!b]*[!b]*[!b]*[!b]*[!b]*c", "?*?*?*?*?*?*b", "[a-[a-[a-[a-*"),
    *("+a/+b/+c/+d/#", "{a}{a}{a}{a}{a}{b}", "%d%m%H%M%S%U%j%y%f%G%V%u%I%w%Y"),
)
LENGTHS = (24, 256, 4096)
FILLED = ("a", "1", ":", " ", "a/", '"', "${")
LIMIT_S = 0.05


def inputs() -> list[str]:
    return [(fill * length)[:length] + "!" for fill in FILLED for length in LENGTHS]


def in_time(what: str, function: Callable[..., object], *arguments: object) -> None:
    """Fail where each of three calls takes longer than the limit; what is refused counts, too."""
    spent = []
    for _ in range(3):
        start = time.process_time()
        with suppress(ValueError, Undecodable):
            function(*arguments)
        spent.append(time.process_time() - start)
        if spent[-1] <= LIMIT_S:
            return
    raise AssertionError(f"{what} takes {min(spent):.2f} s for {arguments!r}"[:400])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree eight deep, with names as long as a file system has them."""
    top = at = tmp_path_factory.mktemp("tree")
    for _ in range(8):
        at = at / ("a" * 24)
        at.mkdir()
        for letter in "a1x":
            (at / (letter * 250)).touch()
    return top


@pytest.mark.parametrize("evil", EVIL)
def test_an_evil_glob_is_over_in_50_ms(evil: str, folder: Path) -> None:
    in_time("a glob", names, (f"{folder}/{evil}",))


@pytest.mark.parametrize("evil", EVIL)
def test_an_evil_filter_template_or_format_is_over_in_50_ms(evil: str) -> None:
    def topic(text: str) -> None:
        TopicFilter(evil).match(text)

    def key(text: str) -> None:
        KeyTemplate(evil).fill({}, {"a": text, "b": text})

    def moment(text: str) -> None:
        Times(Time(field="t", format=evil).format).read(text)

    for text in inputs():
        in_time("a topic", topic, text)
        in_time("a key", key, text)
        in_time("a time", moment, text)
        in_time("a topic to publish to", fill_template, "{key}/x", {"pipeline": evil, "key": text})


@pytest.mark.parametrize("evil", [*EVIL, ".*.*b", r"\d*[a-z]* b", "(?:a|1| ){3}.*b", "(a+)" * 100 + "b"])
def test_an_evil_start_of_events_is_refused_or_over_in_50_ms(evil: str) -> None:
    """The one setting that is a regular expression: `log.multiline.starts_with`."""
    in_time("to read it", compile_start, evil)
    with suppress(ValueError):
        pattern = compile_start(evil)
        for text in inputs():
            in_time("a start", pattern.match, text[:LOOKED_AT])


READERS = (
    *(written.parse_duration, written.parse_share, written.read_budget, written.parse_limit),
    *(written.parse_memory, written.check_zone, parse_size, Times().read, shown),
)


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.__qualname__)
def test_whatever_is_written_is_read_or_refused_in_50_ms(reader: Callable[[str], object]) -> None:
    for text in inputs():
        in_time("it", reader, text)


@pytest.mark.parametrize("place", ["key", "topic", "path", "format", "name"])
def test_a_configuration_full_of_evil_is_refused_in_time(place: str) -> None:
    for evil in (*EVIL, *inputs()):
        record: dict[str, Any] = {"features": [evil if place == "name" else "flow"]}
        if place == "format":
            record["time"] = {"field": "t", "format": evil}
        source = {"type": "file", "paths": [evil if place == "path" else "x.csv"]}
        if place == "topic":
            source = {"type": "mqtt", "url": "mqtt://h", "client_id": "c", "topics": {evil: 1}}
        one = {"sources": ["in"], "outputs": [], "record": record} | ({"key": evil} if place == "key" else {})
        text = json.dumps({"version": 1, "pipelines": {"p": one}, "sources": {"in": source}})
        start = time.process_time()
        try:
            load_text(text, "c", source_options(), sink_options(), ["euclidean"], Path("/nowhere"), {})
        except ConfigError as error:
            assert error.problems
        assert time.process_time() - start < 2.0


def test_several_double_stars_say_what_one_says(folder: Path) -> None:
    assert names((f"{folder}/**/**/**/1*",)) == names((f"{folder}/**/1*",))
    assert len(names((f"{folder}/**/**/1*",))) == 8
    assert names((f"{folder}/a**/**/x*",)) == names((f"{folder}/a*/**/x*",))


@pytest.mark.parametrize(
    ("form", "said"),
    [("%d %d", "names one thing twice"), ("%Q", "bad directive"), ("%", "stray %"), ("%%", None)],
)
def test_a_format_of_times_that_python_cannot_read_is_told_at_once(form: str, said: str | None) -> None:
    if said is None:
        assert Time(field="t", format=form).format == form
        return
    with pytest.raises(ValidationError, match=said):
        Time(field="t", format=form)


def patterns_in(model: type[BaseModel], seen: set[type]) -> Iterator[str]:
    """Yield where a model, or one within it, has a field that holds a compiled pattern."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        for kind in parts(field.annotation):
            if kind is re.Pattern or get_origin(kind) is re.Pattern:
                yield f"{model.__name__}.{name}"
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from patterns_in(kind, seen)
        if "regular expression" in (field.description or "") or "regex" in (field.description or "").lower():
            yield f"{model.__name__}.{name}"


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def test_no_setting_but_one_holds_a_regular_expression() -> None:
    seen: set[type] = set()
    options = [
        registry[name]
        for registry in (source_options(), sink_options(), command_options())
        for name in registry
    ]
    found = [found for model in (File, *options) for found in patterns_in(model, seen)]
    assert found == ["MultilineOptions.starts_with"]  # which compile_start checks
    assert len(seen) > 20


def test_a_regular_expression_among_the_settings_would_be_found() -> None:
    inner = create_model("Inner", pattern=(re.Pattern[str] | None, None))
    outer = create_model("Outer", __config__=ConfigDict(), inner=(dict[str, inner], ...))  # type: ignore[valid-type]
    assert list(patterns_in(outer, set())) == ["Inner.pattern"]
