"""Which row of a table each line of a file is that comes back."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.tables.matching import TableRow, match_rows


def row(number: int, prompt: str, sku: str = "", **fields: Any) -> TableRow:
    plain = {"prompt": prompt, "aspect_ratio": "1:1", "seed": None, **fields}
    return TableRow(number=number, fields=plain, columns={"SKU": sku} if sku else {})


def table(count: int) -> list[TableRow]:
    return [row(number, f"第 {number} 款，白底", f"A-{number}") for number in range(2, count + 2)]


def numbered(rows: Sequence[TableRow]) -> list[TableRow]:
    return [replace(each, number=number) for number, each in enumerate(rows, 2)]


def matched(old: Sequence[TableRow], new: Sequence[TableRow]) -> list[int | None]:
    """The old line of each new row."""
    return [None if place is None else old[place].number for place in match_rows(old, new)]


def test_an_inserted_line_moves_the_rows_below_without_changing_them() -> None:
    old = table(6)
    new = numbered([*old[:3], row(0, "加的"), *old[3:]])
    assert matched(old, new) == [2, 3, 4, None, 5, 6, 7]


def test_a_sorted_table_is_unchanged() -> None:
    old = table(300)
    new = numbered(random.Random(1).sample(old, len(old)))
    assert matched(old, new) == [int(each.columns["SKU"][2:]) for each in new]


def test_an_edited_cell_is_a_changed_row_even_beside_inserted_lines() -> None:
    old = [row(number, f"第 {number} 款，白底") for number in range(2, 8)]
    edited = row(0, "第 4 款，黑底")
    new = numbered([*old[:2], row(0, "猫"), edited, *old[3:]])
    assert matched(old, new) == [2, 3, None, 4, 5, 6, 7]


def test_a_row_is_recognised_by_its_own_columns_wherever_it_is() -> None:
    old = table(5)
    moved = row(0, "全新的提示词", "A-3")
    new = numbered([moved, old[0], *old[2:]])
    assert matched(old, new)[0] == 3


def test_seven_edits_five_additions_and_three_removals_are_exactly_that() -> None:
    old = table(300)
    rows = list(old)
    for index in range(7):
        rows[index * 40 + 5] = row(0, f"改 {index}", rows[index * 40 + 5].columns["SKU"])
    del rows[290], rows[150], rows[0]
    rows[100:100] = [row(0, f"新 {index}", f"B-{index}") for index in range(5)]
    places = match_rows(old, numbered(rows))
    assert places.count(None) == 5
    assert {each.number for each in old} - {old[place].number for place in places if place is not None} == {
        2,
        152,
        292,
    }


def test_rows_are_found_by_a_column_whose_cells_are_all_different_though_others_are_not() -> None:
    old = [replace(each, columns={"批": "春", "款号": f"K{each.number}"}) for each in table(5)]
    new = [
        replace(row(0, f"全新的 {place}"), columns={"批": "夏", "款号": f"K{place}"})
        for place in (6, 3, 9, 2)
    ]
    assert matched(old, numbered(new)) == [6, 3, None, 2]


def test_a_column_that_counts_the_lines_is_not_followed_when_a_line_is_inserted() -> None:
    def counted(rows: Sequence[TableRow]) -> list[TableRow]:
        return [replace(each, columns={"序号": str(place)}) for place, each in enumerate(rows, 1)]

    old = [row(number, f"第 {number} 款") for number in range(2, 22)]
    assert matched(counted(old), counted([row(0, "插进来的"), *old])) == [None, *range(2, 22)]


def test_similar_rows_are_found_among_long_ones_without_comparing_all_characters() -> None:
    noise = random.Random(1)
    texts = ["".join(noise.choices("猫狗鸟鱼红蓝绿大小长短高低", k=5_000)) for _ in range(20)]
    old = [row(number, text) for number, text in enumerate(texts, 2)]
    new = numbered([row(0, f"改 {text}") for text in texts[:-1]])
    assert matched(old, new) == [each.number for each in old[:-1]]


def test_many_equal_rows_are_compared_without_confusing_their_number() -> None:
    old = [row(number, "猫") for number in range(2, 2002)]
    assert match_rows(old, old[:1500]) == [*range(1500)]


def with_columns(prompt: str, references: tuple[str, ...] = (), **columns: str) -> TableRow:
    return replace(row(0, prompt), references=references, columns=columns)


def products(*colours: str) -> list[TableRow]:
    return numbered([with_columns("", 色=colour) for colour in colours])


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            [with_columns("同", ("杯.png",)), with_columns("同", ("碗",))],
            [with_columns("同", ("碗.jpg",)), with_columns("同", ("杯.jpg",))],
            [1, 0],
            id="a reference counts without its extension",
        ),
        pytest.param(
            [with_columns("同", 店=name) for name in "甲乙乙"],
            [with_columns("同", 店=name, 备注="") for name in "乙乙甲"],
            [1, 2, 0],
            id="an empty new column changes no row",
        ),
        pytest.param(
            [with_columns("{色}杯", 色=name, 备注="旧") for name in "红蓝蓝"],
            [with_columns("{色}杯", 色=name, 备注="新") for name in "蓝蓝红"],
            [1, 2, 0],
            id="a column that the words use counts, others do not",
        ),
        pytest.param(
            [with_columns("", 店=name) for name in "甲乙乙"],
            [with_columns("", 店=name, 备注="") for name in "乙乙甲"],
            [1, 2, 0],
            id="an empty new column changes no product",
        ),
        pytest.param(
            products("红", "蓝", "绿"),
            products("黄", "蓝", "绿"),
            [None, 1, 2],
            id="a product is not another",
        ),
        pytest.param(
            products("红", "红", "蓝"),
            products("红", "绿", "蓝"),
            [0, 1, 2],
            id="products without a column of different cells are those between the same neighbours",
        ),
        pytest.param(
            [
                row(0, "红色的杯子", filename="a"),
                row(0, "蓝色的碗", filename="b"),
                row(0, "锅", filename="c"),
            ],
            [row(0, "大汽车", filename="c"), row(0, "小飞机", filename="a"), row(0, "船", filename="b")],
            [2, 0, 1],
            id="different file names identify",
        ),
        pytest.param(
            [
                with_columns("红色的杯子", 店="甲"),
                with_columns("蓝色的大碗", 店="甲"),
                with_columns("锅", 店="乙"),
            ],
            [
                with_columns("完全不同", 店="甲"),
                with_columns("蓝色的大碗改", 店="甲"),
                with_columns("红色的杯子改", 店="甲"),
                with_columns("锅", 店="乙"),
            ],
            [None, 1, 0, 2],
            id="columns that are equal in several rows identify none",
        ),
        pytest.param(
            [
                with_columns("a", 店="甲", 色="红"),
                with_columns("b", 店="甲", 色="蓝"),
                with_columns("c", 店="乙", 色="红"),
            ],
            [
                with_columns("x", 店="乙", 色="红"),
                with_columns("y", 店="甲", 色="红"),
                with_columns("z", 店="甲", 色="蓝"),
            ],
            [2, 0, 1],
            id="columns that differ together identify",
        ),
        pytest.param(
            [with_columns("a", 店="甲"), with_columns("b", 店="乙"), row(0, "猫")],
            [row(0, "汽车的引擎"), with_columns("a", 店="甲"), with_columns("b", 店="乙")],
            [None, 0, 1],
            id="rows without own columns have no identity",
        ),
        pytest.param(
            [row(0, "红色的杯子"), row(0, "蓝色的大碗")],
            [row(0, "绿"), row(0, "蓝色的大碗改"), row(0, "红色的杯子改")],
            [None, 1, 0],
            id="the most similar row, each once",
        ),
        pytest.param(
            [row(0, "猫猫1234ab"), row(0, "锅")],
            [row(0, "猫猫1234cd"), row(0, "猫"), row(0, "锅")],
            [0, None, 1],
            id="half of the characters in common is similar",
        ),
        pytest.param(
            [row(0, "猫猫1234ab"), row(0, "锅")],
            [row(0, "猫猫1水火木金土"), row(0, "鱼"), row(0, "锅")],
            [None, None, 1],
            id="fewer are not",
        ),
        pytest.param(
            [
                with_columns("红色的杯子", 店="甲"),
                with_columns("蓝色的大碗", 店="甲"),
                with_columns("锅", 店="乙"),
            ],
            [with_columns("锅", 店="乙"), with_columns("蓝色的大碗改", 店="甲")],
            [2, None],
            id="nor does one of which there were several",
        ),
        pytest.param(
            [with_columns(name, 货号=f"{place}00", 备注="旧") for place, name in enumerate("abc")],
            [
                with_columns("z", 货号="200", 备注="新"),
                *(with_columns(name, 货号=f"{place}00", 备注="旧") for place, name in enumerate("ab")),
            ],
            [2, 0, 1],
            id="numbers identify where most rows are equal",
        ),
        pytest.param(
            [row(0, name) for name in ("红", "蓝", "绿", "黄")],
            [row(0, name) for name in ("绿", "改过", "红")],
            [2, 3, 0],
            id="a row that moved up bounds no gap",
        ),
        pytest.param(
            [row(0, name) for name in ("红", "蓝", "绿")],
            [row(0, name) for name in ("改过", "绿", "红")],
            [1, 2, 0],
            id="a row that moved down is in no gap",
        ),
    ],
)
def test_a_line_is_the_row_that_it_was(
    old: list[TableRow], new: list[TableRow], expected: list[int | None]
) -> None:
    assert match_rows(numbered(old), numbered(new)) == expected


def test_of_equally_similar_rows_the_one_of_the_same_line_and_then_the_first_is_taken() -> None:
    old = [row(2, "红色的杯子"), row(3, "红色的杯子")]
    assert match_rows(old, [row(3, "红色的杯子改")]) == [1]
    assert match_rows(old, [row(9, "红色的杯子改"), row(8, "红色的杯子改"), row(7, "别的")]) == [1, 0, None]


def test_among_too_many_changed_rows_those_of_the_same_line_are_paired() -> None:
    old = [row(number, f"旧的提示词 {number:03}") for number in range(2, 122)]
    new = [row(number, f"旧的提示词 {number + 1:03}改") for number in range(3, 103)]
    assert match_rows(old, new) == [*range(1, 101)]
    assert match_rows(old, [*new, row(500, "新")])[-1] is None
