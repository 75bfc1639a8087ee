"""Packages that are installed with an extra only: whether they are there, and what to do if not."""

from __future__ import annotations

from importlib.util import find_spec


def lacking(package: str, extra: str, what: str) -> str | None:
    """Return what is missing and how to add it; None if it is there. Nothing is imported.

    >>> lacking("json", "none", "JSON")
    >>> lacking("no_such_package", "parquet", "Parquet")
    "Parquet needs a package that is not installed; add it with: pip install 'kyori[parquet]'"
    """
    if find_spec(package) is not None:
        return None
    return f"{what} needs a package that is not installed; add it with: pip install 'kyori[{extra}]'"
