"""What goes beyond one setting: names that must exist, what is used twice or never, and turned values.

All of it works on the plain data of the file and passes over what has the wrong shape, which
the models report; so every problem of a file is told at once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from pydantic import BaseModel

from detector.config.words import Where, shown, suggestion

_P = re.compile(r"\d{1,6}(\.\d{1,6})?")

Finding = tuple[Where, str, str]
"""Where, what is wrong, what to do."""


def names_meet(data: Any) -> Iterator[Finding]:
    """Check that pipelines name sources and outputs that exist, and that each of these is used."""
    pipelines = _map(data, "pipelines")
    for kind, word in (("sources", "source"), ("outputs", "output")):
        known = _map(data, kind)
        used: dict[str, str] = {}
        for pipeline, settings in pipelines.items():
            for place, name in enumerate(_list(settings, kind)):
                where = ("pipelines", pipeline, kind, place)
                if name not in known:
                    yield where, f"there is no {word} {shown(name)}", suggestion(name, known)
                elif name in used and (kind == "sources" or used[name] == pipeline):
                    yield where, *_used_twice(word, name, used[name], pipeline)
                used.setdefault(name, pipeline)
        for name in known:
            if name not in used:
                yield (kind, name), f"the {word} is not used", f"name it in a pipeline's {kind}, or remove it"


def heartbeats_meet(data: Any) -> Iterator[Finding]:
    """Check that the heartbeat goes to outputs that exist."""
    known = _map(data, "outputs")
    for place, name in enumerate(_list(_map(data, "heartbeat"), "outputs")):
        if name not in known:
            message = f"there is no output {shown(name)}"
            yield ("heartbeat", "outputs", place), message, suggestion(str(name), known)


def _used_twice(word: str, name: str, first: str, second: str) -> tuple[str, str]:
    if first == second:
        return f"the {word} {name} is named twice", "name it once"
    return (
        f"the source {name} is already read by the pipeline {first}",
        "give this pipeline a source of its own; positions are kept per source",
    )


def cases_meet(data: Any) -> Iterator[Finding]:
    """Check that each case of `tests` belongs to a pipeline that there is."""
    pipelines = _map(data, "pipelines")
    cases = data.get("tests") if isinstance(data, dict) else None
    for place, case in enumerate(cases if isinstance(cases, list) else ()):
        if not isinstance(case, dict):
            continue
        name = case.get("pipeline")
        if not name and len(pipelines) > 1:
            yield ("tests", place, "pipeline"), "is missing", suggestion("", pipelines)
        elif isinstance(name, str) and name and name not in pipelines:
            yield (
                ("tests", place, "pipeline"),
                f"there is no pipeline {shown(name)}",
                suggestion(name, pipelines),
            )


def distances_exist(data: Any, known: Collection[str]) -> Iterator[Finding]:
    """Check each pipeline's distance against the known names; `minkowski` may take a parameter."""
    for pipeline, settings in _map(data, "pipelines").items():
        name = _map(settings, "detector").get("distance")
        if not isinstance(name, str):
            continue
        where = ("pipelines", pipeline, "detector", "distance")
        base, has_parameter, parameter = name.partition(":")
        if base not in {distance.partition(":")[0] for distance in known}:
            yield where, f"there is no distance {shown(name)}", suggestion(base, known)
        elif base == "minkowski":
            if has_parameter and not (_P.fullmatch(parameter) and float(parameter) >= 1):
                yield where, f"{shown(name)}: p must be a number of at least 1", "write it as minkowski:3"
        elif has_parameter:
            yield (
                where,
                f"the distance {base} takes no parameter, but has {shown(parameter)}",
                f"write {base}",
            )


def turned_values(data: Any, model: Any, filled: Collection[Where], where: Where = ()) -> Iterator[Finding]:
    """Find what the models took for something else than it was written as: yes, "3", true for 1.

    Text that ``${...}`` brought in has no other way to become a number or true, and is left alone.
    """
    for step, part in data.items() if isinstance(data, dict) else enumerate(data):
        place, became = (*where, step), _part(model, step)
        if isinstance(part, dict | list):
            yield from turned_values(part, became, filled, place)
        elif place in filled:
            continue
        elif isinstance(became, bool) and not isinstance(part, bool):
            yield place, f"must be true or false, not {shown(part)}", "write true or false, without quotes"
        elif isinstance(part, bool) and isinstance(became, int | float) and not isinstance(became, bool):
            yield place, f"must be a number, not {shown(part)}", "write a number"
        elif isinstance(part, str) and isinstance(became, int | float) and _is_number(part):
            yield place, f"must be a number, not the text {shown(part)}", "write it without quotes"


def _part(model: Any, step: int | str) -> Any:
    if isinstance(model, BaseModel):
        return getattr(model, str(step), None)
    if isinstance(model, dict):
        return model.get(step)
    if isinstance(model, list | tuple) and isinstance(step, int) and step < len(model):
        return model[step]
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _map(data: Any, key: str) -> dict[str, Any]:
    value = data.get(key) if isinstance(data, dict) else None
    return value if isinstance(value, dict) else {}


def _list(data: Any, key: str) -> list[str]:
    value = data.get(key) if isinstance(data, dict) else None
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
