"""What a payload decoder may need to know."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """Settings for payload decoders; each uses what concerns it.

    Attributes
    ----------
    columns : tuple of str
        Names of the cells of a csv payload, which has no header.
    delimiter : str
        What separates these cells.
    max_bytes : int
        A longer payload is refused.
    precision : str
        Unit of the timestamps of line protocol: ``ns``, ``us``, ``ms`` or ``s``.
    """

    columns: tuple[str, ...] = ()
    delimiter: str = ","
    max_bytes: int = 2**20
    precision: str = "ns"
