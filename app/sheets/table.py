"""Types of a sheet as read, before interpretation."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass, field
from datetime import date, datetime

from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

from app.domain import trimmed_text

_ISO_TIME = re.compile(r"(?:PT|T)?([0-9]{1,2})(?::|H)([0-9]{1,2})(?::([0-9]{2})(?:\.[0-9]*)?|M)?(?:0?S)?Z?")


@dataclass(frozen=True, slots=True)
class ExcelTime:
    """A date or time as displayed; ``clock`` is ``16:9`` for 16:09, None for a date."""

    text: str
    clock: str | None = None

    @classmethod
    def of_serial(cls, serial: float, *, since_1904: bool) -> ExcelTime:
        """From days since the workbook's epoch."""
        if 0 <= serial < 1 and (seconds := round(serial * 86_400)) < 86_400:
            return cls.of_clock(seconds // 3600, seconds // 60 % 60, seconds % 60)
        try:
            time = from_excel(serial, MAC_EPOCH if since_1904 else WINDOWS_EPOCH)
        except (OverflowError, ValueError):
            return cls(number_text(serial))
        return cls(_calendar_text(time))

    @classmethod
    def of_iso(cls, text: str) -> ExcelTime:
        """From ``16:09:00``, ``PT16H9M`` or a date in ISO 8601."""
        found = _ISO_TIME.fullmatch(text)
        if not found:
            return cls(text.replace("T00:00:00", "").replace("T", " ").removesuffix("Z"))
        hours, minutes, seconds = (int(part or 0) for part in found.groups())
        return cls.of_clock(hours, minutes, seconds)

    @classmethod
    def of_clock(cls, hours: int, minutes: int, seconds: int) -> ExcelTime:
        """From a time of day; ``0:16:09`` is sixteen minutes nine seconds."""
        if seconds == 0:
            return cls(f"{hours}:{minutes:02}", f"{hours}:{minutes}")
        clock = f"{minutes}:{seconds}" if hours == 0 else None
        return cls(f"{hours}:{minutes:02}:{seconds:02}", clock)


@dataclass(frozen=True, slots=True)
class UnreadableCell:
    """A cell without a usable value: an error, an image, or a formula without a stored result."""

    text: str
    error: str


class FormattedNumber(int):
    """A whole number and its displayed text: ``007``, ``SKU-001``.

    ``text`` is "" for a formula with result 0, such as a reference to an empty cell.
    Numeric columns use the number, text columns use ``text``.
    """

    text: str

    def __new__(cls, number: int, text: str) -> FormattedNumber:
        """The number with its displayed text."""
        formatted = super().__new__(cls, number)
        formatted.text = text
        return formatted


Value = str | int | float | ExcelTime | UnreadableCell


@dataclass(frozen=True, slots=True)
class SheetRow:
    """One row: ``number`` in the sheet, ``values`` by 1-based column without blank cells.

    ``own`` are the cells of the user's own columns, which do not make a row one with content.
    """

    number: int
    values: dict[int, Value]
    own: dict[int, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Merge:
    """A merged range; rows and columns are 1-based."""

    first_column: int
    first_row: int
    last_row: int
    name: str


@dataclass(slots=True)
class Grid:
    """Rows with content, in the sheet's order; ``dropped`` counts rows beyond the limit.

    ``rows_too_wide`` have more cells than the header: probably a separator inside a text.
    ``floating_images`` counts images anchored over the cells.
    """

    rows: list[SheetRow] = field(default_factory=list)
    dropped: int = 0
    merges: list[Merge] = field(default_factory=list)
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[tuple[int, int]] = field(default_factory=list)
    rows_too_wide: list[int] = field(default_factory=list)
    floating_images: int = 0

    def add(
        self, row: SheetRow, columns: Container[int], after: int, max_rows: int, own: Container[int]
    ) -> None:
        """Add a row of a sheet as its ``read`` takes it: when it has content in ``columns``."""
        values = {column: value for column, value in row.values.items() if column in columns}
        if row.number > after and values and len(self.rows) >= max_rows:
            self.dropped += 1
        elif row.number > after and values:
            others = {column: value for column, value in row.values.items() if column in own}
            self.rows.append(SheetRow(row.number, values, others))


def is_blank(value: Value | None) -> bool:
    """Whether a cell has no visible character."""
    return value is None or (isinstance(value, str) and not trimmed_text(value))


def display_text(value: Value) -> str:
    """A cell's value as displayed, numbers without their format."""
    if isinstance(value, ExcelTime | UnreadableCell):
        return value.text
    return value if isinstance(value, str) else number_text(value)


def own_text(value: Value | None) -> str:
    """A cell of an own column as displayed; empty for a formula without result and for an image."""
    if value is None:
        return ""
    if isinstance(value, FormattedNumber):
        return value.text
    if isinstance(value, UnreadableCell) and value.text.startswith("="):
        return ""
    return trimmed_text(display_text(value))


def number_text(value: float) -> str:
    """A number as displayed by Excel: at most 15 digits, no ``.0``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:.15g}"


def _calendar_text(time: object) -> str:
    if isinstance(time, datetime):
        plain = time.time().isoformat("seconds") == "00:00:00"
        return time.date().isoformat() if plain else time.isoformat(" ", "seconds")
    return time.isoformat() if isinstance(time, date) else str(time)
