"""The options that say how CSV is written."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator, model_validator

from connectors.decode.dialect import AUTO, WHITESPACE, Dialect
from connectors.options import Options

_NAMES = {"tab": "\t", "space": " "}


class CsvOptions(Options):
    """How CSV is written; what is not CSV takes no notice of them."""

    delimiter: str = Field(
        default=AUTO,
        description="what separates cells of CSV: auto, one character, tab, or whitespace for runs of blanks",
    )
    decimal: Literal[".", ","] = Field(default=".", description="the decimal mark in numbers of CSV")
    thousands: Literal["", ".", ",", " ", "'"] = Field(
        default="", description="what stands between groups of three digits in numbers of CSV"
    )
    quote: str = Field(
        default='"', max_length=1, description='the character around cells of CSV; "" if there is none'
    )
    comment: str = Field(
        default="", max_length=8, description="lines of CSV that begin so are left out, as #"
    )
    skip: int = Field(default=0, ge=0, description="so many lines stand before the header of CSV")
    header: bool | None = Field(
        default=None, description="whether CSV has a header line; default: if there are no columns"
    )
    columns: tuple[str, ...] = Field(
        default=(), description="names of the columns of CSV that has no header line"
    )
    missing: tuple[str, ...] = Field(
        default=(),
        description="words and numbers of CSV that stand for no value, besides the empty cell, nan, na, null",
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str) -> str:
        value = _NAMES.get(value, value)
        if value in (AUTO, WHITESPACE):
            return value
        if len(value) != 1 or not value.isascii() or value in '"\r\n':
            raise ValueError("write auto, whitespace, tab, or one character, as ;")
        return value

    @field_validator("quote", "comment")
    @classmethod
    def _on_one_line(cls, value: str) -> str:
        if not value.isascii() or not value.isprintable() or value.isspace():
            raise ValueError('write plain characters, as " or #')
        return value

    @model_validator(mode="after")
    def _agrees(self) -> CsvOptions:
        if self.header is False and not self.columns:
            raise ValueError("header: false needs columns: the names of the cells, in their order")
        if self.header and self.columns:
            raise ValueError(
                "columns name what has no header; leave one of them out, or pass over it: skip: 1"
            )
        if self.decimal == self.thousands:
            raise ValueError("decimal and thousands cannot be the same character")
        if self.quote and self.quote in (self.delimiter, self.decimal, self.comment):
            raise ValueError("quote must be another character than delimiter, decimal and comment")
        return self

    @property
    def dialect(self) -> Dialect:
        """The dialect that they describe."""
        return Dialect(
            self.delimiter, self.quote, self.comment, self.skip, self.decimal, self.thousands, self.missing
        )
