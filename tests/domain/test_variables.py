"""Variables in the rows of a table: what is replaced, what stays as it is, and what is a problem."""

from typing import Any

import pytest

from app.domain import FilledRow, fill_rows

DATE = "2026-11-26"
MANY = {str(number): "" for number in range(51)}


def fill(row: Any, *others: Any) -> FilledRow:
    """The first of these rows, filled; its number is 7."""
    rows = [row, *others]
    return next(fill_rows(rows, range(7, 7 + len(rows)), date=DATE))


def prompt(text: str, columns: Any = None) -> str:
    """The prompt as sent."""
    filled = fill({"prompt": text, "columns": columns or {}})
    assert filled.fields is not None
    assert not filled.problems
    sent: str = filled.fields["prompt"]
    return sent


def problems(row: Any, *others: Any) -> list[tuple[str, str]]:
    return [(one.field, str(one.message)) for one in fill(row, *others).problems]


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("一只{颜色}的猫", "一只红的猫"),
        ("{颜色}{颜色}", "红红"),
        ("{ 颜色 }", "红"),
        ("{ｃｏｌｏｒ}", "red"),
        ("{Color  NAME}", "scarlet"),
        ("第{行号}行，第{序号}个，{日期}", "第7行，第1个，2026-11-26"),
        ("{{颜色}}", "{颜色}"),
        ("{{{颜色}}}", "{红}"),
        ("只有一个 { 的", "只有一个 { 的"),
        ("} 猫 {", "} 猫 {"),
        ("{}", "{}"),
        ("{ }", "{ }"),
        ('{"style": "水彩", "颜色": {"a": {"b": 1}}}', '{"style": "水彩", "颜色": {"a": {"b": 1}}}'),
        ("{red|blue} 的花", "{red|blue} 的花"),
        ("{masterpiece, best quality}", "{masterpiece, best quality}"),
        ("{颜色：红}", "{颜色：红}"),
        ("{一句\n两行}", "{一句\n两行}"),
    ],
)
def test_variables_are_replaced_and_other_braces_stay(typed: str, sent: str) -> None:
    columns = {"颜色": "红", "color": "red", "color name": "scarlet"}

    assert prompt(typed, columns) == sent


def test_without_own_columns_braces_are_text() -> None:
    for text in ("{masterpiece} 的猫", "{{masterpiece}}", "{SKU}", "{", "}}", '{"a": {"b": {"c": 1}}}', "{{"):
        assert prompt(text) == text
    assert prompt("{日期} {masterpiece} {{日期}}") == "2026-11-26 {masterpiece} {日期}"


def test_a_value_is_not_filled_again() -> None:
    assert prompt("{a}", {"a": "{b}", "b": "x"}) == "{b}"


def test_an_own_column_takes_precedence_over_a_built_in_name() -> None:
    assert prompt("{序号}-{行号}", {"序号": "A-9"}) == "A-9-7"


def test_the_position_may_be_given_and_is_validated() -> None:
    assert fill({"prompt": "{序号}", "position": 40}).fields == {"prompt": "40", "position": 40}
    assert problems({"prompt": "a", "position": 0}) == [("position", "序号应为 1–9999999 的整数")]


def test_empty_rows_do_not_count_as_positions() -> None:
    rows = [{"prompt": "{序号}"}, {"prompt": " "}, {"prompt": "{序号}"}]
    found = [filled.fields or {} for filled in fill_rows(rows, [2, 3, 4], date=DATE)]

    assert [fields["prompt"] for fields in found] == ["1", " ", "2"]


def test_an_unknown_name_is_a_problem_of_its_field() -> None:
    row = {"prompt": "{SKU} {客戸}", "filename": "{sku}", "columns": {"SKU": "A1"}}
    photo = {"prompt": "a", "sample_images": [{"url": "", "filename": "{产品图}"}], "columns": {"SKU": "A1"}}

    assert problems(row) == [("prompt", "没有「客戸」这一列，请改成表里的列名；要写花括号本身，请连写两个")]
    assert problems(photo) == [
        ("sample_images", "这张表没有「产品图」这一列：不用它，或改选写着图片名的一列")
    ]
    filled = fill(row)
    assert filled.fields is not None
    assert (filled.fields["prompt"], filled.fields["filename"]) == ("{SKU} {客戸}", "A1")


def test_an_empty_cell_is_a_problem_of_the_field_that_needs_it() -> None:
    row = {"prompt": "猫", "negative_prompt": "{客户}", "columns": {"客户": " "}}

    assert problems(row) == [("negative_prompt", "这一行的「客户」是空的，请填好这一格")]


def test_a_row_without_the_column_of_another_row_has_an_empty_cell() -> None:
    assert problems({"prompt": "{SKU}"}, {"prompt": "狗", "columns": {"SKU": "A"}}) == [
        ("prompt", "这一行的「SKU」是空的，请填好这一格")
    ]


def test_the_same_problem_is_told_once() -> None:
    assert len(problems({"prompt": "{x} {x}", "columns": {"a": "1"}})) == 1


def test_templates_are_the_fields_that_differ() -> None:
    fields = {"prompt": " {SKU} ", "negative_prompt": "水印 ", "filename": "{日期}/{SKU}"}
    row = {**fields, "columns": {"SKU": "A"}}

    assert fill(row).extras.templates == {"prompt": "{SKU}", "filename": "{日期}/{SKU}"}
    assert fill(row).extras.columns == {"SKU": "A"}


def test_a_reference_named_by_variables_is_looked_up_by_its_name() -> None:
    images = [{"url": "/old", "filename": "{SKU}.png"}, {"url": "/b", "filename": "b.png"}]
    filled = fill({"prompt": "猫", "sample_images": images, "columns": {"SKU": "A"}})

    assert filled.fields is not None
    assert filled.fields["sample_images"] == [{"url": "", "filename": "A.png"}, images[1]]
    assert filled.extras.templates["sample_images"] == [{"url": "", "filename": "{SKU}.png"}, images[1]]


def test_a_slash_of_a_cell_makes_no_folder() -> None:
    filled = fill({"prompt": "猫", "filename": "{客户}/{SKU}", "columns": {"客户": "甲/乙", "SKU": "A\\1"}})

    assert filled.fields is not None
    assert filled.fields["filename"] == "甲_乙/A_1"


def test_the_length_of_what_is_sent_counts() -> None:
    long, filled = "x" * 2000, fill({"prompt": "{a}" * 6, "columns": {"a": "x" * 2000}})

    _, found = filled.read()
    assert [str(one.message) for one in found] == ["提示词有 12000 字，最多 10000 字"]
    assert prompt("{a}" * 5, {"a": long}) == long * 5


def test_filling_ends_where_no_field_accepts_more() -> None:
    filled = fill({"prompt": "{a}" * 3_000, "columns": {"a": "x" * 2_000}})

    assert filled.fields is not None
    assert 10_000 < len(filled.fields["prompt"]) < 40_000


def test_a_row_that_is_made_again_is_not_filled_again() -> None:
    row = {"prompt": "{猫}", "columns": {"猫": "x"}, "templates": {"prompt": "{{猫}}"}}
    filled = fill(row)

    assert filled.fields == row
    assert filled.extras.templates == {"prompt": "{{猫}}"}


@pytest.mark.parametrize(
    "templates", [1, [], {"seed": "1"}, {"prompt": 1}, {"prompt": "x" * 10_001}, {"sample_images": [1]}]
)
def test_invalid_templates_are_a_problem(templates: Any) -> None:
    assert len(problems({"prompt": "猫", "templates": templates})) == 1


@pytest.mark.parametrize(
    "columns",
    [1, ["a"], {"a": 1}, {"a": None}, {"": "x"}, {" ": "x"}, {"a" * 101: "x"}, {"a": "x" * 2001}, MANY],
)
def test_invalid_own_columns_are_a_problem(columns: Any) -> None:
    assert [field for field, _ in problems({"prompt": "猫", "columns": columns})] == ["columns"]


def test_white_space_in_a_column_name_is_folded() -> None:
    assert fill({"prompt": "猫", "columns": {" 交\n期 ": "x"}}).extras.columns == {"交 期": "x"}


@pytest.mark.parametrize("row", [1, None, "猫", ["猫"]])
def test_what_is_no_object_is_no_row(row: Any) -> None:
    request, found = fill(row).read()

    assert request is None
    assert [one.field for one in found] == [""]
