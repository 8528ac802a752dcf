"""The results of a batch or table written into the imported file, on the right of the user's own columns.

Only the parts of the package that must change are edited; all others are copied byte for byte.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, zip_longest
from operator import attrgetter
from pathlib import PurePath

from app.domain import MAX_ROW_NUMBER, Batch, Record, Status, WorkbookFile, mark_word
from app.domain.recipes import ROLE_COLUMN
from app.errors import Message, SpreadsheetError, Translate, message
from app.sheets.file_types import converted, is_ooxml
from app.sheets.header_synonyms import SHEET_COLUMN
from app.sheets.headers import (
    MARK_LABEL,
    OWN_RESULT_LABELS,
    PICK_MARKS,
    PRODUCT_RESULT_LABELS,
    RESULT_STATUSES,
    SENT_PROMPT_LABEL,
    find_header,
    result_columns,
    role_label,
)
from app.sheets.importer import Import, read_workbook
from app.sheets.limits import MAX_CELL_LENGTH
from app.sheets.sheet_edit import CellStyles, NewRow, SheetEdit
from app.sheets.sheet_writer import CellValue
from app.sheets.table import display_text
from app.sheets.xlsx_edit import CONTENT_TYPES, as_utf8, batch_of_package, batch_property_parts, with_styles
from app.sheets.xlsx_package import OoxmlPackage
from app.sheets.xlsx_pictures import (
    LEFT_OUT,
    THUMBNAIL_BOX,
    FilledSheet,
    Place,
    Thumbnails,
    open_drawing,
    package_with_pictures,
    picture_numbers,
)
from app.sheets.xlsx_reader import WorkbookSheet, XlsxWorkbook

_WIDTHS = (12, 30, 26, 10, 8, 14, 24, 44, 10)  # the last: of earlier versions
_THUMBNAIL = OWN_RESULT_LABELS.index("缩略图")
_PRODUCT_WIDTHS = (12, 30, 26, 10, 8, 24)  # without a column of thumbnails
_ROLE_WIDTH = 20
_PICTURE_HEIGHT = 62.0  # points, for a thumbnail of 76 pixels
_TEXT_HEIGHT = 15.0  # points, of the name of a file above its picture
_MOST_NAMES = 10  # above a picture
_LAST_COLUMN = 16_384
_MARGIN = 6  # pixels of a cell around its picture
_MACROS = b"macroEnabled"


@dataclass(frozen=True, slots=True)
class OwnResults:
    """The workbook as a stream; ``has_macros`` decides between ``.xlsm`` and ``.xlsx``."""

    pieces: Iterator[bytes]
    name: str  # of the imported file, without its ending
    has_macros: bool

    @property
    def ending(self) -> str:
        """``.xlsx`` or ``.xlsm``."""
        return ".xlsm" if self.has_macros else ".xlsx"

    @property
    def mimetype(self) -> str:
        """The media type of a workbook with or without macros."""
        plain = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
        return "application/vnd.ms-excel.sheet.macroEnabled.12" if self.has_macros else plain


def own_result_notes(file: WorkbookFile, sheets: Iterable[str]) -> list[Message]:
    """What cannot be carried through when results are written into these sheets of the file."""
    if not is_ooxml(file.content):
        kind = PurePath(file.filename).suffix.lower() or ".csv"
        text = "结果会填进一份新的 .xlsx：{kind} 里的文字和数字都在，格式不保留"
        return [message(text, kind=kind)]
    package = OoxmlPackage(file.content)
    notes = []
    if any(name.startswith("_xmlsignatures/") for name in package.names):
        notes.append(message("这份表格有数字签名，填入结果后签名会失效"))
    for sheet in sheets:
        if b"sheetProtection" in package.read(_sheet_of(package, sheet).part):
            text = "工作表「{sheet}」有保护：结果会填进去，要在 Excel 里改动，请先取消保护"
            notes.append(message(text, sheet=sheet))
    return notes


def batch_of_file(content: bytes) -> str:
    """The batch named in the document properties; "" when there is none, or they are damaged."""
    with suppress(SpreadsheetError):
        return batch_of_package(OoxmlPackage(content)) if is_ooxml(content) else ""
    return ""


def read_for_results(file: WorkbookFile, records: Iterable[Record]) -> Import:
    """The sheets of an imported file that these records are of: their column 「工作表」 names several."""
    found = read_workbook(file.content, file.filename, sheets=[file.sheet], needs_prompt=False)
    named = {record.columns.get(SHEET_COLUMN) for record in records}
    names = [name for name, _ in found.offered if name in named]
    if len(names) > 1:
        found = read_workbook(file.content, file.filename, sheets=names, needs_prompt=False)
    return found


def write_own_results(
    file: WorkbookFile,
    found: Import,
    batch: Batch,
    records: Iterable[Record],
    *,
    thumbnails: Thumbnails,
    translate: Translate = str,
    roles: Sequence[str] = (),
) -> OwnResults:
    """The imported file, of which ``found`` was read, with the results of each row in its line.

    In a sheet of products each of the ``roles`` has a column with its files and a picture; the records come
    in their order. Rows of the batch that were added to the imported ones stand below the last line of the
    last sheet. The stream computes thumbnails as it goes.
    """
    content, titles = (file.content, {}) if is_ooxml(file.content) else converted(file)
    package = OoxmlPackage(content)
    has_macros = _MACROS in package.read(CONTENT_TYPES)
    rows = {
        number: list(group)
        for number, group in groupby(
            sorted(records, key=attrgetter(*(("row_number",) if roles else ("row_number", "id")))),
            attrgetter("row_number"),
        )
    }
    prompts = {row.number: row.fields["prompt"] for row in found.rows}
    changed, types = batch_property_parts(package, batch.id)
    styles, first_style = _with_styles(package)
    numbers, filled = picture_numbers(package), list[FilledSheet]()
    for read, following in zip_longest(found.read, found.read[1:]):
        of_sheet = range(read.before + 1, (following.before if following else MAX_ROW_NUMBER) + 1)
        sheet = _sheet_of(package, titles.get(read.name, read.name))
        results = _Results(package, sheet, read.header_row, first_style, translate, roles)
        filled.append(
            results.fill(
                {number - read.before: rows[number] for number in rows if number in of_sheet},
                {number - read.before: prompts[number] for number in prompts if number in of_sheet},
                numbers,
                others=[each.drawing.part for each in filled if each.drawing],
            )
        )
    pieces = package_with_pictures(package, changed | styles, types, filled, thumbnails)
    return OwnResults(pieces, PurePath(file.filename).stem, has_macros)


def _with_styles(package: OoxmlPackage) -> tuple[dict[str, bytes], int | None]:
    """The styles with our formats added: text, text that looks like a formula, a number -> (changed parts,
    the index of the first; None in a workbook without styles)."""
    part = XlsxWorkbook(package).styles_part
    if part is None:
        return {}, None
    changed, first = with_styles(package.read(part), [_style(), _style(quoted=True), _style(number=True)])
    return {part: changed}, first


def _sheet_of(package: OoxmlPackage, name: str) -> WorkbookSheet:
    found = next((sheet for sheet in XlsxWorkbook(package).sheets if sheet.name == name), None)
    if found is None:
        raise SpreadsheetError("表格里没有工作表「{sheet}」，请重新导入", sheet=name)
    return found


class _Results:
    """Edits one sheet; everything that can fail happens before the first piece is returned."""

    def __init__(
        self,
        package: OoxmlPackage,
        sheet: WorkbookSheet,
        header_row: int,
        first_style: int | None,
        translate: Translate,
        roles: Sequence[str],
    ) -> None:
        self._package = package
        self._roles = roles
        self._part = sheet.part
        self._header_row = header_row
        self._first_style = first_style
        self._translate = translate
        top = {row.number: row for row in sheet.top(header_row)}
        header = top.get(header_row)
        self._header_texts = {c: display_text(v) for c, v in header.values.items()} if header else {}
        found = find_header([header]) if header else None
        self._prompt_column = found.columns["prompt"] if found else None
        self._labels: tuple[str | Message, ...] = OWN_RESULT_LABELS
        if roles:
            self._labels = (*PRODUCT_RESULT_LABELS, *map(role_label, roles))

    def fill(
        self,
        rows: Mapping[int, Sequence[Record]],
        prompts: Mapping[int, str],
        numbers: Iterator[int],
        others: Collection[str],
    ) -> FilledSheet:
        """The sheet with these rows by line; ``prompts`` are those of its lines, ``numbers`` and ``others``
        as of ``open_drawing``."""
        sent = {
            number: records[-1].prompt
            for number, records in rows.items()
            if not self._roles and number in prompts and records[-1].prompt != prompts[number]
        }
        if sent:
            self._labels = (*OWN_RESULT_LABELS, SENT_PROMPT_LABEL)
        rows, edit = self._placed(rows, max(prompts))
        columns = self._columns(edit)
        labels = (self._translate(message(label)) for label in self._labels)
        new_rows = {self._header_row: NewRow(dict(zip(columns, labels, strict=False)))}
        for number, records in rows.items():
            is_added = edit.is_missing(number)
            new_rows[number] = self._row(records, columns, sent.get(number, ""), is_added=is_added)
        edit.set_heights(new_rows)
        places = [*self._places(rows, new_rows, columns)]
        drawing = None
        if places:
            drawing = open_drawing(self._package, self._part, edit, numbers, moves=True, others=others)
        styles = CellStyles()
        if (first := self._first_style) is not None:
            styles = CellStyles(header=edit.header_style, text=first, quoted=first + 1, money=first + 2)

        def part(first_left_out: int | None) -> bytes:
            for _, place in places:
                if first_left_out is not None and place.row >= first_left_out:
                    new_rows[place.row].cells[place.column] = self._translate(LEFT_OUT)
            widths = (*_PRODUCT_WIDTHS, *[_ROLE_WIDTH] * len(self._roles)) if self._roles else _WIDTHS
            widths, element = widths[: len(columns)], drawing.element if drawing else ""
            return edit.edited(new_rows, columns, styles, widths=widths, drawing=element)

        return FilledSheet(name=self._part, drawing=drawing, places=places, part=part)

    def _placed(
        self, rows: Mapping[int, Sequence[Record]], last_imported: int
    ) -> tuple[Mapping[int, Sequence[Record]], SheetEdit]:
        """The rows by the line that they get: added ones come after lines such as a total."""
        part = as_utf8(self._package.read(self._part))
        edit = SheetEdit(part, [*rows], self._header_row)
        below = edit.last_row - last_imported
        if below <= 0 or max(rows, default=0) <= last_imported:
            return rows, edit
        rows = {number + below * (number > last_imported): records for number, records in rows.items()}
        return rows, SheetEdit(part, [*rows], self._header_row)

    def _columns(self, edit: SheetEdit) -> range:
        """The columns of the results: those of earlier results, or the first free ones.

        Earlier results without marks get their column too when nothing of the user's is on the right.
        """
        found = result_columns(self._header_texts)
        first = found.start if found else edit.last_column + 1
        columns = range(first, first + len(self._labels))
        if found and (found.stop <= edit.last_column or len(found) > len(columns)):
            columns = found
        if columns.stop - 1 > _LAST_COLUMN:
            raise SpreadsheetError("表格右边没有空列可以填结果，请删掉多余的列再导入")
        return columns

    def _row(self, records: Sequence[Record], columns: range, sent: str, *, is_added: bool) -> NewRow:
        costs = [record.cost for record in records]
        cost = None if None in costs else sum((cost for cost in costs if cost), Decimal(0))
        if not cost and any(record.status is Status.UNKNOWN for record in records):
            cost = None  # no 0 beside 可能已计费
        made = [record for record in records if record.filename]
        picks = [PICK_MARKS.get(record.pick, "") for record in made]
        values = {
            "状态": self._states(records),
            "原因": "\n".join(dict.fromkeys(self._translate(r.error) for r in records if r.error)),
            "文件": "\n".join(record.filename for record in records if record.filename),
            "费用": cost,
            "选中": "\n".join(picks) if any(picks) else "",
            MARK_LABEL: "\n".join(dict.fromkeys(self._translate(mark_word(r.marks)) for r in made)),
            SENT_PROMPT_LABEL: sent,
        }
        cells: dict[int, CellValue] = {
            column: value if isinstance(value, Decimal) else value[:MAX_CELL_LENGTH]
            for column, label in zip(columns, self._labels, strict=False)
            if isinstance(label, str) and (value := values.get(label)) not in (None, "")
        }
        if is_added and self._prompt_column:
            cells[self._prompt_column] = records[0].prompt
        height = _PICTURE_HEIGHT if made else 0.0
        for column, of_role in self._by_role(made, columns):
            cells[column] = "\n".join(r.filename for r in of_role[:_MOST_NAMES])[:MAX_CELL_LENGTH]
            height = max(height, _PICTURE_HEIGHT + _TEXT_HEIGHT * len(of_role[:_MOST_NAMES]))
        return NewRow(cells, picture_height=height)

    def _by_role(self, made: Sequence[Record], columns: range) -> Iterator[tuple[int, list[Record]]]:
        """(the column of a role, its records), of the roles that have any."""
        first = columns.start + len(PRODUCT_RESULT_LABELS)
        for column, role in zip(range(first, columns.stop), self._roles, strict=False):
            if of_role := [record for record in made if record.columns.get(ROLE_COLUMN) == role]:
                yield column, of_role

    def _states(self, records: Sequence[Record]) -> str:
        counts = [
            (status, sum(record.status is status for record in records))
            for status in dict.fromkeys(record.status for record in records if record.id)
        ]
        if not counts:
            return ""
        if len(counts) == 1:
            return self._translate(message(RESULT_STATUSES[counts[0][0]]))
        states = (
            message("{status} {count}", status=message(RESULT_STATUSES[status]), count=count)
            for status, count in counts
        )
        return self._translate(message("{states}", states=tuple(states)))

    def _places(
        self, rows: Mapping[int, Sequence[Record]], new_rows: Mapping[int, NewRow], columns: range
    ) -> Iterator[tuple[int, Place]]:
        """(record id, place) of the first picture of each row, or role, that is high enough for one."""
        width, most = THUMBNAIL_BOX
        for number, records in rows.items():
            space = int(new_rows[number].height * 96 / 72) - _MARGIN
            made = [record for record in records if record.filename]
            shown = [(columns[_THUMBNAIL], made)] if not self._roles else self._by_role(made, columns)
            for column, of_cell in shown:
                top = int(_TEXT_HEIGHT * len(of_cell[:_MOST_NAMES]) * 96 / 72) if self._roles else 0
                height = min(most, space - top)
                if of_cell and height > _MARGIN:
                    place = Place(row=number, column=column, width=width, height=height, top=top)
                    yield of_cell[0].id, place


def _style(*, quoted: bool = False, number: bool = False) -> str:
    """The content of an ``<xf>``: text at the top, wrapped, or a plain number."""
    more = ' quotePrefix="1"' if quoted else ""
    kind = f'numFmtId="{0 if number else 49}" fontId="0" fillId="0" borderId="0" xfId="0"'
    return f'{kind} applyNumberFormat="1" applyAlignment="1"{more}'
