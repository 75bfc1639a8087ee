"""Finds what may make code, a shell command, a format or a pattern out of data: what ruff cannot see."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_MODULES = {
    "pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "jsonpickle",
    "code",
    "pty",
}
_BUILTINS = {"eval", "exec", "compile", "__import__"}
_FUNCTIONS = {
    *("os.system", "os.popen", "str.format", "str.format_map", "string.Template"),
    *("yaml.load", "yaml.load_all", "yaml.full_load", "yaml.unsafe_load", "np.load", "numpy.load"),
}
_REGEX = {"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"}


def faults(source: str) -> list[str]:
    """Return what is unsafe in a module's text, each with its line."""
    return [f"{line}: {what}" for line, what in sorted(_faults(ast.parse(source)))]


def _faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from ((node.lineno, f"import {name}") for name in _imported(node) if name in _MODULES)
        elif isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _call(node))
        elif isinstance(node, ast.BinOp) and _is_formatting(node):
            yield node.lineno, "% with a format that is no literal"


def _is_formatting(node: ast.BinOp) -> bool:
    several = isinstance(node.right, ast.Tuple | ast.Dict)  # else it may be the rest of a division
    return isinstance(node.op, ast.Mod) and several and not _is_literal(node.left)


def _imported(node: ast.Import | ast.ImportFrom) -> list[str]:
    if isinstance(node, ast.ImportFrom):
        return [(node.module or "").split(".")[0]]
    return [alias.name.split(".")[0] for alias in node.names]


def _call(node: ast.Call) -> Iterator[str]:
    called = ast.unparse(node.func)
    if called in _BUILTINS or called in _FUNCTIONS:
        yield called
    for keyword in node.keywords:
        wanted = {"allow_pickle": False, "shell": False, "typ": "safe"}
        if keyword.arg in wanted and not _is(keyword.value, wanted[keyword.arg]):
            yield f"{keyword.arg}={ast.unparse(keyword.value)}"
    if called.split(".")[-1] == "YAML" and not any(keyword.arg == "typ" for keyword in node.keywords):
        yield "YAML without typ='safe'"
    if isinstance(node.func, ast.Attribute):
        name, owner = node.func.attr, node.func.value
        if name in ("format", "format_map") and not (_is_literal(owner) or _is_constant(owner)):
            yield f"{called} with a format that is no literal"
        regex = isinstance(owner, ast.Name) and owner.id == "re" and name in _REGEX
        if regex and node.args and not (_is_literal(node.args[0]) or _is_constant(node.args[0])):
            yield f"{called} of a pattern that is no literal"


def _is(node: ast.expr, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == value


def _is_literal(node: ast.expr) -> bool:
    """Whether a text stands in the source, with nothing but constants of the module put in."""
    if isinstance(node, ast.JoinedStr):
        return all(isinstance(part, ast.Constant) or _is_constant(part.value) for part in node.values)  # type: ignore[attr-defined]
    return isinstance(node, ast.Constant)


def _is_constant(node: ast.expr) -> bool:
    """Whether it is a constant of the module, or one of a table's."""
    if isinstance(node, ast.Subscript):
        return _is_constant(node.value)
    return isinstance(node, ast.Name) and node.id.isupper()
