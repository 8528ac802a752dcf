"""What was paid for each client: a workbook with a sheet for each text of an own column."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime
from operator import attrgetter
from typing import IO, Any

from app.domain.ledger import Charge, SpendTotals, known_amount
from app.errors import SpreadsheetError, Translate, message
from app.sheets.limits import MAX_SHEETS
from app.sheets.sheet_writer import (
    ROWS_A_SHEET,
    SheetColumn,
    SheetWriter,
    WorkbookWriter,
    local_time,
    sheet_title,
)

NO_VALUE = "没写"
_MONEY = (SheetColumn("金额（元）", 13, "money"), SheetColumn("可能已计费（元）", 17, "money"))


def write_statement(
    charges: Iterable[Charge],
    column: str,
    *,
    value: str | None = None,
    label: Callable[[str], str] = str,
    translate: Translate = str,
) -> IO[bytes]:
    """The statement of one text of the column, or of each with their sums on the first sheet; returned as by
    ``WorkbookWriter.save``.

    Charges without a known outcome have a column of their own; those that were not billed are left out.
    ``label`` is what a model is called. Raises SpreadsheetError for more than MAX_SHEETS texts.
    """
    columns = _columns(label)
    sheets: dict[str, SheetWriter] = {}
    totals: dict[str, SpendTotals] = {}
    with WorkbookWriter(translate) as workbook:
        titles = {"history"}  # which Excel keeps for itself

        def add_sheet(text: str) -> None:
            if len(sheets) == MAX_SHEETS:
                raise SpreadsheetError(
                    "「{column}」有 {limit} 种以上的内容，请一次只导出一种", column=column, limit=MAX_SHEETS
                )
            title = sheet_title(text or translate(NO_VALUE), titles)
            sheets[text], totals[text] = SheetWriter(workbook, title, columns), SpendTotals()

        if value is None:
            heads = (
                SheetColumn(message("{name}", name=column), 30),
                SheetColumn("图片", 10, "number"),
                *_MONEY,
            )
            summary = SheetWriter(workbook, sheet_title(translate("合计"), titles), heads)
        else:
            add_sheet(value)
        for charge in charges:
            text = charge.own_text(column)
            if charge.outcome == "not_billed" or value not in (None, text):
                continue
            if text not in sheets:
                add_sheet(text)
            totals[text] += SpendTotals.of(charge)
            if totals[text].charges >= ROWS_A_SHEET:
                raise SpreadsheetError("一张工作表放不下这么多行，请选短一些的时间")
            sheets[text].append([each.value(charge) for each in columns])
        for text, sheet in sheets.items():
            pictures = message("{n} 张", n=f"{totals[text].pictures:,}")
            sheet.append([message("合计"), None, None, pictures, None, *_sums(totals[text])])
        ordered = sorted(totals, key=lambda text: (not text, -totals[text].billed, text))
        if value is None:
            for text in ordered:
                summary.append([text or message(NO_VALUE), totals[text].pictures, *_sums(totals[text])])
            total = sum(totals.values(), SpendTotals())
            summary.append([message("合计"), total.pictures, *_sums(total)])
            workbook.sheets[1:] = [sheets[text] for text in ordered]
        return workbook.save()


def _columns(label: Callable[[str], str]) -> tuple[SheetColumn, ...]:
    return (
        SheetColumn("日期", 12, "date", _day),
        SheetColumn("表格", 24, value=lambda charge: charge.table_name or charge.batch_name),
        SheetColumn("行", 7, "number", attrgetter("row_number")),
        SheetColumn("文件名", 34, value=attrgetter("filename")),
        SheetColumn("模型", 22, value=lambda charge: label(charge.model)),
        SheetColumn(
            "金额（元）", 13, "money", lambda charge: charge.billed if charge.outcome == "billed" else None
        ),
        SheetColumn("可能已计费（元）", 17, "money", lambda charge: charge.at_stake or None),
    )


def _day(charge: Charge) -> date | str:
    at = local_time(charge.opened_at)
    return at.date() if isinstance(at, datetime) else at


def _sums(spent: SpendTotals) -> list[Any]:
    return [
        known_amount(spent.billed, spent.unpriced_pictures),
        known_amount(spent.unconfirmed, spent.unpriced_unconfirmed) or None,
    ]
