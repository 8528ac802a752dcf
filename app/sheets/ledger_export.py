"""The ledger as ``.xlsx`` or ``.csv``, one line per charge, to compare with the provider's bill.

The ``.csv`` is UTF-8 with a BOM, by which Excel and WPS recognise it. Text that looks like a formula is
prefixed with an apostrophe; a number with too many digits for Excel is written as ``="…"``.
"""

from __future__ import annotations

import csv
import io
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import chain, islice
from typing import IO, Any

from app.domain.ledger import OUTCOMES, Charge, SpendTotals, known_amount
from app.errors import CAUSES
from app.sheets.sheet_writer import Column, SheetWriter, Translate, local_time, open_workbook

_ROWS_A_SHEET = 1_000_000
_PROMPT_LENGTH = 60
_SETTLED = {"billed": "已计费（人工确认）", "not_billed": "没有计费（人工确认）"}
_RISKY = ("=", "+", "-", "@", "\t", "\r", "'")
_LONG_NUMBER = re.compile(r"[0-9]{12,200}")

CellWriter = Callable[[Charge, Translate], Any]
_COLUMNS: list[tuple[Column, CellWriter]] = [
    (Column("发出时间（本机）", 20, "time"), lambda charge, _: local_time(charge.opened_at)),
    (Column("记录编号", 10, "number"), lambda charge, _: charge.record_id),
    (Column("批次", 22), lambda charge, _: charge.batch_name or charge.batch_id),
    (Column("行", 7, "number"), lambda charge, _: charge.row_number),
    (Column("提示词", 40), lambda charge, _: _short(charge.prompt)),
    (Column("模型", 22), lambda charge, _: charge.model),
    (Column("单价（元）", 11, "money"), lambda charge, _: charge.price),
    (Column("结果", 22), lambda charge, translate: _outcome(charge, translate)),
    (Column("原因", 20), lambda charge, translate: translate(CAUSES.get(charge.cause, charge.cause))),
    (Column("任务编号", 26), lambda charge, _: charge.task_id),
    (Column("已计费（元）", 13, "money"), lambda charge, _: charge.billed),
    (Column("可能已计费（元）", 17, "money"), lambda charge, _: charge.at_stake or None),
    (
        Column("结束时间（本机）", 20, "time"),
        lambda charge, _: local_time(charge.resolved_at or charge.closed_at),
    ),
]


class _Sums:
    """Totals by model, accumulated while lines are streamed."""

    def __init__(self) -> None:
        self.models: dict[str, SpendTotals] = {}

    def watch(self, sends: Iterable[Charge]) -> Iterator[Charge]:
        """Yield the charges unchanged, adding each to the totals."""
        for charge in sends:
            self.models[charge.model] = self.models.get(charge.model, SpendTotals()) + SpendTotals.of(charge)
            yield charge

    @property
    def total(self) -> SpendTotals:
        """The total over all models."""
        return sum(self.models.values(), SpendTotals())


def write_ledger(sends: Iterable[Charge], *, translate: Translate = str) -> IO[bytes]:
    """Charges -> a temporary file with the workbook, rewound; the caller closes it.

    ``tell`` translates its labels.
    """
    columns = [replace(column, label=translate(column.label)) for column, _ in _COLUMNS]
    sums = _Sums()
    rest = sums.watch(sends)
    with open_workbook() as workbook:
        number, first = 1, next(rest, None)
        while first or number == 1:
            title = translate("账目") + (f" {number}" if number > 1 else "")
            sheet = SheetWriter(workbook, title, columns, frozen_columns=1)
            for charge in chain([first] if first else [], islice(rest, _ROWS_A_SHEET - 1)):
                sheet.append([write(charge, translate) for _, write in _COLUMNS])
            number, first = number + 1, next(rest, None)
        _add_sums(workbook, sums, translate)
        file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
        workbook.save(file)
        file.seek(0)
        return file


def ledger_lines(sends: Iterable[Charge], *, translate: Translate = str) -> Iterator[str]:
    """The same as ``.csv`` lines; the last one is the total."""
    sums = _Sums()
    yield "\ufeff" + _line([translate(column.label) for column, _ in _COLUMNS])
    for charge in sums.watch(sends):
        yield _line([write(charge, translate) for _, write in _COLUMNS])
    total = sums.total
    words = (translate("合计"), None, translate(f"{total.charges} 笔"))
    yield _line([*words, *[None] * 7, _billed(total), _unresolved(total), None])


def _add_sums(workbook: Any, sums: _Sums, translate: Translate) -> None:
    labels = ("计费张数", "已计费（元）", "可能已计费（元）", "没有计费的次数")
    kinds = ("number", "money", "money", "number")
    columns = [Column(translate(label), 17, kind) for label, kind in zip(labels, kinds, strict=True)]
    total = translate("合计")
    sheet = SheetWriter(workbook, total, [Column(translate("模型"), 26), *columns])
    for name, spent in [*sorted(sums.models.items()), (total, sums.total)]:
        sheet.append([name, spent.pictures, _billed(spent), _unresolved(spent), spent.unpaid_charges])


def _billed(spent: SpendTotals) -> Decimal | None:
    return known_amount(spent.billed, spent.unpriced_pictures)


def _unresolved(spent: SpendTotals) -> Decimal | None:
    return known_amount(spent.unknown + spent.open, spent.unpriced_unknown + spent.unpriced_open)


def _outcome(charge: Charge, translate: Translate) -> str:
    return translate(_SETTLED.get(charge.outcome, "") if charge.resolved_at else OUTCOMES[charge.outcome])


def _short(prompt: str) -> str:
    words = " ".join(prompt.split())
    return words if len(words) <= _PROMPT_LENGTH else words[: _PROMPT_LENGTH - 1] + "…"


def _line(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([_cell(value) for value in values])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return f"{value.normalize():f}"
    text = str(value)
    if isinstance(value, str) and _LONG_NUMBER.fullmatch(text):
        return f'="{text}"'
    return f"'{text}" if text.startswith(_RISKY) else text
