"""Which row of a table each line of a file is that comes back."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

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
