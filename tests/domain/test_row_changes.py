"""Which row of a table that comes back is which row of the one that was submitted."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from app.domain import TableRow, differences, match_by_number, match_rows


def row(number: int, prompt: str, sku: str = "", **fields: Any) -> TableRow:
    plain = {"prompt": prompt, "aspect_ratio": "1:1", "seed": None, **fields}
    return TableRow(number=number, fields=plain, columns={"SKU": sku} if sku else {}, records=(number,))


def table(count: int) -> list[TableRow]:
    return [row(number, f"第 {number} 款，白底", f"A-{number}") for number in range(2, count + 2)]


def numbered(rows: Sequence[TableRow]) -> list[TableRow]:
    return [replace(each, number=number) for number, each in enumerate(rows, 2)]


def matched(old: Sequence[TableRow], new: Sequence[TableRow]) -> list[int | None]:
    """The old line of each new row."""
    return [was.number if was else None for was in match_rows(old, new).was]


def test_an_unchanged_table_has_no_changes() -> None:
    old = table(50)
    found = match_rows(old, table(50))
    assert (found.was, found.removed) == (old, [])
    assert found.number_of_equal(old) == 50


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
    assert differences(old[2], new[3]) == {"prompt": "第 4 款，白底"}


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
    new = numbered(rows)
    found = match_rows(old, new)
    changes = [differences(was, each) for was, each in zip(found.was, new, strict=True) if was]
    assert sum(was is None for was in found.was) == 5
    assert [each.number for each in found.removed] == [2, 152, 292]
    assert sum(bool(change) for change in changes) == 7


def test_a_used_own_column_is_part_of_the_request_and_others_are_not() -> None:
    old, new = row(2, "{SKU} 白底", "A-1"), row(2, "{SKU} 白底", "A-2")
    assert differences(old, new) == {"columns": {"SKU": "A-1"}}
    assert differences(row(2, "白底", "A-1"), row(2, "白底", "A-2")) == {}


@pytest.mark.parametrize("written", ["sku", " SKU ", "ＳＫＵ"])
def test_a_column_is_used_however_its_name_is_written(written: str) -> None:
    template = f"{{{written}}} 白底"
    assert differences(row(2, template, "A-1"), row(2, template, "A-2")) == {"columns": {"SKU": "A-1"}}


def test_similar_rows_are_found_among_long_ones_without_comparing_all_characters() -> None:
    noise = random.Random(1)
    texts = ["".join(noise.choices("猫狗鸟鱼红蓝绿大小长短高低", k=5_000)) for _ in range(20)]
    old = [row(number, text) for number, text in enumerate(texts, 2)]
    new = numbered([row(0, f"改 {text}") for text in texts[:-1]])
    assert matched(old, new) == [each.number for each in old[:-1]]


def test_a_reference_counts_without_its_extension() -> None:
    old = replace(row(2, "猫"), references=("构图.png",))
    assert differences(old, replace(row(2, "猫"), references=("构图",))) == {}
    assert differences(old, replace(row(2, "猫"), references=("配色",))) == {"references": ["构图.png"]}


def test_lines_of_results_are_matched_by_their_row_number() -> None:
    old = [row(2, "猫", seed=1), row(2, "猫", seed=2), row(3, "狗")]
    found = match_by_number(old, [row(2, "猫", seed=2), row(2, "虎", seed=1), row(0, "新")])
    assert found.was == [old[1], old[0], None]
    assert [each.number for each in found.removed] == [3]


def test_many_equal_rows_are_compared_without_confusing_their_number() -> None:
    old = [row(number, "猫") for number in range(2, 2002)]
    found = match_rows(old, old[:1500])
    assert len(found.removed) == 500
    assert all(found.was)
