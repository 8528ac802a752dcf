"""Which sheets of a file have rows to import, and which of them are read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import islice

from app.domain import MAX_OWN_COLUMNS
from app.errors import Message, SpreadsheetError, message
from app.sheets.file_types import Sheet
from app.sheets.header_synonyms import is_doubtful
from app.sheets.headers import Header, find_header, find_header_of_products
from app.sheets.non_data_rows import drop_totals_and_headers
from app.sheets.table import Grid, SheetRow, display_text

_HEADER_DEPTH = 50
_SPARE_ROWS = 200  # read beyond the batch limit, to allow for rows that are not data
_MAX_SEARCHED = 1_000  # cells searched for an ambiguous header


@dataclass(frozen=True, slots=True, kw_only=True)
class Offered:
    """A sheet with rows below its header."""

    sheet: Sheet
    header: Header
    grid: Grid
    notes: Sequence[Message]


def list_offered(
    sheets: Sequence[Sheet], *, is_choice: bool, needs_prompt: bool
) -> tuple[list[Offered], list[Message]]:
    """-> (the visible sheets with a header and rows below it, the active one first; notes on the choice).

    Without ``needs_prompt`` those of products, if none has prompts. Raises SpreadsheetError without any.
    """
    visible = [(sheet, sheet.top(_HEADER_DEPTH)) for sheet in sheets if not sheet.hidden]
    filled = [(sheet, top) for sheet, top in visible if top]
    headed = [(sheet, header) for sheet, top in filled if (header := find_header(top))]
    if not headed:
        _refuse_hidden([sheet for sheet in sheets if sheet.hidden])
        _refuse_unclear([top for _, top in filled])
    if not headed and not needs_prompt:
        headed = [(sheet, header) for sheet, top in filled if (header := find_header_of_products(top))]
    headed.sort(key=lambda one: not one[0].active)
    found: list[Offered] = []
    for sheet, header in headed:
        own = frozenset(islice(header.own, MAX_OWN_COLUMNS)) | {*header.options.values()}
        own |= {column for column in (header.pick, header.picture) if column}
        most = header.max_rows + _SPARE_ROWS
        if header.has_prompt:
            grid = sheet.read(header.texts, header.row, most, own)
        else:  # a cell of an own column makes a row
            grid = sheet.read({*header.texts, *own}, header.row, most)
            grid.rows = [_of_product(row, header) for row in grid.rows]
        skipped = drop_totals_and_headers(header, sheet, grid)
        if grid.rows:
            found.append(Offered(sheet=sheet, header=header, grid=grid, notes=skipped))
    if found:
        others = [other.sheet.name for other in found[1:]]
        is_first = found[0].sheet is filled[0][0]
        return found, _sheet_notes(found[0].sheet, others, is_first=is_first) if is_choice else []
    if headed:
        raise no_rows(*headed[0])
    first = tuple(display_text(value).strip()[:10] for value in list(filled[0][1][0].values.values())[:6])
    text = "没有找到「提示词」这一列，第一行是：{cells}。请在表头写上「提示词」，或当作产品的表格，用配方来做"
    raise SpreadsheetError(text, cells=first)


def _of_product(row: SheetRow, header: Header) -> SheetRow:
    values = {column: value for column, value in row.values.items() if column in header.texts}
    return SheetRow(row.number, values, {c: value for c, value in row.values.items() if c not in values})


def choose_sheets(offered: Sequence[Offered], names: Collection[str]) -> Sequence[Offered]:
    """The sheets of these names, in the order that they are offered; by default the first."""
    there = {each.sheet.name for each in offered}
    if missing := next((name for name in names if name not in there), None):
        raise SpreadsheetError("没有可以导入的工作表「{sheet}」，请重新选择", sheet=missing)
    return [each for each in offered if each.sheet.name in names] or offered[:1]


def no_rows(sheet: Sheet, header: Header) -> SpreadsheetError:
    """The error for a sheet without rows."""
    text = "「{sheet}」的表头在第 {number} 行，下面还没有内容，请从下一行开始填写提示词"
    return SpreadsheetError(text, sheet=sheet.name, number=header.row)


def _sheet_notes(sheet: Sheet, others: list[str], *, is_first: bool) -> list[Message]:
    if others:
        names = tuple(message("「{sheet}」", sheet=name) for name in others[:10])
        return [message("还有 {n} 张工作表没有导入：{others}", n=len(others), others=names)]
    return [] if is_first else [message("导入的是工作表「{sheet}」", sheet=sheet.name)]


def _refuse_hidden(sheets: Sequence[Sheet]) -> None:
    """Refuse prompts on a hidden sheet: the user would pay for rows not shown in Excel."""
    found = next((sheet for sheet in sheets if find_header(sheet.top(_HEADER_DEPTH))), None)
    if found:
        text = "只有隐藏的工作表「{sheet}」里有提示词，请在 Excel 里取消隐藏、核对后再导入"
        raise SpreadsheetError(text, sheet=found.name)


def _refuse_unclear(tops: list[list[SheetRow]]) -> None:
    """Refuse a file that is empty, or has a header that may be of prompts."""
    if not tops:
        raise SpreadsheetError("这个文件里没有内容，请下载模板，填好后再导入")
    texts = (display_text(value) for top in tops for row in top for value in row.values.values())
    if doubtful := next(filter(is_doubtful, islice(texts, _MAX_SEARCHED)), ""):
        text = "表头「{header}」看不出是提示词还是负面提示词，请改成「提示词」或「负面提示词」再导入"
        raise SpreadsheetError(text, header=" ".join(doubtful[:40].split()))
