"""``.xlsx`` and ``.xlsm`` bytes -> grids, in one bounded pass over the XML of each sheet.

Does not use openpyxl, whose reader unpacks without a limit, does not distinguish a formula without a result
from an empty cell, and loses merged and hidden cells when streaming. Macros are ignored, images only counted.
"""

from __future__ import annotations

from collections.abc import Container

from app.errors import SpreadsheetError
from app.sheets.limits import MAX_COLUMN, MAX_SHEETS, Attributes, OoxmlPackage
from app.sheets.table import Grid, Row
from app.sheets.xlsx_images import count_floating, has_placed_pictures
from app.sheets.xlsx_relationships import main_part, relations_of
from app.sheets.xlsx_sheet_parser import SheetParser
from app.sheets.xlsx_styles import Shared, read_strings, read_styles, whole_number


class Workbook:
    """The sheets of a workbook; sheets, shared strings and styles are read on first use."""

    def __init__(self, package: OoxmlPackage) -> None:
        self._package = package
        self._main = main_part(package)
        self._relations = relations_of(package, self._main)
        self._shared: Shared | None = None
        self._since_1904 = False
        self._active = 0
        self.sheets = self._list_sheets()

    @property
    def package(self) -> OoxmlPackage:
        """The zip it was opened from."""
        return self._package

    @property
    def shared(self) -> Shared:
        """Shared strings and styles, read on first use."""
        if self._shared is None:
            self._shared = Shared(
                strings=read_strings(self._package, self._related("sharedStrings")),
                styles=read_styles(self._package, self._related("styles")),
                since_1904=self._since_1904,
                placed_pictures=has_placed_pictures(self._package),
            )
        return self._shared

    def _related(self, kind: str) -> str | None:
        found = (part for what, part in self._relations.values() if what == kind and part in self._package)
        return next(found, None)

    def _list_sheets(self) -> list[WorkbookSheet]:
        sheets: list[WorkbookSheet | None] = []

        def start(name: str, attributes: Attributes) -> None:
            if name == "workbookPr":
                self._since_1904 = attributes.get("date1904") in ("1", "true")
            elif name == "workbookView" and not sheets:
                self._active = whole_number(attributes.get("activeTab"))
            elif name == "sheet":
                sheets.append(self._sheet(attributes, len(sheets) == self._active))
            if len(sheets) > MAX_SHEETS:
                raise SpreadsheetError(f"这个文件有超过 {MAX_SHEETS} 个工作表，请只留下提示词表再导入")

        self._package.walk(self._main, start)
        return [sheet for sheet in sheets if sheet]

    def _sheet(self, attributes: Attributes, is_active: bool) -> WorkbookSheet | None:
        """The sheet of a workbook entry; None for a chart or a missing part."""
        relation = next((v for k, v in attributes.items() if k.rpartition(":")[2] == "id"), "")
        kind, part = self._relations.get(relation, ("", ""))
        if kind != "worksheet" or part not in self._package:
            return None
        hidden = attributes.get("state", "visible") != "visible"
        return WorkbookSheet(self, attributes.get("name", ""), part, hidden=hidden, active=is_active)


class WorkbookSheet:
    """One sheet of a workbook; each read parses its XML again."""

    def __init__(self, book: Workbook, name: str, part: str, *, hidden: bool, active: bool) -> None:
        self._book = book
        self._part = part
        self.name = name
        self.hidden = hidden
        self.active = active

    def top(self, count: int) -> list[Row]:
        """The non-empty rows numbered up to ``count``."""
        parser = SheetParser(self._book.shared, range(1, MAX_COLUMN + 1), 0, count, stop_at=count)
        parser.through(self._book.package, self._part)
        return parser.grid.rows

    def read(self, columns: Container[int], after: int, keep: int) -> Grid:
        """At most ``keep`` rows after row ``after`` with content in one of ``columns``."""
        parser = SheetParser(self._book.shared, columns, after, keep)
        parser.through(self._book.package, self._part)
        parser.grid.floating_pictures = count_floating(self._book.package, self._part)
        return parser.grid
