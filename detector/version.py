"""Which version runs."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed(package: str = "kyori") -> str:
    """Return the version of an installed package.

    >>> installed("a package that nobody has")
    'not installed'
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
