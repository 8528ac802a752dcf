"""Problems of a table, reported by cell. Nothing is guessed silently."""

import datetime
from dataclasses import replace
from typing import Any

import pytest
from openpyxl.worksheet.worksheet import Worksheet

from app.domain import Models, ModelSpec
from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import SpreadsheetError
from app.sheets import read_workbook
from tests.sheets.tables import field, notes, only_problem, read, read_csv, read_parts
from tools.workbooks.written import HEADER, by_xlsxwriter


@pytest.mark.parametrize(
    ("cell", "seen", "ratio"),
    [
        (datetime.time(16, 9), "16:09", "16:9"),
        (datetime.time(9, 16), "9:16", "9:16"),
        (datetime.time(1, 1), "1:01", "1:1"),
        (datetime.time(2, 3), "2:03", "2:3"),
        (datetime.time(3, 2), "3:02", "3:2"),
        (datetime.time(3, 4), "3:04", "3:4"),
        (datetime.time(4, 3), "4:03", "4:3"),
        (datetime.time(0, 16, 9), "0:16:09", "16:9"),
        (datetime.timedelta(hours=4, minutes=3), "4:03", "4:3"),
        (datetime.datetime(1899, 12, 30, 16, 9), "16:09", "16:9"),
        ("16:09:00", "16:09:00", "16:9"),
        ("下午 4:09", "下午 4:09", "16:9"),
        ("\u200e16:09\ufeff", "\u200e16:09\ufeff", "16:9"),
    ],
)
def test_a_ratio_converted_to_a_time_is_corrected_and_noted(cell: Any, seen: str, ratio: str) -> None:
    found = read(("提示词", "图片比例"), ("猫", cell))

    problem = only_problem(found)
    assert found.rows[0].fields["aspect_ratio"] == ratio
    assert (problem.row, problem.column, problem.seen, problem.fixed) == (2, "图片比例", seen, ratio)


@pytest.mark.parametrize(
    ("cell", "seen"),
    [
        (datetime.date(2026, 3, 4), "2026-03-04"),
        (datetime.datetime(2026, 3, 4, 16, 9), "2026-03-04 16:09:00"),
        (datetime.time(16, 10), "16:10"),
        (datetime.time(16, 9, 30), "16:09:30"),
        (datetime.timedelta(days=2), "1900-01-02"),
        ("3月4日", "3月4日"),
        (0.5625, "0.5625"),
        (0.75, "0.75"),
        (1.7777777777777777, "1.77777777777778"),
        (169, "169"),
        ("7:5", "7:5"),
        ("横版", "横版"),
    ],
)
def test_an_unrecoverable_ratio_is_reported_and_unchanged(cell: Any, seen: str) -> None:
    found = read(("提示词", "图片比例"), ("猫", cell))

    problem = only_problem(found)
    assert found.rows[0].fields["aspect_ratio"] == problem.seen == seen
    assert problem.fixed is None
    assert "16:9" in str(problem.error)


def test_an_own_size_is_no_problem_and_stays_where_it_is_written(spec: ModelSpec) -> None:
    found = read(
        ("提示词", "图片比例", "分辨率"),
        ("猫", "", "800×600"),
        ("狗", "８００＊６００", ""),
        ("鸟", "16:9", "800x600"),
        find_model=lambda _: spec,
    )

    cells = [(row.fields["aspect_ratio"], row.fields["resolution"]) for row in found.rows]
    assert cells == [("", "800x600"), ("800x600", ""), ("16:9", "800x600")]
    assert only_problem(found).row == 4


def test_an_iso_time_of_a_strict_workbook_is_corrected_too() -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>提示词</v></c><c r="B1" t="str"><v>比例</v></c></row>'
        '<row r="2"><c r="A2" t="str"><v>猫</v></c><c r="B2" t="d"><v>16:09:00</v></c></row>'
        '<row r="3"><c r="A3" t="str"><v>狗</v></c><c r="B3" t="d"><v>2026-03-04T00:00:00</v></c></row>'
    )

    found = read_parts(f"<sheetData>{rows}</sheetData>")

    assert [(p.row, p.seen, p.fixed) for p in found.problems] == [
        (2, "16:09", "16:9"),
        (3, "2026-03-04", None),
    ]


@pytest.mark.parametrize(
    ("header", "cell", "raw", "error"),
    [
        ("分辨率", "8K", "8K", "可选：1K、2K、4K"),
        ("分辨率", 2, "2", "可选：1K、2K、4K"),
        ("生成数量", "两张", "两张", "1–10"),
        ("生成数量", 0, "0", "1–10"),
        ("生成数量", 11, "11", "1–10"),
        ("生成数量", 2.5, "2.5", "1–10"),
        ("生成数量", True, "TRUE", "1–10"),
        ("生成数量", datetime.date(2026, 1, 2), "2026-01-02", "日期"),
        ("种子", "abc", "abc", "整数"),
        ("种子", -2, "-2", "整数"),
        ("采样步数", 1000, "1000", "1–150"),
        ("文件名", datetime.date(2026, 1, 2), "2026-01-02", "日期"),
        ("文件名", "长" * 201, "长" * 60 + "…", "最多 200 字"),
        ("负面提示词", datetime.time(3, 4), "3:04", "时间"),
    ],
)
def test_an_unparsable_cell_is_reported(header: str, cell: Any, raw: str, error: str) -> None:
    found = read(("提示词", header), ("猫", cell))

    problem = only_problem(found)
    assert (problem.row, problem.column, problem.seen, problem.fixed) == (2, header, raw, None)
    assert error in str(problem.error)


def test_a_bad_cell_keeps_its_text_and_the_good_ones_their_values() -> None:
    found = read(HEADER, ("猫", "", "16：9", "8k", "很多", "f", "", "1.0", ""))

    assert [problem.column for problem in found.problems] == ["分辨率", "生成数量"]
    fields = found.rows[0].fields
    assert (fields["resolution"], fields["num_images"]) == ("8k", "很多")
    assert (fields["aspect_ratio"], fields["filename"], fields["seed"]) == ("16:9", "f", 1)


def test_a_problem_quotes_a_long_cell_briefly() -> None:
    found = read(("提示词", "图片比例"), ("猫" * 12_000, "x" * 30_000))

    assert [problem.column for problem in found.problems] == ["提示词", "图片比例"]
    assert all(len(problem.seen) + len(str(problem.error)) < 300 for problem in found.problems)
    assert found.rows[0].fields["prompt"] == "猫" * 12_000


def test_a_formula_without_a_stored_result_is_reported_by_cell() -> None:
    found = read(("提示词", "图片比例", "文件名"), ("=A1&B1", "=1+1", "=C1"), ("猫", "16:9", "a"))

    assert [(p.row, p.column, p.seen) for p in found.problems] == [
        (2, "提示词", "=A1&B1"),
        (2, "图片比例", "=1+1"),
        (2, "文件名", "=C1"),
    ]
    assert found.rows[0].fields["prompt"] == ""
    assert "公式" in str(found.problems[0].error)


def test_a_formula_whose_stored_result_is_empty_text_is_an_empty_cell() -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>提示词</v></c><c r="B1" t="str"><v>文件名</v></c></row>'
        '<row r="2"><c r="A2" t="str"><v>猫</v></c><c r="B2" t="str"><f>""</f><v></v></c></row>'
    )

    found = read_parts(f"<sheetData>{rows}</sheetData>")

    assert found.rows[0].fields["filename"] == ""
    assert found.problems == ()


@pytest.mark.parametrize("error", ["#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?"])
def test_an_error_cell_is_reported_by_cell(error: str) -> None:
    def write(_book: Any, sheet: Any) -> None:
        sheet.write(0, 0, "提示词")
        sheet.write_formula(1, 0, "=1/0", None, error)

    problem = only_problem(read_workbook(by_xlsxwriter(write), "a.xlsx"))

    assert (problem.row, problem.column, problem.seen, problem.fixed) == (2, "提示词", error, None)


def test_a_merged_prompt_fills_every_row_it_covers_and_is_noted() -> None:
    rows = (("提示词", "图片比例"), ("猫", "16:9"), (None, "1:1"), (None, "3:4"), ("狗", "1:1"))

    found = read(*rows, change=lambda sheet: sheet.merge_cells("A2:A4"))

    assert [row.fields["prompt"] for row in found.rows] == ["猫", "猫", "猫", "狗"]
    assert [(p.row, p.column, p.fixed) for p in found.problems] == [(3, "提示词", "猫"), (4, "提示词", "猫")]
    assert "A2:A4" in str(found.problems[0].error)


def test_a_row_merged_over_several_lines_is_one_row() -> None:
    def merge(sheet: Worksheet) -> None:
        sheet.merge_cells("A2:A4")
        sheet.merge_cells("B2:B4")

    found = read(("提示词", "图片比例"), ("猫", "16:9"), (), (), ("狗", "1:1"), change=merge)

    assert [(row.number, row.fields["prompt"]) for row in found.rows] == [(2, "猫"), (5, "狗")]
    assert found.problems == ()


def test_a_merged_title_and_a_header_merged_over_two_lines_are_understood() -> None:
    def merge(sheet: Worksheet) -> None:
        sheet.merge_cells("A1:B1")
        sheet.merge_cells("A2:A3")
        sheet.merge_cells("B2:B3")

    found = read(("提示词汇总",), ("提示词", "图片比例"), (), ("猫", "16:9"), change=merge)

    assert [row.fields["prompt"] for row in found.rows] == ["猫"]
    assert found.problems == ()


def test_hidden_rows_and_columns_are_kept_and_noted() -> None:
    def hide(sheet: Worksheet) -> None:
        sheet.row_dimensions[3].hidden = sheet.column_dimensions["B"].hidden = True

    found = read(("提示词", "负面提示词"), ("猫", "狗"), ("狗",), ("鱼",), change=hide)

    assert field(found, "negative_prompt") == ["狗", "", ""]
    assert any("1 行" in note and "第 3 行" in note and "隐藏" in note for note in notes(found))
    assert any("隐藏的列" in note and "负面提示词" in note for note in notes(found))


def test_missing_unknown_and_duplicate_columns_are_noted() -> None:
    found = read(("提示词", "备注", "提示词"), ("猫", "x", "狗"))

    assert found.rows[0].fields["prompt"] == "猫"
    for words in ("图片比例（1:1）", "分辨率（2K）", "点「列」显示：备注", "「提示词」有不止一列"):
        assert words in str(notes(found))


def test_a_size_column_beside_a_resolution_is_the_ratio_and_noted() -> None:
    found = read(("Prompt", "Size", "Resolution"), ("cat", "16:9", "4K"))

    assert found.rows[0].fields["aspect_ratio"] == "16:9"
    assert "「尺寸」列按「图片比例」读取" in str(notes(found))


def test_too_many_references_in_a_row_are_reported() -> None:
    names = tuple(f"图{number}" for number in range(17))
    found = read(("提示词", "参考示例图"), ("猫", ",".join(names)))

    assert only_problem(found).column == "参考示例图"
    assert found.rows[0].references == names


@pytest.mark.parametrize(("rows", "images"), [(1_001, 10), (5_001, 1)])
def test_more_than_can_be_started_at_once_is_noted(rows: int, images: int) -> None:
    found = read_csv("提示词,生成数量\n" + f"猫,{images}\n" * rows)

    assert len(found.rows) == rows
    assert found.problems == ()
    assert "一次最多开始 5000 行、10000 张" in notes(found)[-1]


def test_too_many_rows_are_refused_with_their_number() -> None:
    assert len(read_csv("提示词\n" + "猫\n" * MAX_ROWS_A_TABLE).rows) == MAX_ROWS_A_TABLE == 20_000
    with pytest.raises(SpreadsheetError, match=r"表格有 20003 行.*20000 行"):
        read(("提示词",), *[("猫",)] * 20_003)
    with pytest.raises(SpreadsheetError, match=r"表格有 21000 行"):
        read_csv("提示词\n" + "猫\n" * 21_000)


def test_unsupported_columns_and_long_prompts_are_noted(spec: ModelSpec) -> None:
    own = {"takes_seed": False, "takes_steps": False, "field_notes": {"seed": "这个模型没有种子"}}
    simple = replace(spec, prompt_limit=20, **own)  # type: ignore[arg-type]

    found = read(("提示词", "种子", "步数"), ("猫" * 50, 1, 2), find_model=Models([simple]).find)

    assert found.problems == ()
    for words in ("这个模型没有种子", "采样步数", "有 1 行的提示词超过"):
        assert words in str(notes(found))


def test_a_csv_row_wider_than_the_header_is_reported() -> None:
    found = read_csv("提示词,文件名\n猫, 狗,a\n鱼,b,,\n")

    assert only_problem(found).row == 2
    assert "逗号" in str(only_problem(found).error)


def test_the_answer_has_the_documented_form() -> None:
    answer = read(("提示词", "图片比例"), ("猫", datetime.time(16, 9)), ("狗", "x")).as_json()

    assert set(answer) == {"sheet", "sheets", "rows", "problems", "notes"}
    assert set(answer["problems"][0]) == {"row", "column", "seen", "error", "fixed"}
    assert set(answer["problems"][1]) == {"row", "column", "seen", "error"}
    assert "status" not in answer["rows"][0]


def test_invisible_characters_change_nothing_in_a_table() -> None:
    header = ("\u200b提示词\ufeff", "图片\u2060比例", "生成数量\u200e", "\u00a0参考图\u3000", "文件名")

    found = read(
        header,
        ("\ufeff猫", "16\u200b:9", "\u200e2", "a\u200bc；\ufeffb、\u2060", "\u200b"),
        ("\u200b", "\ufeff"),
    )

    (row,) = found.rows
    assert (row.fields["prompt"], row.fields["aspect_ratio"], row.fields["num_images"]) == ("猫", "16:9", 2)
    assert (row.references, row.fields["filename"]) == (("a\u200bc", "b"), "")
    assert found.problems == ()
