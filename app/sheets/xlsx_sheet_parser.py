"""Event-driven parser of a sheet's XML: cells -> values, rows with content -> a grid, within ``limits``."""

from __future__ import annotations

import math
import re
from collections.abc import Container

from app.domain import MAX_OWN_TEXT_LENGTH
from app.errors import SpreadsheetError
from app.sheets.limits import MAX_CELLS, MAX_COLUMN, MAX_MERGES, MAX_SHEET_ROWS, TOO_MUCH, TextBudget
from app.sheets.table import (
    ExcelTime,
    FormattedNumber,
    Grid,
    Merge,
    SheetRow,
    UnreadableCell,
    Value,
    is_blank,
)
from app.sheets.xlsx_package import (
    Attributes,
    OoxmlPackage,
    StopParsing,
    image_of_formula,
    image_of_text,
    integer,
    is_true,
    placed_image,
)
from app.sheets.xlsx_styles import Shared, unescape

_LETTERS = {letter: number for number, letter in enumerate("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1)}
_MERGE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7}):\$?[A-Za-z]{1,3}\$?([0-9]{1,7})")
_NO_RESULT = "这格是公式，文件里没有存下结果，请在 Excel 里打开并保存一次，或复制后「粘贴为值」"
_ERROR = "这格是公式出错的结果，请改正公式或直接填写内容"


class SheetParser:
    """The state of parsing one sheet; the arguments are those of ``Sheet.read``."""

    def __init__(
        self,
        shared: Shared,
        columns: Container[int],
        after: int,
        max_rows: int,
        stop_at: int | None = None,
        own: Container[int] = frozenset(),
    ) -> None:
        self._grid = Grid()
        self._columns = columns
        self._own_columns = own
        self._after = after
        self._max_rows = max_rows
        self._stop_at = stop_at
        self._shared = shared
        self._budget = TextBudget()
        self._cells_left = MAX_CELLS
        self._column_of: dict[str, int] = {}
        self._row = self._column = self._seen_rows = 0
        self._hidden = self._wanted = self._is_own = self._has_content = False
        self._values: dict[int, Value] = {}
        self._own: dict[int, Value] = {}
        self._kind = "n"
        self._is_rich = False
        self._style = 0
        self._text: list[str] | None = None
        self._content = ""
        self._inline: list[str] = []
        self._formula: str | None = None
        self._phonetic = False

    def parse(self, package: OoxmlPackage, part: str) -> Grid:
        """Parse the part, up to row ``stop_at``."""
        package.walk(part, self._start, self._end, self._characters)
        return self._grid

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
        elif name == "col" and is_true(attributes, "hidden") and len(self._grid.hidden_columns) < MAX_COLUMN:
            self._grid.hidden_columns.append((integer(attributes, "min"), integer(attributes, "max")))

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
        self._row = integer(attributes, "r") or self._row + 1
        if self._stop_at is not None and self._row > self._stop_at:
            raise StopParsing
        self._seen_rows += 1
        if self._seen_rows > MAX_SHEET_ROWS:
            text = "工作表有超过 {limit} 行（含空行），请删掉多余的行再导入，一次最多 20000 行"
            raise SpreadsheetError(text, limit=MAX_SHEET_ROWS)
        self._hidden = is_true(attributes, "hidden")
        self._column = 0
        self._values = {}
        self._own = {}
        self._has_content = False

    def _end_row(self) -> None:
        if not self._has_content or self._row <= self._after:
            return
        if len(self._grid.rows) >= self._max_rows:
            self._grid.dropped += 1
            return
        self._grid.rows.append(SheetRow(self._row, self._values, self._own))
        if self._hidden:
            self._grid.hidden_rows.add(self._row)

    def _start_cell(self, attributes: Attributes) -> None:
        self._cells_left -= 1
        if self._cells_left < 0:
            raise SpreadsheetError(TOO_MUCH)
        reference = attributes.get("r")
        if reference:
            letters = reference.rstrip("0123456789")
            self._column = self._column_of.get(letters) or self._add_column(letters)
        else:
            self._column += 1
        self._wanted = self._column in self._columns
        self._is_own = not self._wanted and self._column in self._own_columns
        self._kind = attributes.get("t", "n")
        self._is_rich = "vm" in attributes and "cm" not in attributes  # with cm: a spill error
        style = attributes.get("s", "")
        self._style = int(style) if style.isdecimal() and len(style) < 9 else 0
        self._content = ""
        self._inline = []
        self._formula = None

    def _add_column(self, letters: str) -> int:
        number = column_number(letters)
        if number:
            self._column_of[letters] = number
        return number

    def _end_cell(self) -> None:
        if not (self._wanted or self._is_own):
            return
        value = self._value()
        if value is None or is_blank(value):
            return
        if self._is_own:
            self._add_own(value)
            return
        if isinstance(value, str):
            self._budget.spend_cell(self._row, value)
        self._values[self._column] = value
        if self._formula is None or value != 0:
            self._has_content = True

    def _add_own(self, value: Value) -> None:
        decimal_format = self._shared.styles.decimals.get(self._style)
        if decimal_format and isinstance(value, int | float) and not isinstance(value, FormattedNumber):
            value = decimal_format.display(value) if abs(value) < 1e15 else value
        if isinstance(value, str):
            value = value[: MAX_OWN_TEXT_LENGTH + 1]  # one more shows that it was cut
            self._budget.spend(len(value))
        self._own[self._column] = value

    def _value(self) -> Value | None:
        kind, content = self._kind, self._content
        if kind == "s":
            return self._shared_string(content)
        if kind == "inlineStr":
            return unescape("".join(self._inline))
        if self._formula is not None and (
            image := image_of_formula(self._formula, content, failed=kind == "e")
        ):
            return image
        if kind == "str":
            return unescape(content)
        if not content:
            return None if self._formula is None else UnreadableCell(f"={self._formula[:60]}", _NO_RESULT)
        if kind == "e":
            if self._is_rich and self._shared.placed_images:
                return placed_image(content)
            return UnreadableCell(content[:60], _ERROR)
        if kind == "b":
            return "TRUE" if content.strip() in ("1", "true") else "FALSE"
        if kind == "d":
            return ExcelTime.of_iso(content.strip()[:40])
        return self._number(content.strip())

    def _shared_string(self, index: str) -> Value | None:
        if not index.strip().isdecimal() or len(index) > 9:
            return None
        number = int(index)
        if number >= len(self._shared.strings):
            text = "第 {number} 行有一格的文字在文件里找不到，请在 Excel 里重新保存一次再导入"
            raise SpreadsheetError(text, number=self._row)
        string = self._shared.strings[number]
        return image_of_text(string) or string if string[:1] == "=" else string

    def _number(self, content: str) -> Value:
        try:
            number = float(content)
        except ValueError:
            return content
        if not math.isfinite(number):
            return content
        whole = int(number) if number.is_integer() and abs(number) < 1e15 else None
        if whole is not None:
            number_format = self._shared.styles.formats.get(self._style)
            text = number_format.display(whole) if number_format else None
            if text is None and whole == 0 and self._formula is not None:
                text = ""  # of a formula on an empty cell
            if text is not None:
                return FormattedNumber(whole, text)
        if self._style in self._shared.styles.dates:
            return ExcelTime.of_serial(number, since_1904=self._shared.since_1904)
        return number if whole is None else whole

    def _add_merge(self, reference: str) -> None:
        if len(self._grid.merges) >= MAX_MERGES:
            raise SpreadsheetError(TOO_MUCH)
        if found := _MERGE.fullmatch(reference):
            column, first, last = column_number(found[1].upper()), int(found[2]), int(found[3])
            self._grid.merges.append(Merge(column, first, last, reference))


def column_number(letters: str) -> int:
    """``A`` -> 1, ``XFD`` -> 16384; 0 for an invalid column."""
    number = 0
    for letter in letters if len(letters) <= 3 else "":
        number = number * 26 + _LETTERS.get(letter, 0)
    return number
