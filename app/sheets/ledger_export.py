"""The ledger as a workbook, and the statement of a client."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import IO, Any

from app.domain.ledger import OUTCOMES, Charge, SpendTotals, known_amount
from app.errors import CAUSES, Message, SpreadsheetError, Translate, message
from app.sheets.limits import MAX_SHEETS
from app.sheets.sheet_writer import (
    ROWS_A_SHEET,
    SheetColumn,
    SheetWriter,
    WorkbookWriter,
    local_time,
    sheet_title,
)
from app.sheets.template_export import own_columns

_PROMPT_LENGTH = 60
_RESOLUTIONS = {"billed": "已计费（人工确认）", "not_billed": "没有计费（人工确认）"}
_RISKY = ("=", "+", "-", "@", "\t", "\r", "'")
_LONG_NUMBER = re.compile(r"[0-9]{12,200}")


def _short_prompt(charge: Charge) -> str:
    words = " ".join(charge.prompt.split())
    return words if len(words) <= _PROMPT_LENGTH else words[: _PROMPT_LENGTH - 1] + "…"


_COLUMNS = (
    SheetColumn("发出时间（本机）", 20, "time", lambda charge: local_time(charge.opened_at)),
    SheetColumn("记录编号", 10, "number", attrgetter("record_id")),
    SheetColumn("批次", 22, value=lambda charge: charge.batch_name or charge.batch_id),
    SheetColumn("行", 7, "number", attrgetter("row_number")),
    SheetColumn("提示词", 40, value=_short_prompt),
    SheetColumn("模型", 22, value=attrgetter("model")),
    SheetColumn("单价（元）", 11, "money", attrgetter("price")),
    SheetColumn(
        "结果",
        22,
        value=lambda charge: message(
            _RESOLUTIONS.get(charge.outcome, "") if charge.resolved_at else OUTCOMES[charge.outcome]
        ),
    ),
    SheetColumn("原因", 20, value=lambda charge: message(CAUSES.get(charge.cause, charge.cause))),
    SheetColumn("任务编号", 26, value=attrgetter("task_id")),
    SheetColumn("已计费（元）", 13, "money", attrgetter("billed")),
    SheetColumn("可能已计费（元）", 17, "money", lambda charge: charge.at_stake or None),
    SheetColumn(
        "结束时间（本机）", 20, "time", lambda charge: local_time(charge.resolved_at or charge.closed_at)
    ),
    SheetColumn(
        "服务报的用量",
        30,
        value=lambda charge: ", ".join(f"{name} {count}" for name, count in charge.usage.items()),
    ),
)


_PERSON = SheetColumn("下单人", 14, value=attrgetter("person"))


def _columns_with(own_names: Iterable[str], has_people: bool) -> tuple[SheetColumn, ...]:
    people = (_PERSON,) if has_people else ()
    return (*_COLUMNS, *people, *own_columns(own_names, attrgetter("columns")))


def _add_up(charges: Iterable[Charge], totals: dict[str, SpendTotals]) -> Iterator[Charge]:
    """Yield the charges unchanged, adding each to the totals by model."""
    for charge in charges:
        totals[charge.model] = totals.get(charge.model, SpendTotals()) + SpendTotals.of(charge)
        yield charge


def write_ledger(
    charges: Iterable[Charge],
    own_names: Iterable[str],
    *,
    has_people: bool = False,
    translate: Translate = str,
) -> IO[bytes]:
    """Charges as a workbook, with totals on a sheet of their own; returned as by ``WorkbookWriter.save``.

    ``own_names`` are the user's own columns, on the right; with ``has_people`` whose each charge is.
    """
    totals: dict[str, SpendTotals] = {}
    with WorkbookWriter(translate) as workbook:
        lines = _columns_with(own_names, has_people)
        workbook.add_items("账目", lines, _add_up(charges, totals), frozen_columns=1)
        columns = (
            SheetColumn("模型", 26),
            SheetColumn("计费张数", 17, "number"),
            SheetColumn("已计费（元）", 17, "money"),
            SheetColumn("可能已计费（元）", 17, "money"),
            SheetColumn("没有计费的次数", 17, "number"),
        )
        sheet = SheetWriter(workbook, workbook.translate("合计"), columns)
        total = sum(totals.values(), SpendTotals())
        for name, spent in [*sorted(totals.items()), (message("合计"), total)]:
            sheet.append([name, spent.pictures, _billed(spent), _unresolved(spent), spent.unpaid_charges])
        return workbook.save()


def ledger_lines(
    charges: Iterable[Charge],
    own_names: Iterable[str],
    *,
    has_people: bool = False,
    translate: Translate = str,
) -> Iterator[str]:
    """The same as ``.csv`` lines; the last one is the total."""
    totals: dict[str, SpendTotals] = {}
    columns = _columns_with(own_names, has_people)
    yield "\ufeff" + _line([translate(column.label) for column in columns], translate)
    for charge in _add_up(charges, totals):
        yield _line([column.value(charge) for column in columns], translate)
    total = sum(totals.values(), SpendTotals())
    labels = (message("合计"), None, message("{count} 笔", count=total.charges))
    sums = (_billed(total), _unresolved(total))
    yield _line([*labels, *[None] * 7, *sums, *[None] * (len(columns) - 12)], translate)


def _billed(spent: SpendTotals) -> Decimal | None:
    return known_amount(spent.billed, spent.unpriced_pictures)


def _unresolved(spent: SpendTotals) -> Decimal | None:
    return known_amount(spent.unconfirmed, spent.unpriced_unconfirmed)


def _line(values: Iterable[Any], translate: Translate) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_cell(value, translate) for value in values])
    return text.getvalue()


def _cell(value: Any, translate: Translate) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = translate(value) if isinstance(value, Message) else str(value)
    if isinstance(value, str) and _LONG_NUMBER.fullmatch(text):
        return f'="{text}"'
    return f"'{text}" if text.startswith(_RISKY) else text


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
