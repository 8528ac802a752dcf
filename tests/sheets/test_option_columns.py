"""Columns of the model and its options: how they are named, when they are ours, what their cells may hold."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from app.domain import Models, Status
from app.sheets import Import, read_workbook, write_records, write_requests, write_template
from app.web.i18n import in_english
from tests.sheets import tables
from tests.sheets.tables import opened
from tests.sheets.test_results_export import lines, record, written
from tests.specs import ANY

FULL = replace(
    ANY,
    label="甲",
    options={
        "reference_strength": range(1, 101),
        "background": ("transparent", "opaque"),
        "output_format": ("png", "jpeg"),
        "quality": ("low", "high"),
    },
)
PLAIN = replace(ANY, model_id="test-2", label="乙 2.0", max_references=1, takes_seed=False, prompt_limit=5)
MODELS = Models([FULL, PLAIN])


read = partial(tables.read, find_model=MODELS.find)


def column(header: str, *cells: Any, prompt: str = "猫", **more: Any) -> Import:
    """Import a table with this column beside the prompts."""
    return read(("提示词", header), *((prompt, cell) for cell in cells), **more)


@pytest.mark.parametrize(
    ("header", "field", "cell", "value"),
    [
        ("模型", "model", "乙 2.0", "test-2"),
        ("Model", "model", "TEST-2", "test-2"),
        ("图片模型（选填）", "model", " 甲 ", "test-1"),
        ("模型", "model", "test", "test-1"),
        ("参考强度", "reference_strength", 60, 60),
        ("参考强度（1-100）", "reference_strength", "60%", 60),
        ("Reference strength", "reference_strength", "６０", 60),
        ("背景", "background", "透明", "transparent"),
        ("Background", "background", "Opaque", "opaque"),
        ("透明背景", "background", "是", "transparent"),
        ("是否透明", "background", "否", "opaque"),
        ("透明背景", "background", True, "transparent"),
        ("格式", "output_format", "PNG", "png"),
        ("Output format", "output_format", "jpg", "jpeg"),
        ("图片格式", "output_format", ".png", "png"),
        ("质量", "quality", "高", "high"),
        ("Quality", "quality", "low", "low"),
    ],
)
def test_a_column_of_an_option_is_read(header: str, field: str, cell: Any, value: Any) -> None:
    found = column(header, cell, None)

    assert [row.fields[field] for row in found.rows] == [value, None if value == 60 else ""]
    assert found.problems == ()
    assert [row.columns for row in found.rows] == [{}, {}]


@pytest.mark.parametrize(
    ("value", "number_format"), [(0.6, "0%"), (60, "0.00"), (60, '0"%"'), (0.6, "0.00%")]
)
def test_a_strength_is_read_as_excel_shows_it(value: float, number_format: str) -> None:
    def formats(sheet: Any) -> None:
        sheet["B2"].number_format = number_format

    found = column("参考强度", value, change=formats)

    assert (found.rows[0].fields["reference_strength"], found.problems) == (60, ())


@pytest.mark.parametrize("cell", ["0.6", "101", "0", "强", 0.6])
def test_a_strength_that_is_not_understood_is_reported(cell: Any) -> None:
    (problem,) = column("参考强度", cell).problems

    assert (problem.row, problem.column, problem.fixed) == (2, "参考强度", None)
    assert "1–100" in str(problem.error)


def test_an_unknown_model_is_reported_with_the_choices() -> None:
    found = column("模型", "丙", "乙 2.0")

    (problem,) = found.problems
    assert (problem.row, problem.column, problem.seen, problem.fixed) == (2, "模型", "丙", None)
    assert str(problem.error) == "没有叫「丙」的模型，可选：甲、乙 2.0"
    assert [row.fields["model"] for row in found.rows] == ["丙", "test-2"]


@pytest.mark.parametrize(
    ("cells", "is_noted"), [(("A 款", "B 款"), True), (("A 款", "甲"), False), (("",), False)]
)
def test_a_column_without_any_model_may_be_the_users_own(cells: Sequence[str], is_noted: bool) -> None:
    assert any("请改个列名" in str(note) for note in column("模型", *cells).notes) is is_noted


def test_each_row_is_validated_against_its_own_model() -> None:
    found = read(
        ("提示词", "模型", "参考图", "质量"),
        ("猫", "", "a;b", "高"),
        ("猫", "乙 2.0", "a;b", "高"),
        ("猫", "", "a", "中"),
    )

    assert [(each.row, each.column) for each in found.problems] == [(3, "参考示例图"), (4, "质量")]
    assert str(found.problems[1].error) == "甲 没有「medium」，可选：low、high"


def test_the_model_of_the_table_is_that_of_rows_that_name_none() -> None:
    table = (("提示词", "模型", "参考图"), ("猫", "", "a;b"), ("猫", "甲", "a;b"))

    found = tables.read(*table, find_model=lambda name: MODELS.find(name or "乙 2.0"))

    assert [each.row for each in found.problems] == [2]
    assert [row.fields["model"] for row in found.rows] == ["", "test-1"]


def test_what_a_model_does_not_take_is_noted_for_each_model_in_use() -> None:
    header = ("提示词", "模型", "种子", "参考强度")
    rows = [("一只橘猫趴着", "甲", 1, 60), ("一只橘猫趴着", "乙 2.0", 2, 60)]

    def notes(*chosen: Sequence[Any]) -> list[str]:
        return [str(note) for note in read(header, *chosen).notes if "2.0" in str(note)]

    assert notes(*rows) == [
        "乙 2.0 不接受种子，由它来画的行不会用到这一列",
        "乙 2.0 不接受参考强度，由它来画的行不会用到这一列",
        "有 1 行的提示词超过 乙 2.0 建议的 5 字，可能被忽略一部分",
    ]
    assert notes(rows[1])[0] == "乙 2.0 不接受种子，这一列不会用到"
    assert notes(rows[0]) == []


@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("背景", ("白色大理石", "木纹")),
        ("透明背景", ("待定",)),
        ("格式", ("主图", "详情页")),
        ("Format", ("square",)),
        ("质量", ("A 级",)),
        ("背景", ()),
        ("格式", (None,)),
        ("背景描述", ("透明",)),
    ],
)
def test_a_column_with_other_values_stays_the_users_own(header: str, cells: Sequence[Any]) -> None:
    found = column(header, *cells or (None,))

    assert [row.columns[header] for row in found.rows] == [cell or "" for cell in cells or (None,)]
    assert {
        row.fields[name] for row in found.rows for name in ("background", "output_format", "quality")
    } == {""}
    assert found.problems == ()
    assert f"自己的列会保留，点「列」显示：{header}" in map(str, found.notes)


def test_a_column_that_is_partly_an_option_is_the_users_own_and_reported() -> None:
    found = column("背景", "透明", "木纹", "透明")

    assert [row.columns["背景"] for row in found.rows] == ["透明", "木纹", "透明"]
    assert "「背景」列有几格不是 透明、不透明（第 3 行），整列按自己的列保留" in map(str, found.notes)


@pytest.mark.parametrize("header", ["背景", "模型", "格式"])
def test_a_column_used_as_a_variable_is_the_users_own(header: str) -> None:
    found = column(header, "png", prompt=f"一张 {{{header}}}")

    assert [row.columns for row in found.rows] == [{header: "png"}]
    assert found.problems == ()


def test_beside_an_option_the_second_column_of_its_name_is_the_users_own() -> None:
    found = read(("提示词", "背景", "背景", "透明背景"), ("猫", "透明", "木纹", "否"))

    assert found.rows[0].fields["background"] == "transparent"
    assert found.rows[0].columns == {"背景": "木纹", "透明背景": "否"}


def test_a_merged_option_is_the_same_in_each_row() -> None:
    found = column("模型", "乙 2.0", None, change=lambda sheet: sheet.merge_cells("B2:B3"))

    assert [row.fields["model"] for row in found.rows] == ["test-2", "test-2"]
    assert [(each.row, each.column, each.fixed) for each in found.problems] == [(3, "模型", "乙 2.0")]


def test_a_formula_without_a_result_is_no_model() -> None:
    (problem,) = column("模型", "=A1").problems

    assert (problem.column, problem.fixed) == ("模型", None)


def header_of(sheet: Any) -> list[str]:
    return [str(cell.value) for cell in sheet[1]]


def drop_downs(sheet: Any) -> dict[str, str]:
    return {str(each.sqref)[0]: str(each.formula1) for each in sheet.data_validations.dataValidation}


def test_an_export_has_the_columns_that_are_used_with_their_choices() -> None:
    rows = [{"prompt": "猫", "model": "test-2", "background": "opaque"}, {"prompt": "狗", "model": ""}]

    sheet = opened(write_requests(rows, [FULL, PLAIN])).worksheets[0]

    assert header_of(sheet)[9:] == ["模型", "背景"]
    assert [[cell.value for cell in row[9:]] for row in sheet.iter_rows(2)] == [
        ["乙 2.0", "不透明"],
        [None, None],
    ]
    assert drop_downs(sheet) | {"J": '"甲,乙 2.0"', "K": '"透明,不透明"'} == drop_downs(sheet)


def test_an_export_without_options_has_the_columns_of_the_template() -> None:
    export = opened(write_requests([{"prompt": "猫", "model": "", "quality": None}], [FULL, PLAIN]))

    assert header_of(export.worksheets[0]) == header_of(opened(write_template([FULL, PLAIN])).worksheets[0])


def test_two_models_of_one_label_are_exported_by_their_ids() -> None:
    twins = [FULL, replace(FULL, model_id="test-3")]

    sheet = opened(write_requests([{"prompt": "猫", "model": "test-3"}], twins)).worksheets[0]

    assert (sheet["J2"].value, drop_downs(sheet)["J"]) == ("test-3", '"test-1,test-3"')


def test_a_drop_down_that_excel_cannot_hold_is_left_out() -> None:
    many = [replace(FULL, model_id=f"test-{n}", label=f"很长的模型名字 {n}") for n in range(40)]

    sheet = opened(write_requests([{"prompt": "猫", "model": "test-3"}], many)).worksheets[0]

    assert "J" not in drop_downs(sheet)
    assert sheet["J2"].value == "很长的模型名字 3"


def test_an_invalid_model_or_option_is_exported_unchanged() -> None:
    row = {"prompt": "猫", "model": "丙", "reference_strength": "很强"}
    with write_requests([row], [FULL, PLAIN], translate=in_english) as file:
        (found,) = read_workbook(file.read(), "a.xlsx", find_model=MODELS.find).rows

    assert (found.fields["model"], found.fields["reference_strength"]) == ("丙", "很强")


def test_the_template_explains_the_columns_that_the_models_take() -> None:
    explained = [
        [str(cell.value or "") for cell in row]
        for row in opened(write_template([FULL, PLAIN]))["说明"].iter_rows(2)
    ]
    plain = [str(cell.value) for row in opened(write_template([PLAIN]))["说明"].iter_rows() for cell in row]

    added = [line for line in explained if "可以加的列" in line[0]]
    assert [line[0].partition("：")[2] for line in added] == ["模型", "参考强度", "背景", "格式", "质量"]
    assert all(map(all, added))
    assert "甲、乙 2.0" in added[0][1]
    assert not any("可以加的列" in text or "按选项读" in text for text in plain)


OPTIONS = {"reference_strength": 60, "background": "opaque", "output_format": "jpeg", "quality": "high"}


@pytest.mark.parametrize("translate", [str, in_english])
def test_results_come_back_with_their_models_and_options(translate: Any) -> None:
    records = [
        record(1, Status.FAILED, model="test-1", options=OPTIONS),
        record(2, Status.FAILED, model="test-2"),
        record(3, Status.SUCCESS, model="gone"),
    ]

    found = read_workbook(written(records, translate=translate), "a.xlsx", find_model=MODELS.find)

    assert [row.fields["model"] for row in found.rows] == ["test-1", "test-2", "gone"]
    assert {name: found.rows[0].fields[name] for name in OPTIONS} == OPTIONS
    assert {found.rows[1].fields[name] for name in OPTIONS} == {None, ""}
    assert (found.problems, [row.columns for row in found.rows]) == ((), [{}] * 3)
    done = read_workbook(written([record(3, model="gone")]), "a.xlsx", find_model=MODELS.find)
    assert (done.problems, done.notes) == ((), ())


def test_results_without_options_have_no_columns_for_them() -> None:
    (line,) = lines(written([record(1)]))

    assert line["模型"] == "jimeng"
    assert not line.keys() & {"参考强度", "背景", "格式", "质量"}


def test_an_own_column_of_results_stays_the_users_own() -> None:
    records = [record(1, Status.FAILED, columns={"背景": "木纹"}, options={"background": "opaque"})]

    (row,) = read_workbook(written(records), "a.xlsx").rows

    assert (row.fields["background"], row.columns) == ("opaque", {"背景": "木纹"})


def test_exported_records_have_the_columns_of_their_options() -> None:
    with write_records([record(1, model="test-1", options=OPTIONS)], options={*OPTIONS}) as file:
        (row,) = read_workbook(file.read(), "a.xlsx", find_model=MODELS.find).rows

    assert {name: row.fields[name] for name in OPTIONS} == OPTIONS
    assert (row.fields["model"], row.columns) == ("test-1", {})
