"""The ledger summed by batch, table and own column."""

from decimal import Decimal
from typing import Any

import pytest

import database
from app.domain import ImageRequest, RowExtras
from app.domain.ledger import SpendTotals
from app.errors import Billed
from app.usage.sql import list_charged_columns, list_charges, list_group_columns, spend_by_group, total_spend
from tests.core.queue import queue
from tests.core.queue.queue import PRICE

NONE = Decimal(0)
EVER = ("2000-01-01 00:00:00", "2100-01-01 00:00:00")


def add(db: database.Connection, *columns: dict[str, str], **fields: Any) -> list[int]:
    """A batch of rows with these own columns -> the ids of its records."""
    requests = [ImageRequest(prompt=f"猫 {n}") for n in range(len(columns))]
    extras = [RowExtras(columns=each) for each in columns]
    return queue.add(db, *requests, extras=extras, **fields)[1]


def sums(
    db: database.Connection, by: str, low: str = EVER[0], high: str = EVER[1]
) -> dict[str, tuple[Decimal, Decimal]]:
    """Group -> (CNY charged, CNY that may have been charged)."""
    groups, _ = spend_by_group(db, low, high, by, limit=99)
    return {group.key: (group.spent.billed, group.spent.unconfirmed) for group in groups}


def total(db: database.Connection, by: str) -> SpendTotals:
    groups, _ = spend_by_group(db, *EVER, by, limit=99)
    return sum((group.spent for group in groups), SpendTotals())


def test_rows_are_grouped_by_the_text_of_an_own_column(db: database.Connection) -> None:
    columns = [{"SKU": "1", "客户": name} for name in ("青禾", " 青禾 ", "山海", "", "山海")]
    add(db, *columns, {"项目": "青禾"}, {})
    for _ in range(3):
        queue.fail(db, Billed.YES)
    queue.fail(db, Billed.YES)
    queue.fail(db, Billed.UNKNOWN)
    queue.fail(db, Billed.NO)
    queue.charged(db)
    assert list(sums(db, "column:客户").items()) == [
        ("青禾", (2 * PRICE, NONE)),
        ("山海", (PRICE, PRICE)),
        ("", (PRICE, PRICE)),
    ]


@pytest.mark.parametrize("by", ["batch", "table", "person", "column:客户", "column:没有的列"])
def test_the_groups_add_up_to_the_ledger(db: database.Connection, by: str) -> None:
    add(db, {"客户": "青禾"}, {"客户": "山海"}, {}, {"客户": "青禾"}, {"客户": "山海"}, name="春季")
    add(db, {"客户": "青禾"}, source="single")
    for price in (Decimal("0.22"), Decimal("0.1001"), None):
        queue.fail(db, Billed.YES, price=price)
    queue.fail(db, Billed.UNKNOWN, price=Decimal("0.03"))
    queue.fail(db, Billed.NO)
    queue.charged(db, price=Decimal("0.07"))
    db.execute("INSERT INTO charges (record_id, model, price_micros, outcome) VALUES (999, 'x', 1, 'billed')")
    db.execute("UPDATE charges SET person_id = id % 3 WHERE id > 3")
    assert total(db, by) == total_spend(db)
    assert total_spend(db).billed == Decimal("0.320101")


NAMES = ("a", 'a"b', "a\\b", "a.b", "$", "(a)", ",", ":", "}", "a'b", "列 名", "%s", "x:y")


@pytest.mark.parametrize("name", NAMES)
def test_a_column_is_found_whatever_its_name_and_texts_are(db: database.Connection, name: str) -> None:
    texts = ['"', "\\", "a\nb", '","a":"x', "{}", "\x07", "%", "é😀"]
    others = {other: f'"{name}":"no",' for other in NAMES if other != name}
    add(db, *[others | {name: text} | {"z": "no"} for text in texts], {"z": name})
    for _ in range(len(texts) + 1):
        queue.fail(db, Billed.YES)
    assert sums(db, f"column:{name}") == dict.fromkeys([*texts, ""], (PRICE, NONE))


@pytest.mark.parametrize("text", ["x", "{", "[1]", "null", '"客户"', '{"客户":1}', '{"客户":{"客户":"x"}}'])
def test_what_another_program_wrote_has_no_value(db: database.Connection, text: str) -> None:
    add(db, {"客户": "青禾"})
    queue.fail(db, Billed.YES)
    db.execute("UPDATE generation_records SET own_columns = :text", {"text": text})
    assert sums(db, "column:客户") == {"": (PRICE, NONE)}


def test_a_charge_counts_on_the_day_it_was_sent(db: database.Connection) -> None:
    add(db, {"客户": "青禾"}, {"客户": "青禾"})
    for moment in ("2026-03-01 15:59:59.999", "2026-03-01 16:00:00.000"):
        queue.fail(db, Billed.YES)
        db.execute("UPDATE charges SET opened_at = ? WHERE id = (SELECT max(id) FROM charges)", [moment])
    days = ("2026-03-01 16:00:00", "2026-03-02 16:00:00")
    assert sums(db, "column:客户", *days) == {"青禾": (PRICE, NONE)}


def test_the_dearest_groups_are_returned_and_all_are_counted(db: database.Connection) -> None:
    add(db, *[{"客户": str(n)} for n in range(4)])
    for cents in (1, 3, 0, 2):
        queue.fail(db, Billed.YES, price=Decimal(cents) / 100)
    groups, number = spend_by_group(db, *EVER, "column:客户", limit=2)
    assert ([group.key for group in groups], number) == (["1", "3"], 4)


def add_table(db: database.Connection, table_id: str, columns: str = "[]", **fields: str) -> None:
    values = {"id": table_id, "columns": columns, "name": "", "at": "2026-03-01 00:00:00", **fields}
    db.execute(
        """
        INSERT INTO tables (id, name, created_at, updated_at, version, own_columns)
        VALUES (:id, :name, :at, :at, 1, :columns)
        """,
        values,
    )


def test_batches_and_tables_have_names_and_single_pictures_are_one_group(db: database.Connection) -> None:
    add_table(db, "t-1", name="新品")
    batches = [queue.add(db, **fields)[0] for fields in ({"name": "春季"}, {}, {"source": "single"}) * 2]
    tables = dict(zip(batches, ("t-1", "gone", None) * 2, strict=True))
    for batch_id, table_id in tables.items():
        db.execute("UPDATE batches SET table_id = :table WHERE id = :id", {"table": table_id, "id": batch_id})
    for _ in batches:
        queue.fail(db, Billed.YES)
    found = {by: spend_by_group(db, *EVER, by, limit=9)[0] for by in ("batch", "table")}
    assert {(group.key, group.name, bool(group.created_at)) for group in found["table"]} == {
        ("t-1", "新品", True),
        ("gone", "", False),
        ("", "", False),
    }
    *others, single = found["batch"]
    assert (single.key, single.spent.billed) == ("", 2 * PRICE)
    assert {group.key: group.name for group in others} == dict(
        zip([*batches[:2], *batches[3:5]], ["春季", "", "春季", ""], strict=True)
    )
    assert {group.number_in_minute for group in others if not group.name} == {1, 2}


def test_the_columns_of_most_tables_are_offered_first(db: database.Connection) -> None:
    for number, columns in enumerate(('["SKU"]', '["备注", "客户"]', '["客户"]', "[]")):
        add_table(db, f"t-{number}", columns)
    names = list_group_columns(db)
    assert (names[0], {*names}) == ("客户", {"SKU", "客户", "备注"})


def test_a_record_that_is_deleted_for_good_leaves_its_columns_with_its_charges(
    db: database.Connection,
) -> None:
    ids = add(db, {"客户": "青禾", "SKU": "1"}, {"客户": "山海"}, {})
    for _ in ids:
        queue.fail(db, Billed.YES)
    before = [line.columns for line in list_charges(db, *EVER)]
    database.delete_records(db, ids)
    queue.set_fields(db, "deleted_at = '2026-01-01 00:00:00'")
    assert database.empty_trash(db, days=30, remove=lambda *_: None) == len(ids)
    assert sums(db, "column:客户") == {"青禾": (PRICE, NONE), "山海": (PRICE, NONE), "": (PRICE, NONE)}
    assert [line.columns for line in list_charges(db, *EVER)] == before
    assert list_charged_columns(db, *EVER) == ["客户", "SKU"]


def test_people_are_named_also_when_switched_off_and_what_was_bought_at_the_machine_comes_last(
    db: database.Connection,
) -> None:
    add(db, *[{}] * 4)
    sql = "INSERT INTO people (name, folded_name, role, active) VALUES (?, ?, 'member', 0) RETURNING id"
    first, second = (db.execute(sql, [name, name]).fetchone()["id"] for name in ("小周", "小李"))
    for person in (first, second, second, None):
        queue.fail(db, Billed.YES)
        db.execute("UPDATE charges SET person_id = ? WHERE id = (SELECT max(id) FROM charges)", [person])
    groups, _ = spend_by_group(db, *EVER, "person", limit=99)
    assert [(group.key, group.name, group.spent.billed) for group in groups] == [
        (str(second), "小李", 2 * PRICE),
        (str(first), "小周", PRICE),
        ("", "", PRICE),
    ]
