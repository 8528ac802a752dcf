"""The nouns of a sheet as it was found, before anything is made of it."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol

from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

from app.domain import trimmed_text

_ISO_TIME = re.compile(r"(?:PT|T)?([0-9]{1,2})(?::|H)([0-9]{1,2})(?::([0-9]{2})(?:\.[0-9]*)?|M)?(?:0?S)?Z?")


@dataclass(frozen=True, slots=True)
class ExcelTime:
    """A date or time as Excel holds it; ``clock`` is ``16:9`` for nine minutes past four, None for a date."""

    shown: str
    clock: str | None = None

    @classmethod
    def of_serial(cls, serial: float, *, since_1904: bool) -> ExcelTime:
        """Days since the workbook's epoch -> what the cell shows."""
        if 0 <= serial < 1 and (seconds := round(serial * 86_400)) < 86_400:
            return cls.of_clock(seconds // 3600, seconds // 60 % 60, seconds % 60)
        try:
            moment = from_excel(serial, MAC_EPOCH if since_1904 else WINDOWS_EPOCH)
        except (OverflowError, ValueError):
            return cls(number_text(serial))
        return cls(_calendar_text(moment))

    @classmethod
    def of_iso(cls, text: str) -> ExcelTime:
        """``16:09:00``, ``PT16H9M`` or a date as ISO 8601 writes them."""
        found = _ISO_TIME.fullmatch(text)
        if not found:
            return cls(text.replace("T00:00:00", "").replace("T", " ").removesuffix("Z"))
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return cls.of_clock(hours, minutes, seconds)

    @classmethod
    def of_clock(cls, hours: int, minutes: int, seconds: int) -> ExcelTime:
        """A time of day; ``0:16:09`` is how sixteen minutes nine seconds look."""
        if seconds == 0:
            return cls(f"{hours}:{minutes:02}", f"{hours}:{minutes}")
        clock = f"{minutes}:{seconds}" if hours == 0 else None
        return cls(f"{hours}:{minutes:02}:{seconds:02}", clock)


@dataclass(frozen=True, slots=True)
class UnreadableCell:
    """A cell without a value to take: an error, a picture, or a formula whose result was never stored."""

    seen: str
    error: str


class FormattedNumber(int):
    """A whole number that its cell ``shows`` otherwise: ``007``, ``SKU-001``.

    It shows "" when a formula came to 0, as it does where it refers to an empty cell.
    A column of numbers takes it as the number that it is, a column of texts takes what is shown.
    """

    shows: str

    def __new__(cls, number: int, shows: str) -> FormattedNumber:
        """The number with its other looks."""
        dressed = super().__new__(cls, number)
        dressed.shows = shows
        return dressed


Value = str | int | float | ExcelTime | UnreadableCell


@dataclass(frozen=True, slots=True)
class Row:
    """One row: ``number`` as the sheet counts, ``values`` by column from 1, blank cells left out."""

    number: int
    values: dict[int, Value]


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged range, rows and columns from 1."""

    first_column: int
    first_row: int
    last_row: int
    name: str


@dataclass(slots=True)
class Grid:
    """Rows with content, in the sheet's order; ``beyond`` counts those that were found but not kept.

    ``overfull_rows`` have more cells than the header: a separator inside a text took it apart.
    ``floating_pictures`` lie over the cells and belong to none.
    """

    rows: list[Row] = field(default_factory=list)
    dropped: int = 0
    merges: list[Merge] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    rows_too_wide: list[int] = field(default_factory=list)
    floating_pictures: int = 0


class Sheet(Protocol):
    """Something with rows: a sheet of a workbook, or a delimited text."""

    @property
    def name(self) -> str:
        """As the person knows it."""

    @property
    def hidden(self) -> bool:
        """Whether the person cannot see it."""

    @property
    def active(self) -> bool:
        """Whether it is the one that is open when the file is."""

    def top(self, count: int) -> list[Row]:
        """The rows numbered up to ``count``, to find the header in."""

    def read(self, columns: Container[int], after: int, keep: int) -> Grid:
        """Rows after that number with content in one of these columns; at most ``keep`` of them."""


def is_blank(text: str) -> bool:
    """Nothing a person could see."""
    return not trimmed_text(text)


def number_text(value: float) -> str:
    """A number as Excel shows it: 15 digits at most, no ``.0``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.15g}"


def _calendar_text(moment: object) -> str:
    if isinstance(moment, datetime):
        plain = moment.time().isoformat("seconds") == "00:00:00"
        return moment.date().isoformat() if plain else moment.isoformat(" ", "seconds")
    return moment.isoformat() if isinstance(moment, date) else str(moment)
