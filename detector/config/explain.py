"""Pydantic's errors as plain sentences: the setting, what it must be, what was found, what to write."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from detector.config.secrets import MASK, Secrets
from detector.config.words import Where, dotted, shown, suggestion, without_userinfo
from detector.errors import Problem

_NOUNS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "string": "text",
    "list": "a list",
    "tuple": "a list",
    "set": "a list",
    "dict": "a map",
    "mapping": "a map",
    "model": "a map",
    "none": "null",
    "finite": "a finite number",
}
_BOUNDS = {"gt": "more than", "ge": "at least", "lt": "less than", "le": "at most"}


@dataclass(frozen=True, slots=True)
class Report:
    """Turns findings into problems: with their line, and without secrets.

    Attributes
    ----------
    data : plain data
        The file with secrets filled in.
    lines : mapping of path to int
        Where each value stands.
    secrets : Secrets
        What must not be shown.
    """

    data: Any
    lines: Mapping[Where, int]
    secrets: Secrets

    def problem(self, where: Where, message: str, remedy: str = "") -> Problem:
        """Return the problem at `where`, or at the nearest line above it that is there."""
        line = next(
            (self.lines[where[:n]] for n in range(len(where), -1, -1) if where[:n] in self.lines), None
        )
        message = self.secrets.hide(without_userinfo(message))
        return Problem(dotted(where), message, self.secrets.hide(remedy), line)

    def value(self, where: Where) -> str:
        """Return the value at `where` as a message may show it."""
        found = self.data
        for step in where:
            found = found[step]
        return MASK if where in self.secrets.places else shown(found)

    def sentences(self, error: ValidationError, model: type[BaseModel], base: Where = ()) -> list[Problem]:
        """Return what is wrong with the part of the file at `base`, which `model` was to read."""
        part = self.data
        for step in base:
            part = part[step]
        problems: list[Problem] = []
        types_wanted: dict[Where, list[str]] = {}
        for detail in error.errors(include_url=False):
            where = _place(detail["loc"], part, missing=detail["type"] == "missing")
            noun = _noun(detail)
            if noun is not None and _is_key(detail):
                message = f"a name here must be {noun}, not {shown(where[-1])}"
                problems.append(self.problem((*base, *where), message))
            elif noun is not None:
                types_wanted.setdefault(where, []).append(noun)
            else:
                problems.append(self._other(detail, where, model, base))
        for where, nouns in types_wanted.items():
            problems.append(self._wrong_type(where, nouns, model, base))
        return problems

    def _wrong_type(self, where: Where, nouns: list[str], model: type[BaseModel], base: Where) -> Problem:
        value = self.value((*base, *where))
        remedy = description(model, where)
        if nouns == ["text"] and value not in (MASK, "a list", "a map", "null"):
            remedy = f"put it in quotes: '{value}'"
        return self.problem(
            (*base, *where), f"must be {' or '.join(dict.fromkeys(nouns))}, not {value}", remedy
        )

    def _other(self, detail: ErrorDetails, where: Where, model: type[BaseModel], base: Where) -> Problem:
        kind, full = detail["type"], (*base, *where)
        if kind == "missing":
            return self.problem(full, "is missing", f"add it: {description(model, where)}".removesuffix(": "))
        if kind == "extra_forbidden":
            known = allowed(model, where[:-1]) - {str(where[-1])}  # another form of the map may have it
            return self.problem(full, "there is no such setting", suggestion(str(where[-1]), known))
        said = str(detail.get("ctx", {}).get("error", detail["msg"]))
        message, _, remedy = said.partition("; ")
        value = shown(where[-1]) if _is_key(detail) else self.value(full)
        if value not in ("a list", "a map"):
            link = " is " if message.startswith("not ") else ": "
            message = f"{value}{link}{message}"
        return self.problem(full, message, remedy)


def _place(loc: tuple[int | str, ...], data: Any, missing: bool) -> Where:
    """Return the steps of `loc` that are in the data; pydantic adds names of branches and validators."""
    where: list[int | str] = []
    for step in loc:
        if _has(data, step):
            where.append(step)
            data = data[step]
    return (*where, loc[-1]) if missing and isinstance(data, dict | list) else tuple(where)


def _has(data: Any, step: int | str) -> bool:
    if isinstance(data, list):
        return isinstance(step, int) and step < len(data)
    return isinstance(data, dict) and step in data


def _is_key(detail: ErrorDetails) -> bool:
    return detail["loc"][-1:] == ("[key]",)


def _noun(detail: ErrorDetails) -> str | None:
    """Return what the value must be, for an error that says just that."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in ("literal_error", "enum"):
        return str(context["expected"])
    if kind.startswith(("greater_than", "less_than")):
        return next(f"{text} {_plain(context[key])}" for key, text in _BOUNDS.items() if key in context)
    if kind in ("too_short", "string_too_short"):
        return _size(kind, "at least", context["min_length"])
    if kind in ("too_long", "string_too_long"):
        return _size(kind, "at most", context["max_length"])
    head, _, tail = kind.partition("_")
    return (
        _NOUNS.get(head)
        if tail in ("type", "parsing", "from_float", "number", "required", "attributes_type")
        else None
    )


def _size(kind: str, bound: str, count: int) -> str:
    if kind.startswith("string"):
        return "text that is not empty" if count == 1 else f"{bound} {count} characters long"
    return f"{bound} {count} long"


def _plain(bound: object) -> object:
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def allowed(model: type[BaseModel], where: Where) -> set[str]:
    """Return the settings that the map at `where` may hold.

    >>> from detector.settings import Pipeline
    >>> sorted(allowed(Pipeline, ("detector", "threshold")))
    ['kind', 'value']
    """
    kinds: list[Any] = [model]
    for step in where:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    return {name for kind in kinds if _is_model(kind) for name in _fields(kind)}


def description(model: type[BaseModel], where: Where) -> str:
    """Return what the setting at `where` says of itself, or ""."""
    if not where:
        return ""
    kinds: list[Any] = [model]
    for step in where[:-1]:
        kinds = [inner for kind in kinds for inner in _inside(kind, step)]
    found = (_fields(kind).get(str(where[-1])) for kind in kinds if _is_model(kind))
    return next((field.description for field in found if field is not None and field.description), "")


def secret_places(model: Any, data: Any, where: Where = ()) -> set[Where]:
    """Return the places of values that the model, or a map of such values, declares as secret.

    >>> from pydantic import SecretStr, create_model
    >>> secret_places(create_model("M", password=(SecretStr, ...)), {"password": "x"})
    {('password',)}
    """
    places: set[Where] = set()
    for step, part in data.items() if isinstance(data, dict) else ():
        for kind in _inside(model, step):
            if kind is SecretStr:
                places.add((*where, step))
            elif _is_model(kind) or get_origin(kind) is dict:
                places |= secret_places(kind, part, (*where, step))
    return places


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in model.model_fields.items()}


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _inside(kind: Any, step: int | str) -> Iterable[Any]:
    """Return the types that a value of type `kind` may have at `step`."""
    if _is_model(kind):
        field = _fields(kind).get(str(step))
        return () if field is None else _branches(field.annotation)
    if get_origin(kind) in (dict, Mapping):
        return _branches(get_args(kind)[1])
    return [branch for inner in get_args(kind) for branch in _branches(inner)]


def _branches(kind: Any) -> Iterable[Any]:
    if get_origin(kind) is Annotated:
        return _branches(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return [branch for inner in get_args(kind) for branch in _branches(inner)]
    return (kind,)
