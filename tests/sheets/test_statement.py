"""The workbook of statements."""

import io

import pytest
from openpyxl import load_workbook

from app.domain.ledger import Charge
from app.errors import SpreadsheetError
from app.sheets import write_statement
from app.sheets.limits import MAX_SHEETS


def charge(text: object, number: int = 1) -> Charge:
    """A charge of unknown price of a row whose 客户 is this."""
    return Charge(
        id=number,
        record_id=number,
        batch_id="b",
        batch_name="",
        row_number=number,
        prompt="",
        model="m",
        price=None,
        outcome="billed",
        cause="",
        task_id="",
        opened_at="2026-03-01 00:00:00.000",
        closed_at=None,
        resolved_at=None,
        columns={"客户": text},  # type: ignore[dict-item]
    )


def test_every_text_has_a_sheet_whose_title_excel_accepts() -> None:
    texts = [
        "a/b",
        "A:B",
        "合计",
        "History",
        "'x'",
        "长" * 40,
        "长" * 41,
        "😀" * 20,
        "[]",
        "\x07\ufffe",
        7,
        "没写",
    ]
    with write_statement(map(charge, texts), "客户") as file:
        names = load_workbook(io.BytesIO(file.read())).sheetnames
    assert len(names) == len({name.casefold() for name in names}) == len(texts) + 1
    assert names[0] == "合计"
    assert all(0 < len(name.encode("utf-16-le")) <= 62 for name in names)
    assert not {letter for name in names for letter in name} & {*"[]:*?/\\\x07\ufffe"}


def test_a_price_that_is_not_known_is_left_out() -> None:
    with write_statement([charge("青禾")], "客户", value="青禾") as file:
        sheet = load_workbook(io.BytesIO(file.read())).active
    assert sheet is not None
    assert [[row[3], row[5]] for row in sheet.iter_rows(2, values_only=True)] == [
        [None, None],
        ["1 张", None],
    ]


def test_a_column_of_too_many_texts_is_refused() -> None:
    charges = [charge(str(number)) for number in range(MAX_SHEETS + 1)]
    with pytest.raises(SpreadsheetError):
        write_statement(charges, "客户")
    with write_statement(charges, "客户", value="7") as file:
        assert len(load_workbook(io.BytesIO(file.read())).sheetnames) == 1
