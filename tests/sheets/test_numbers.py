"""Numbers in text columns: the displayed text is read, and a formula's empty 0 is nothing."""

import datetime
from typing import Any

import pytest
from openpyxl.worksheet.worksheet import Worksheet

from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import SpreadsheetError
from app.sheets import Import, read_workbook
from tests.sheets.tables import field, only_problem, prompts, read, read_csv, read_parts
from tools.workbooks.written import by_xlsxwriter

HEADER = ("提示词", "文件名", "生成数量", "种子", "图片比例", "分辨率")


def formatted(number: object, code: str, header: str = "文件名") -> Import:
    """Import one row whose second cell is that number in that format."""

    def dress(sheet: Worksheet) -> None:
        sheet["B2"].number_format = code

    return read(("提示词", header), ("猫", number), change=dress)


def formulas(*rows: tuple[object, ...], codes: dict[int, str] | None = None) -> Import:
    """Import rows in which ``(0,)`` is a formula with the stored result 0, by XlsxWriter."""

    def write(book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, HEADER)
        for line, row in enumerate(rows, 1):
            for column, cell in enumerate(row):
                style = book.add_format({"num_format": (codes or {}).get(column, "General")})
                if isinstance(cell, tuple):
                    sheet.write_formula(line, column, f"=Sheet2!A{line}", style, cell[0])
                elif cell is not None:
                    sheet.write(line, column, cell, style)
        book.add_worksheet("Sheet2")

    return read_workbook(by_xlsxwriter(write), "a.xlsx")


@pytest.mark.parametrize(
    ("number", "code", "text"),
    [
        (1, '"SKU-"000', "SKU-001"),
        (1, r"\S\K\U\-000", "SKU-001"),
        (12, '"第"0"号"', "第12号"),
        (12, 'General"号"', "12号"),
        (7, "000", "007"),
        (1234, "000", "1234"),
        (-7, "000", "-007"),
        (0, '"SKU-"000', "SKU-000"),
        (5, '[$-804]"款"00', "款05"),
        (5, '"A"00;"B"00', "A05"),
        (-5, '"A"00;"B"00', "-5"),
        (3, '(0)" 月日"', "(3) 月日"),
        (12_345, "#,##0", "12345"),
        (5, "0.00", "5"),
        (5, "0%", "5"),
        (5, "[DBNum2]0", "5"),
        (5, "0-00", "5"),
        (1.5, '"SKU-"000', "1.5"),
    ],
)
def test_a_number_formatted_with_text_or_zeros_is_its_displayed_text(
    number: object, code: str, text: str
) -> None:
    found = formatted(number, code)

    assert field(found, "filename") == [text]
    assert found.problems == ()


@pytest.mark.parametrize(
    ("header", "field", "code", "number", "value"),
    [
        ("生成数量", "num_images", '0"张"', 3, 3),
        ("种子", "seed", "0000000", 42, 42),
        ("采样步数", "steps", '"步数 "0', 20, 20),
        ("分辨率", "resolution", '0"K"', 2, "2K"),
        ("图片比例", "aspect_ratio", '"16:"0', 9, "16:9"),
    ],
)
def test_a_text_format_is_interpreted_per_column(
    header: str, field: str, code: str, number: int, value: object
) -> None:
    found = formatted(number, code, header)

    assert found.rows[0].fields[field] == value
    assert found.problems == ()


def test_a_date_format_with_text_is_still_a_date() -> None:
    problem = only_problem(formatted(datetime.date(2026, 3, 4), '"日期 "yyyy-mm-dd'))

    assert (problem.seen, problem.fixed) == ("2026-03-04", None)


@pytest.mark.parametrize("number", [12_345_678_901, 123_456_789_012_345])
@pytest.mark.parametrize("code", ["0.00E+00", "General", "##0.0E+0"])
def test_a_number_displayed_in_scientific_notation_keeps_its_digits(number: int, code: str) -> None:
    found = formatted(number, code)

    assert found.rows[0].fields["filename"] == str(number)
    assert found.problems == ()


def test_a_number_stored_in_scientific_notation_keeps_its_digits() -> None:
    rows = '<row><c t="str"><v>提示词</v></c></row><row><c><v>1.2345678901E10</v></c></row>'

    assert prompts(read_parts(f"<sheetData>{rows}</sheetData>")) == ["12345678901"]


@pytest.mark.parametrize("code", ["General", "0", '"SKU-"000'])
def test_a_number_beyond_excel_precision_is_reported(code: str) -> None:
    problem = only_problem(formatted(6_901_234_567_890_123, code))

    assert (problem.row, problem.column, problem.fixed) == (2, "文件名", None)
    assert "前 15 位" in str(problem.error)


def test_a_formula_result_of_an_empty_cell_is_empty_text() -> None:
    found = formulas(("猫", (0,), 2, 7))

    assert found.rows[0].fields["filename"] == ""
    assert found.problems == ()


def test_a_zero_from_a_formula_is_no_prompt() -> None:
    found = formulas(((0,), "a", 2))

    assert found.rows[0].fields["prompt"] == ""
    assert (only_problem(found).column, only_problem(found).row) == ("提示词", 2)


def test_rows_of_formula_zeros_are_empty() -> None:
    zeros = ((0,),) * 6

    found = formulas(("猫", "a"), zeros, zeros, ("狗", (0,)), zeros, codes={4: "h:mm"})

    assert [row.number for row in found.rows] == [2, 5]
    assert found.problems == ()


def test_rows_of_formula_zeros_do_not_count_towards_the_limit() -> None:
    found = formulas(("猫",), *[((0,),)] * (MAX_ROWS_A_TABLE + 1))

    assert len(found.rows) == 1


def test_a_file_of_formula_zeros_has_no_rows() -> None:
    with pytest.raises(SpreadsheetError, match="下面还没有内容"):
        formulas(((0,), (0,)))


def test_a_typed_zero_is_kept() -> None:
    found = formulas((0, 0, None, 0))

    assert (found.rows[0].fields["prompt"], found.rows[0].fields["filename"]) == ("0", "0")
    assert found.rows[0].fields["seed"] == 0


def test_a_formula_zero_in_a_number_column_is_zero() -> None:
    assert formulas(("猫", None, 1, (0,))).rows[0].fields["seed"] == 0
    assert only_problem(formulas(("猫", None, (0,)))).column == "生成数量"
    assert only_problem(formulas(("猫", None, 1, 1, (0,)))).column == "图片比例"


def test_another_formula_number_is_kept() -> None:
    found = formulas(("猫", (7,)), ("狗", (0,)), codes={1: '"SKU-"000'})

    assert [row.fields["filename"] for row in found.rows] == ["SKU-007", "SKU-000"]


@pytest.mark.parametrize(
    ("cell", "text"),
    [('="001"', "001"), ('"=""001"""', "001"), ('="a""b"', 'a"b'), ("=1+1", "=1+1"), ('=""', "")],
)
def test_csv_text_quoted_against_excel_is_unquoted(cell: str, text: str) -> None:
    found = read_csv(f"提示词,文件名\n猫,{cell}\n")

    assert field(found, "filename") == [text]


def test_csv_headers_quoted_against_excel_are_recognised() -> None:
    found = read_csv('="提示词";="图片比例"\n="猫";="16:9"\n="";=""\n')

    assert [(row.fields["prompt"], row.fields["aspect_ratio"]) for row in found.rows] == [("猫", "16:9")]


@pytest.mark.parametrize("cell", ["1.23E+10", "6.90123E+12", "5E+11", "-1.5E+100"])
def test_a_csv_number_in_scientific_notation_is_reported(cell: str) -> None:
    found = read_csv(f"提示词,文件名,备注\n猫,{cell},{cell}\n")

    problem = only_problem(found)
    assert (problem.row, problem.column, problem.seen, problem.fixed) == (2, "文件名", cell, None)
    assert "科学计数法" in str(problem.error)


def test_csv_text_containing_scientific_notation_is_text() -> None:
    found = read_csv("提示词,文件名\n1.23E+10 只猫,e1.2\n")

    assert found.rows[0].fields["prompt"] == "1.23E+10 只猫"
    assert found.problems == ()
