"""``.xlsx`` and ``.xlsm`` bytes -> grids, in one bounded pass over the XML of each sheet.

Does not use openpyxl, whose reader unpacks without a limit, does not distinguish a formula without a result
from an empty cell, and loses merged and hidden cells when streaming. Macros are ignored, images only counted.
"""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_COLUMN, MAX_SHEETS
from app.sheets.table import Grid, SheetRow
from app.sheets.xlsx_package import (
    Attributes,
    OoxmlPackage,
    count_floating,
    has_placed_images,
    integer,
    is_true,
)
from app.sheets.xlsx_sheet_parser import SheetParser
from app.sheets.xlsx_styles import Shared, read_strings, read_styles


class XlsxWorkbook:
    """The sheets of a workbook, listed when it is opened and read on demand."""

    def __init__(self, package: OoxmlPackage) -> None:
        self.package = package
        main = _part_of_kind(package.relations(""), "officeDocument") or "xl/workbook.xml"
        if main not in package:
            raise SpreadsheetError("这个文件里没有工作簿，请在 Excel 里另存为 .xlsx 再导入")
        self._relations = package.relations(main)
        self._since_1904 = False
        self.sheets = self._list_sheets(main)

    @cached_property
    def shared(self) -> Shared:
        """Shared strings and styles, read on first use."""
        return Shared(
            strings=read_strings(self.package, _part_of_kind(self._relations, "sharedStrings")),
            styles=read_styles(self.package, _part_of_kind(self._relations, "styles")),
            since_1904=self._since_1904,
            placed_images=has_placed_images(self.package),
        )

    @property
    def styles_part(self) -> str | None:
        """The part with the cell styles."""
        return _part_of_kind(self._relations, "styles")

    def _list_sheets(self, main: str) -> list[WorkbookSheet]:
        sheets: list[WorkbookSheet | None] = []
        active = 0

        def start(name: str, attributes: Attributes) -> None:
            nonlocal active
            if name == "workbookPr":
                self._since_1904 = is_true(attributes, "date1904")
            elif name == "workbookView" and not sheets:
                active = integer(attributes, "activeTab")
            elif name == "sheet":
                sheets.append(self._sheet(attributes, is_active=len(sheets) == active))
            if len(sheets) > MAX_SHEETS:
                text = "这个文件有超过 {limit} 个工作表，请只留下提示词表再导入"
                raise SpreadsheetError(text, limit=MAX_SHEETS)

        self.package.walk(main, start)
        return [sheet for sheet in sheets if sheet]

    def _sheet(self, attributes: Attributes, *, is_active: bool) -> WorkbookSheet | None:
        """The sheet of a workbook entry; None for a chart or a missing part."""
        relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
        kind, part = self._relations.get(relation, ("", ""))
        if kind != "worksheet":
            return None
        hidden = attributes.get("state", "visible") != "visible"
        return WorkbookSheet(attributes.get("name", ""), hidden, is_active, part, self)


@dataclass(frozen=True, slots=True)
class WorkbookSheet:
    """One sheet of a workbook; each read parses its XML again."""

    name: str
    hidden: bool
    active: bool
    part: str
    _book: XlsxWorkbook

    def top(self, count: int) -> list[SheetRow]:
        """The non-empty rows numbered up to ``count``."""
        parser = SheetParser(self._book.shared, range(1, MAX_COLUMN + 1), 0, count, stop_at=count)
        return parser.parse(self._book.package, self.part).rows

    def read(
        self, columns: Container[int], after: int, max_rows: int, own: Container[int] = frozenset()
    ) -> Grid:
        """At most ``max_rows`` rows after row ``after`` with content in ``columns``; see ``SheetRow.own``."""
        parser = SheetParser(self._book.shared, columns, after, max_rows, own=own)
        grid = parser.parse(self._book.package, self.part)
        grid.floating_images = count_floating(self._book.package, self.part)
        return grid


def _part_of_kind(relations: dict[str, tuple[str, str]], kind: str) -> str | None:
    return next((part for found, part in relations.values() if found == kind), None)
