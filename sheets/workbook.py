"""``.xlsx`` and ``.xlsm`` bytes -> grids, in one bounded pass over the XML of each sheet.

Read here and not by openpyxl: its reader unpacks without bound, cannot tell a formula without a result from
an empty cell, and forgets merged and hidden cells when it streams. Macros and pictures are never looked at.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Container
from dataclasses import dataclass

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format

from errors import SpreadsheetError
from sheets.bounds import (
    MAX_CELL_LENGTH,
    MAX_CELLS,
    MAX_COLUMN,
    MAX_MERGES,
    MAX_RELATIONS,
    MAX_SHEET_ROWS,
    MAX_SHEETS,
    MAX_STYLES,
    TOO_MUCH,
    Attributes,
    Enough,
    Package,
    TextBudget,
)
from sheets.grid import Grid, Merge, Moment, Row, Unreadable, Value, is_blank

# Date formats that only East Asian editions of Excel name by number.
_EAST_ASIAN_DATES = {*range(27, 37), *range(50, 59)}
_LETTERS = {letter: number for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1)}
_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")
_NO_RESULT = "这格是公式，文件里没有存下结果，请在 Excel 里打开并保存一次，或复制后「粘贴为值」"
_ERROR = "这格是公式出错的结果，请改正公式或直接填写内容"


@dataclass(frozen=True, slots=True)
class Styles:
    """What number formats do to a number: which styles make it a date, which pad it with zeros."""

    dates: frozenset[int]
    padded: dict[int, int]


class Workbook:
    """The workbook's sheets, opened but not read; shared strings and styles are read when first needed."""

    def __init__(self, package: Package) -> None:
        self._package = package
        self._main = _main_part(package)
        self._relations = _relations(package, self._main)
        self._strings: list[str] | None = None
        self._styles: Styles | None = None
        self.since_1904 = False
        self.sheets = self._list_sheets()

    @property
    def package(self) -> Package:
        """The zip it came in."""
        return self._package

    @property
    def strings(self) -> list[str]:
        """The shared strings, formatting and phonetic hints left out."""
        if self._strings is None:
            self._strings = _read_strings(self._package, self._related("sharedStrings"))
        return self._strings

    @property
    def styles(self) -> Styles:
        """The number formats that change what a number means."""
        if self._styles is None:
            self._styles = _read_styles(self._package, self._related("styles"))
        return self._styles

    def _related(self, kind: str) -> str | None:
        found = (part for what, part in self._relations.values() if what == kind and part in self._package)
        return next(found, None)

    def _list_sheets(self) -> list[WorkbookSheet]:
        sheets: list[WorkbookSheet | None] = []

        def start(name: str, attributes: Attributes) -> None:
            if name == "workbookPr":
                self.since_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "sheet":
                sheets.append(self._sheet(attributes))
            if len(sheets) > MAX_SHEETS:
                raise SpreadsheetError(f"这个文件有超过 {MAX_SHEETS} 个工作表，请只留下提示词表再导入")

        self._package.walk(self._main, start)
        return [sheet for sheet in sheets if sheet]

    def _sheet(self, attributes: Attributes) -> WorkbookSheet | None:
        """The sheet an entry of the workbook names; None for charts and for what is not there."""
        relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
        kind, part = self._relations.get(relation, ("", ""))
        if kind != "worksheet" or part not in self._package:
            return None
        hidden = attributes.get("state", "visible") != "visible"
        return WorkbookSheet(self, attributes.get("name", ""), part, hidden)


class WorkbookSheet:
    """One sheet of a workbook; reading it walks its XML anew."""

    def __init__(self, book: Workbook, name: str, part: str, hidden: bool) -> None:
        self._book = book
        self._part = part
        self.name = name
        self.hidden = hidden

    def top(self, count: int) -> list[Row]:
        """The rows numbered up to ``count`` with something in them."""
        walk = _SheetWalk(self._book, range(1, MAX_COLUMN + 1), 0, count, stop_at=count)
        walk.through(self._part)
        return walk.grid.rows

    def read(self, columns: Container[int], after: int, keep: int) -> Grid:
        """Rows after that number with content in one of these columns; at most ``keep`` of them."""
        walk = _SheetWalk(self._book, columns, after, keep)
        walk.through(self._part)
        return walk.grid


class _SheetWalk:
    """What is known at one point of a walk through a sheet's XML."""

    def __init__(
        self, book: Workbook, columns: Container[int], after: int, keep: int, stop_at: int | None = None
    ) -> None:
        self.grid = Grid()
        self._book = book
        self._columns = columns
        self._after = after
        self._keep = keep
        self._stop_at = stop_at
        self._strings = book.strings
        self._styles = book.styles
        self._letters = TextBudget()
        self._cells_left = MAX_CELLS
        self._column_of: dict[str, int] = {}
        self._row = self._column = self._seen_rows = 0
        self._hidden = self._wanted = False
        self._values: dict[int, Value] = {}
        self._kind = "n"
        self._style = 0
        self._text: list[str] | None = None
        self._content = ""
        self._inline: list[str] = []
        self._formula: str | None = None
        self._phonetic = False

    def through(self, part: str) -> None:
        """Walk the part."""
        self._book.package.walk(part, self._start, self._end, self._characters)

    def _start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            self._start_cell(attributes)
        elif name == "row":
            self._start_row(attributes)
        elif name in ("v", "t", "f"):
            self._text = []
        elif name == "rPh":
            self._phonetic = True
        elif name == "mergeCell":
            self._add_merge(attributes.get("ref", ""))
        elif (
            name == "col"
            and len(self.grid.hidden_columns) < MAX_COLUMN
            and attributes.get("hidden") in ("1", "true")
        ):
            first, last = attributes.get("min", ""), attributes.get("max", "")
            if first.isdecimal() and last.isdecimal() and len(first + last) < 12:
                self.grid.hidden_columns.append((int(first), int(last)))

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _end(self, name: str) -> None:
        if name == "c":
            self._end_cell()
        elif name == "row":
            self._end_row()
        elif name == "rPh":
            self._phonetic = False
        elif name in ("v", "t", "f") and self._text is not None:
            text, self._text = "".join(self._text), None
            if name == "v":
                self._content = text
            elif name == "f":
                self._formula = text
            elif not self._phonetic:
                self._inline.append(text)

    def _start_row(self, attributes: Attributes) -> None:
        number = attributes.get("r", "")
        self._row = int(number) if number.isdecimal() and len(number) < 9 else self._row + 1
        if self._stop_at is not None and self._row > self._stop_at:
            raise Enough
        self._seen_rows += 1
        if self._seen_rows > MAX_SHEET_ROWS:
            raise SpreadsheetError(
                f"工作表有超过 {MAX_SHEET_ROWS} 行（含空行），请删掉多余的行再导入，一次最多 5000 行"
            )
        self._hidden = attributes.get("hidden") in ("1", "true")
        self._column = 0
        self._values = {}

    def _end_row(self) -> None:
        if not self._values or self._row <= self._after:
            return
        if len(self.grid.rows) >= self._keep:
            self.grid.beyond += 1
            return
        self.grid.rows.append(Row(self._row, self._values))
        if self._hidden:
            self.grid.hidden_rows.add(self._row)

    def _start_cell(self, attributes: Attributes) -> None:
        self._cells_left -= 1
        if self._cells_left < 0:
            raise SpreadsheetError(TOO_MUCH)
        reference = attributes.get("r")
        if reference:
            letters = reference.rstrip("0123456789")
            column = self._column_of.get(letters)
            if column is None:
                column = column_number(letters)
                if column:
                    self._column_of[letters] = column
            self._column = column
        else:
            self._column += 1
        self._wanted = self._column in self._columns
        self._kind = attributes.get("t", "n")
        style = attributes.get("s", "")
        self._style = int(style) if style.isdecimal() and len(style) < 9 else 0
        self._content = ""
        self._inline = []
        self._formula = None

    def _end_cell(self) -> None:
        if not self._wanted:
            return
        value = self._value()
        if value is not None and not (isinstance(value, str) and is_blank(value)):
            if isinstance(value, str) and len(value) > MAX_CELL_LENGTH:
                raise SpreadsheetError(
                    f"第 {self._row} 行有一格写了 {len(value)} 字，最多 {MAX_CELL_LENGTH} 字，请缩短后再导入",
                    row=self._row,
                )
            if isinstance(value, str):
                self._letters.spend(len(value))
            self._values[self._column] = value

    def _value(self) -> Value | None:
        kind, content = self._kind, self._content
        if kind == "s":
            return self._shared(content)
        if kind == "inlineStr":
            return unescape("".join(self._inline))
        if kind == "str":
            return unescape(content)
        if not content:
            return None if self._formula is None else Unreadable(f"={self._formula[:60]}", _NO_RESULT)
        if kind == "e":
            return Unreadable(content[:60], _ERROR)
        if kind == "b":
            return "TRUE" if content.strip() in ("1", "true") else "FALSE"
        if kind == "d":
            return Moment.of_iso(content.strip()[:40])
        return self._number(content.strip())

    def _shared(self, index: str) -> str | None:
        if not index.strip().isdecimal() or len(index) > 9:
            return None
        number = int(index)
        if number >= len(self._strings):
            raise SpreadsheetError(
                f"第 {self._row} 行有一格的文字在文件里找不到，请在 Excel 里重新保存一次再导入"
            )
        return self._strings[number]

    def _number(self, content: str) -> Value:
        try:
            number = float(content)
        except ValueError:
            return content
        if not math.isfinite(number):
            return content
        if self._style in self._styles.dates:
            return Moment.of_serial(number, since_1904=self._book.since_1904)
        if not number.is_integer() or abs(number) >= 1e15:
            return number
        width = self._styles.padded.get(self._style)
        return f"{int(number):0{width}}" if width else int(number)

    def _add_merge(self, reference: str) -> None:
        found = re.fullmatch(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7}):\$?[A-Za-z]{1,3}\$?([0-9]{1,7})", reference)
        if len(self.grid.merges) >= MAX_MERGES:
            raise SpreadsheetError(TOO_MUCH)
        if found:
            column, first, last = column_number(found[1].upper()), int(found[2]), int(found[3])
            self.grid.merges.append(Merge(column, first, last, reference))


def column_number(letters: str) -> int:
    """``A`` -> 1, ``XFD`` -> 16384; 0 for what is no column."""
    number = 0
    for letter in letters if len(letters) <= 3 else "":
        number = number * 26 + _LETTERS.get(letter, 0)
    return number


def unescape(text: str) -> str:
    """``_x000D_`` -> the character it stands for; the way workbooks write what XML cannot."""
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


def _read_strings(package: Package, part: str | None) -> list[str]:
    strings: list[str] = []
    pieces: list[str] = []
    letters = TextBudget()
    inside = phonetic = False

    def start(name: str, _attributes: Attributes) -> None:
        nonlocal inside, phonetic
        if name == "t":
            inside = not phonetic
        elif name == "rPh":
            phonetic = True

    def end(name: str) -> None:
        nonlocal inside, phonetic
        if name == "t":
            inside = False
        elif name == "rPh":
            phonetic = False
        elif name == "si":
            strings.append(unescape("".join(pieces)))
            pieces.clear()

    def text(characters: str) -> None:
        if inside:
            letters.spend(len(characters))
            pieces.append(characters)

    if part:
        package.walk(part, start, end, text)
    return strings


def _read_styles(package: Package, part: str | None) -> Styles:
    formats: dict[int, str] = dict(BUILTIN_FORMATS)
    used: list[int] = []
    inside = False

    def start(name: str, attributes: Attributes) -> None:
        nonlocal inside
        if len(formats) > MAX_STYLES or len(used) > MAX_STYLES:
            raise SpreadsheetError(TOO_MUCH)
        if name == "numFmt":
            formats[_whole(attributes.get("numFmtId"))] = attributes.get("formatCode", "")[:255]
        elif name == "cellXfs":
            inside = True
        elif name == "xf" and inside:
            used.append(_whole(attributes.get("numFmtId")))

    def end(name: str) -> None:
        nonlocal inside
        if name == "cellXfs":
            inside = False

    if part:
        package.walk(part, start, end)
    dates = {
        number for number in set(used) if number in _EAST_ASIAN_DATES or is_date_format(formats.get(number))
    }
    zeros = {number: len(code) for number, code in formats.items() if re.fullmatch("00{1,19}", code)}
    return Styles(
        dates=frozenset(style for style, number in enumerate(used) if number in dates),
        padded={style: zeros[number] for style, number in enumerate(used) if number in zeros},
    )


def _whole(text: str | None) -> int:
    return int(text) if text and text.isdecimal() and len(text) < 9 else 0


def _main_part(package: Package) -> str:
    relations = _relations(package, "")
    found = (part for kind, part in relations.values() if kind == "officeDocument" and part in package)
    part = next(found, "xl/workbook.xml")
    if part not in package:
        raise SpreadsheetError("这个文件里没有工作簿，请在 Excel 里另存为 .xlsx 再导入")
    return part


def _relations(package: Package, part: str) -> dict[str, tuple[str, str]]:
    """Relation id -> (kind, part), as told beside that part."""
    folder, name = posixpath.split(part)
    relations: dict[str, tuple[str, str]] = {}

    def start(element: str, attributes: Attributes) -> None:
        if len(relations) > MAX_RELATIONS:
            raise SpreadsheetError(TOO_MUCH)
        if element == "Relationship" and attributes.get("TargetMode") != "External":
            target = attributes.get("Target", "").replace("\\", "/")
            path = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
            relations[attributes.get("Id", "")] = (attributes.get("Type", "").rpartition("/")[2], path)

    beside = posixpath.join(folder, "_rels", f"{name}.rels")
    if beside in package:
        package.walk(beside, start)
    return relations
