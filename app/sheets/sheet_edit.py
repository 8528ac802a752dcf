"""Adds cells to the rows of a sheet's XML, on the right of its columns; all other bytes stay."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from openpyxl.utils import get_column_letter

from app.errors import SpreadsheetError
from app.sheets.sheet_writer import LIKE_A_FORMULA, CellValue, cell_xml
from app.sheets.xlsx_edit import (
    ByteEdit,
    Element,
    append_child,
    apply_edits,
    end_of,
    find_elements,
    tag_at,
    tag_name,
    the_element,
    with_attributes,
)
from app.sheets.xlsx_package import NOT_WHOLE, Attributes, integer, is_true, scan
from app.sheets.xlsx_sheet_parser import column_number

# The children of a worksheet that precede its drawing.
_BEFORE_DRAWING = frozenset(
    (
        *("sheetPr", "dimension", "sheetViews", "sheetFormatPr", "cols", "sheetData", "sheetCalcPr"),
        *("sheetProtection", "protectedRanges", "scenarios", "autoFilter", "sortState", "dataConsolidate"),
        *("customSheetViews", "mergeCells", "phoneticPr", "conditionalFormatting", "dataValidations"),
        *("hyperlinks", "printOptions", "pageMargins", "pageSetup", "headerFooter", "rowBreaks", "colBreaks"),
        *("customProperties", "cellWatches", "ignoredErrors", "smartTags"),
    )
)
_RANGE = re.compile(r"\$?([A-Za-z]{1,3})\$?[0-9]{1,7}:\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
_DEFAULT_HEIGHT = 15.0


@dataclass(slots=True)
class NewRow:
    """The cells to write in one row, by column, and the least height in points that a picture needs.

    ``height`` becomes the height of the row afterwards; 0 for a hidden row.
    """

    cells: dict[int, CellValue]
    picture_height: float = 0.0
    height: float = 0.0


@dataclass(frozen=True, slots=True)
class CellStyles:
    """Indexes of cell formats; None where the workbook has no styles."""

    header: int | None = None
    text: int | None = None
    quoted: int | None = None  # text that looks like a formula
    money: int | None = None


@dataclass(slots=True)
class _RowTags:
    """A row of the part: offsets of its tag, of its cells, and of its end tag (None: an empty element)."""

    start: int
    attributes: Attributes
    end_tag: int | None = None
    cells: list[tuple[int, int]] = field(default_factory=list)  # column, offset


class SheetEdit:
    """A sheet's part (UTF-8), scanned once for where its columns end and where its parts are."""

    def __init__(self, part: bytes, numbers: Sequence[int], header_row: int) -> None:
        self.part = part
        self.last_column = self.last_row = 0  # with content
        self.header_style: int | None = None
        self.drawing: str | None = None  # its relationship id
        self._wanted = sorted({*numbers, header_row}, reverse=True)  # the next one is the last
        self._header_row = header_row
        self._rows: dict[int, _RowTags] = {}
        self._missing: dict[int, int] = {}  # row number -> the offset where it belongs
        self._places: dict[str, int] = {}  # offsets of top-level elements
        self._number = self._column = self._depth = 0
        self._row: _RowTags | None = None
        self._cell_style: int | None = None
        self._default_height = _DEFAULT_HEIGHT
        self._drawing_at: int | None = None
        scan(part, self._start, self._end)
        if not {"worksheet", "end of rows"} <= self._places.keys():
            raise SpreadsheetError(NOT_WHOLE)
        for number in self._wanted:
            self._missing[number] = self._places["end of rows"]
        root = tag_name(tag_at(part, self._places["worksheet"])).decode()
        self.prefix = root.removesuffix("worksheet")

    def _start(self, name: str, attributes: Attributes, offset: int) -> None:
        self._depth += 1
        if self._depth <= 2:
            self._start_top(name, attributes, offset)
        elif name == "row":
            self._start_row(attributes, offset)
        elif name == "c":
            self._start_cell(attributes, offset)
        elif name in ("v", "f", "is"):
            self._note_content()
        elif name == "mergeCell":
            self._note_range(attributes.get("ref", ""))

    def _start_top(self, name: str, attributes: Attributes, offset: int) -> None:
        self._places.setdefault(name, offset)
        if name in _BEFORE_DRAWING:
            self._drawing_at = None
        elif self._depth == 2 and self._drawing_at is None:
            self._drawing_at = offset
        if name == "sheetFormatPr":
            self._default_height = _points(attributes.get("defaultRowHeight"), _DEFAULT_HEIGHT)
        elif name == "autoFilter":
            self._note_range(attributes.get("ref", ""))
        elif name == "drawing":
            self.drawing = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), None)

    def _end(self, name: str, offset: int) -> None:
        self._depth -= 1
        if name == "row" and self._row is not None:
            is_empty = tag_at(self.part, self._row.start).endswith(b"/>")
            self._row.end_tag = None if is_empty else offset
            self._row = None
        elif name == "sheetData":
            self._places["end of rows"] = offset
        elif name == "worksheet" and self._drawing_at is None:
            self._drawing_at = offset

    def _start_row(self, attributes: Attributes, offset: int) -> None:
        self._number = integer(attributes, "r") or self._number + 1
        self._column = 0
        while self._wanted and self._wanted[-1] < self._number:
            self._missing[self._wanted.pop()] = offset
        if self._wanted and self._wanted[-1] == self._number:
            self._row = self._rows[self._wanted.pop()] = _RowTags(offset, attributes)

    def _start_cell(self, attributes: Attributes, offset: int) -> None:
        letters = attributes.get("r", "").rstrip("0123456789")
        self._column = column_number(letters.upper()) or self._column + 1
        if self._row is not None:
            self._row.cells.append((self._column, offset))
            self._cell_style = integer(attributes, "s")

    def _note_content(self) -> None:
        self.last_column = max(self.last_column, self._column)
        self.last_row = self._number
        if self._number == self._header_row:
            self.header_style = self._cell_style

    def _note_range(self, reference: str) -> None:
        """Count the columns of a range that reaches the rows of the table."""
        found = _RANGE.fullmatch(reference)
        if found and int(found[3]) >= self._header_row:
            self.last_column = max(self.last_column, column_number(found[2].upper()))

    def is_missing(self, number: int) -> bool:
        """Whether the sheet has no such row."""
        return number in self._missing

    def set_heights(self, rows: Mapping[int, NewRow]) -> None:
        """Set the height of each row: its own where it is fixed, else at least what its picture needs."""
        for number, row in rows.items():
            attributes = self._rows[number].attributes if number in self._rows else {}
            height = _points(attributes.get("ht"), self._default_height)
            if is_true(attributes, "hidden"):
                row.height = 0.0
            elif is_true(attributes, "customHeight"):
                row.height = height
            else:
                row.height = max(height, row.picture_height)

    def edited(
        self,
        rows: Mapping[int, NewRow],
        columns: range,
        styles: CellStyles,
        *,
        widths: Sequence[float] = (),
        drawing: str = "",
    ) -> bytes:
        """The part with these rows' cells in ``columns``; ``drawing`` is the XML of a new drawing, or ""."""
        edits = [
            edit
            for number, row in rows.items()
            if number in self._rows
            for edit in self._row_edits(number, self._rows[number], row, columns, styles)
        ]
        edits += self._new_rows(rows, styles)
        edits += self._dimension_edit(columns, max(rows, default=1))
        edits += self._width_edit(columns, widths) if widths else []
        if drawing and self._drawing_at is not None:
            edits.append((self._drawing_at, self._drawing_at, drawing.encode()))
        return apply_edits(self.part, edits)

    def _row_edits(
        self, number: int, old: _RowTags, row: NewRow, columns: range, styles: CellStyles
    ) -> list[ByteEdit]:
        tag = tag_at(self.part, old.start)
        opened = with_attributes(tag, drop=("spans",), **self._height_attributes(row, old.attributes))
        cells = self._cells(number, row, styles)
        start_edit = (old.start, old.start + len(tag))
        if old.end_tag is None:
            whole = opened.removesuffix(b"/>").rstrip() + b">" + cells + b"</" + tag_name(tag) + b">"
            return [(*start_edit, whole)]
        first = next((at for column, at in old.cells if column >= columns.start), old.end_tag)
        last = next((at for column, at in old.cells if column >= columns.stop), old.end_tag)
        return [(*start_edit, opened), (first, last, cells)]

    def _height_attributes(self, row: NewRow, old: Attributes) -> dict[str, str]:
        if not row.picture_height or not row.height or is_true(old, "customHeight"):
            return {}
        return {"ht": f"{row.height:g}", "customHeight": "1"}

    def _new_rows(self, rows: Mapping[int, NewRow], styles: CellStyles) -> list[ByteEdit]:
        written: dict[int, list[bytes]] = {}
        for number in sorted(rows.keys() & self._missing.keys()):
            row = rows[number]
            values = "".join(f' {name}="{value}"' for name, value in self._height_attributes(row, {}).items())
            opened, closed = f'<{self.prefix}row r="{number}"{values}>', f"</{self.prefix}row>"
            line = opened.encode() + self._cells(number, row, styles) + closed.encode()
            written.setdefault(self._missing[number], []).append(line)
        return [self._rows_at(offset, b"".join(lines)) for offset, lines in written.items()]

    def _rows_at(self, offset: int, lines: bytes) -> ByteEdit:
        start = self._places["sheetData"]
        tag = tag_at(self.part, start)
        if not tag.endswith(b"/>"):
            return offset, offset, lines
        rows = tag.removesuffix(b"/>") + b">" + lines + b"</" + tag_name(tag) + b">"
        return start, start + len(tag), rows

    def _cells(self, number: int, row: NewRow, styles: CellStyles) -> bytes:
        written = []
        for column, value in sorted(row.cells.items()):
            style = styles.text if isinstance(value, str) else styles.money
            if number == self._header_row:
                style = styles.header
            elif isinstance(value, str) and value.startswith(LIKE_A_FORMULA):
                style = styles.quoted
            written.append(cell_xml(f"{get_column_letter(column)}{number}", value, style, self.prefix))
        return "".join(written).encode()

    def _dimension_edit(self, columns: range, last_row: int) -> list[ByteEdit]:
        """Extend the used range, by which some programs stop reading."""
        if "dimension" not in self._places:
            return []
        start = self._places["dimension"]
        tag = tag_at(self.part, start)
        found = re.search(rb"ref=[\"']([A-Z]+[0-9]+)(?::[A-Z]+([0-9]+))?[\"']", tag)
        first = found[1].decode() if found else "A1"
        bottom = max(last_row, int(found[2] or 1) if found else 1)
        reference = f"{first}:{get_column_letter(columns.stop - 1)}{bottom}"
        return [(start, start + len(tag), with_attributes(tag, ref=reference))]

    def _width_edit(self, columns: range, widths: Sequence[float]) -> list[ByteEdit]:
        """Set the widths of new columns, unless the sheet has set them; a hidden range is shown there."""
        p = self.prefix
        new = "".join(
            f'<{p}col min="{column}" max="{column}" width="{width:g}" customWidth="1"/>'
            for column, width in zip(columns, widths, strict=True)
        ).encode()
        if "cols" not in self._places:
            at = self._places["sheetData"]
            return [(at, at, f"<{p}cols>".encode() + new + f"</{p}cols>".encode())]
        parent = the_element(self.part, "cols")
        there = [(*_range_of(each), each) for each in find_elements(self.part, "col")]
        shared = [each for low, high, each in there if low < columns.stop and high >= columns.start]
        if shared:
            is_hidden = len(shared) == 1 and is_true(shared[0].attributes, "hidden")
            return [self._shown(shared[0], columns, new)] if is_hidden else []
        after = next((each.start for low, _, each in there if low >= columns.stop), None)
        return [append_child(self.part, parent, new) if after is None else (after, after, new)]

    def _shown(self, hidden: Element, columns: range, new: bytes) -> ByteEdit:
        """Replace a hidden range by the new columns and what is left of it on either side."""
        low, high = _range_of(hidden)
        tag = tag_at(self.part, hidden.start).removesuffix(b">").removesuffix(b"/") + b"/>"
        left = with_attributes(tag, max=str(columns.start - 1)) if low < columns.start else b""
        right = with_attributes(tag, min=str(columns.stop)) if high >= columns.stop else b""
        return hidden.start, end_of(self.part, hidden), left + new + right


def _range_of(col: Element) -> tuple[int, int]:
    """The first and the last column of a ``<col>``."""
    return integer(col.attributes, "min"), integer(col.attributes, "max")


def _points(text: str | None, default: float) -> float:
    try:
        return float(text or default)
    except ValueError:
        return default
