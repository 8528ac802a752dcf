"""Which files a delivery has, how they are named, and what is told before anything is made."""

from dataclasses import replace
from typing import Any

import pytest

from app.delivery.naming import Picture, Source, listed_columns, plan_files
from app.delivery.profiles import Profile

FILE_NAME: dict[str, Any] = {"file_name": "{文件名}", "folder": "", "format": "jpeg"}


def source(
    row: int, requested: str = "", *, wanted: int = 1, numbers: tuple[int, ...] = (1,), **columns: str
) -> Source:
    """A row with pictures of these numbers; the record of each is ten times the row and its number."""
    pictures = [Picture(10 * row + number, number, "猫-7.png", 100, 100) for number in numbers]
    return Source(row=row, row_id=row, wanted=wanted, requested=requested, columns=columns, pictures=pictures)


def paths(*sources: Source, **templates: Any) -> list[str]:
    files, problems = plan_files(sources, **{**FILE_NAME, **templates})
    assert problems == []
    return [file.name for file in files]


def problems(*sources: Source, **templates: str) -> list[tuple[int, str, str]]:
    """(row, field, kind) of the problems; rows with one have no file."""
    files, found = plan_files(sources, **{**FILE_NAME, **templates})
    assert not {file.row for file in files} & {problem.row for problem in found}
    return [(problem.row, problem.field, problem.kind) for problem in found]


def test_a_picture_has_exactly_the_name_that_its_row_asks_for() -> None:
    assert paths(source(1, "白底 A-1"), source(2, "春/白底.PNG"), format="original") == [
        "白底 A-1.png",
        "春/白底.png",
    ]


def test_only_pictures_that_leave_together_are_numbered_as_in_their_row() -> None:
    assert paths(source(1, "猫", wanted=3, numbers=(1, 3))) == ["猫_1.jpg", "猫_3.jpg"]
    assert paths(source(1, "猫", wanted=2, numbers=(2,))) == ["猫.jpg"]
    assert paths(source(1, "猫", wanted=1, numbers=(1, 2))) == ["猫_1.jpg", "猫_2.jpg"]
    assert paths(source(1, "猫", wanted=2, numbers=(2, 5))) == ["猫_2.jpg", "猫_1.jpg"]


def test_a_row_without_a_name_is_named_by_its_number_and_not_by_its_prompt() -> None:
    assert paths(source(7)) == ["图片-7.jpg"]


def test_templates_take_own_columns_and_the_row() -> None:
    rows = [source(3, "正面", SKU="A/1", 角色="主图")]
    assert paths(*rows, folder="{sku}/{角色}", file_name="{行号}-{文件名}") == ["A_1/主图/3-正面.jpg"]


def test_numbers_count_the_files_that_are_otherwise_named_alike() -> None:
    rows = [source(1, SKU="A"), source(2, SKU="B"), source(3, wanted=2, numbers=(1, 2), SKU="a")]
    assert paths(*rows, folder="{SKU}", file_name="{SKU}-{序号}") == [
        *("A/A-01.jpg", "B/B-01.jpg", "a/a-02.jpg", "a/a-03.jpg")
    ]
    many = [source(row, SKU="A") for row in range(1, 102)]
    assert paths(*many, file_name="{序号}")[::100] == ["001.jpg", "101.jpg"]


@pytest.mark.parametrize(
    ("requested", "path"),
    [
        ('a:b*c?"<d>|', "a_b_c_d.jpg"),
        ("con", "_con.jpg"),
        ("尾巴. ", "尾巴.jpg"),
        ("../../etc/x", None),
        ("???", None),
        ("a/???/b", None),
    ],
)
def test_names_are_those_that_every_system_takes_or_a_problem(requested: str, path: str | None) -> None:
    if path:
        assert paths(source(1, requested)) == [path]
    else:
        assert problems(source(1, requested)) == [(1, "file_name", "name")]


def test_a_name_or_path_that_is_too_long_is_a_problem_and_never_cut() -> None:
    assert problems(source(1, "长" * 100)) == [(1, "file_name", "name")]
    assert problems(source(1, "名", SKU="s" * 201), folder="{SKU}") == [(1, "file_name", "name")]
    assert problems(source(1, "n" * 100, SKU="s" * 150), folder="{SKU}") == [(1, "file_name", "name")]
    assert len(paths(source(1, "n" * 100, SKU="s" * 144), folder="{SKU}")[0]) == 249


def test_two_rows_with_one_path_are_a_problem_of_both_ignoring_case() -> None:
    rows = [source(1, "Cat"), source(2, "狗"), source(3, "cAT"), source(4, "cat")]
    assert problems(*rows) == [(row, "file_name", "same_name") for row in (1, 3, 4)]
    files, found = plan_files(rows, **FILE_NAME)
    assert [file.name for file in files] == ["狗.jpg"]
    assert "第 3、4 行" in str(found[0].error)


@pytest.mark.parametrize(
    ("columns", "kind"), [({"SKU": " "}, "empty"), ({"sku编号": "A"}, "column"), ({}, "column")]
)
def test_an_empty_or_unknown_column_is_told_at_the_row(columns: dict[str, Any], kind: str) -> None:
    assert problems(source(4, "猫", **columns), folder="{SKU}") == [(4, "folder", kind)]


def test_a_column_that_the_table_has_not_is_told_by_what_uses_it() -> None:
    _, (found,) = plan_files([source(1, "猫")], file_name="{ASIN}.MAIN", folder="", format="jpeg")
    assert str(found.error) == "文件名要用「ASIN」，这张表没有这一列"


def test_with_counters_a_second_file_of_a_name_gets_one_that_no_other_file_has() -> None:
    rows = [source(1, "Cat"), source(2, "cat-2"), source(3, "cAT"), source(4, "cat", numbers=(1, 2))]
    assert paths(*rows, counters=True) == ["Cat.jpg", "cat-2.jpg", "cAT-3.jpg", "cat_1.jpg", "cat_2.jpg"]
    assert paths(rows[0], replace(rows[0], row=9, row_id=9), counters=True) == ["Cat.jpg"]


def test_the_list_has_the_columns_of_names_and_folders_and_those_asked_for() -> None:
    profile = Profile(name="我的", folder="{ 店铺}", file_name="{sku}-{文件名}", columns=("颜色", "没有的"))
    assert listed_columns(["SKU", "店铺", "备注", "颜色"], profile) == ["SKU", "店铺", "颜色"]


def test_two_rows_with_one_path_and_one_picture_are_one_file() -> None:
    first = source(1, "cat")
    rows = [first, replace(first, row=2, row_id=2)]
    assert (paths(*rows), problems(*rows)) == (["cat.jpg"], [])
