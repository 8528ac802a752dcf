"""The batches of an earlier version become tables: nothing is lost, and nothing is to be made again."""

from dataclasses import replace

import pytest

import database
from app.domain import ImageRequest, RowExtras, SampleImage, fingerprint
from app.errors import Billed
from app.migrations.earlier_tables import add_tables_of_batches
from tests.core.queue.queue import add, claimed, fail, make, set_fields
from tests.specs import ANY
from tests.tables.harness import opened_rows


def make_earlier(db: database.Connection) -> None:
    """Take from a database what an earlier version has not: its tables."""
    for name in ("tables", "table_rows", "row_pictures", "table_workbooks", "table_changes"):
        db.execute(f"DELETE FROM {name}")
    db.execute("UPDATE batches SET table_id = NULL")


def upgrade(db: database.Connection) -> list[tuple[int, int]]:
    """-> the progress that was reported."""
    seen: list[tuple[int, int]] = []
    make_earlier(db)
    with database.transaction(db):
        add_tables_of_batches(db, lambda done, total: seen.append((done, total)))
    return seen


def test_each_batch_becomes_a_table_with_its_rows_and_pictures(db: database.Connection) -> None:
    rows = [
        ImageRequest(prompt="只拍 A1，白底", filename="A1", num_images=2, model=ANY.model_id),
        ImageRequest(prompt="只拍 A2，白底", filename="第二", seed=7, model=ANY.model_id),
        ImageRequest(prompt="鱼，白底", model=ANY.model_id),
    ]
    extras = [
        RowExtras(
            columns={"SKU": "A1"}, templates={"prompt": "只拍 {SKU}，白底", "filename": "{SKU}"}, position=1
        ),
        RowExtras(columns={"SKU": "A2"}, templates={"prompt": "只拍 {SKU}，白底"}, position=2),
        RowExtras(columns={"SKU": "", "备注": "急"}, position=3),
    ]
    fields = {"extras": extras, "row_numbers": [4, 7, 9], "name": "双十二"}
    batch_id, ids = add(db, *rows, stems=["a", "b", "c"], filled_on="2026-01-02", **fields)
    make(db)
    fail(db, Billed.NO)
    claimed(db)
    single, _ = add(db, rows[2], source="single")
    assert upgrade(db) == [(0, 4), (4, 4)]
    table = database.get_table(db, batch_id)
    assert (table.name, table.filled_on) == ("双十二", "2026-01-02")
    assert (table.model, table.own_columns) == (ANY.model_id, ("SKU", "备注"))
    first, second, third = database.read_rows(db, batch_id)
    assert [row.number for row in (first, second, third)] == [4, 7, 9]
    assert (first.fields["prompt"], first.fields["filename"], first.filename) == (
        "只拍 {SKU}，白底",
        "{SKU}",
        "A1",
    )
    assert (second.fields["seed"], third.fields["prompt"], third.columns["备注"]) == (7, "鱼，白底", "急")
    linked = database.linked_pictures(db, [first.id, second.id, third.id])
    assert [[one.record_id for one in linked[row.id]] for row in (first, second, third)] == [
        ids[:2],
        ids[2:3],
        ids[3:],
    ]
    states = [view.state for view in opened_rows(db, batch_id)]
    assert states == ["failed", "running", "queued"]
    assert database.read_rows(db, batch_id)[0].fingerprint == fingerprint(rows[0])
    stored = "SELECT id, table_id FROM batches ORDER BY id"
    assert dict(db.execute(stored).fetchall()) == {batch_id: batch_id, single: None}


@pytest.mark.parametrize(
    ("request_", "extras"),
    [
        (ImageRequest(prompt="鱼"), RowExtras()),
        (ImageRequest(prompt="写着 {SKU} 的牌子"), RowExtras(columns={"SKU": "A"}, position=1)),
        (ImageRequest(prompt="一张鱼"), RowExtras(templates={"prompt": "鱼"}, position=1)),
        (ImageRequest(prompt="第 3 张"), RowExtras(templates={"prompt": "第 {序号} 张"}, position=3)),
        (ImageRequest(prompt="第 3 张"), RowExtras(templates={"prompt": "第 {序号} 张"})),
        (
            ImageRequest(prompt="鱼", sample_images=(SampleImage(url="https://a.cn/x.png", filename="x"),)),
            RowExtras(position=1),
        ),
    ],
)
def test_a_row_asks_for_what_was_made_of_it(
    db: database.Connection, request_: ImageRequest, extras: RowExtras
) -> None:
    batch_id, _ = add(db, replace(request_, model=ANY.model_id), extras=[extras])
    make(db)
    upgrade(db)
    before = database.read_rows(db, batch_id)[0]
    (view,) = opened_rows(db, batch_id)
    assert (view.row.fingerprint, view.state, view.missing) == (before.fingerprint, "made", 0)
    assert database.totals_of(db, [batch_id])[batch_id].to_make == 0


def test_the_seed_that_a_model_chose_is_none_of_the_row(db: database.Connection) -> None:
    batch_id, ids = add(db, ImageRequest(prompt="鱼", model=ANY.model_id))
    make(db)
    set_fields(db, "seed = 77", *ids)
    upgrade(db)
    assert "seed" not in database.read_rows(db, batch_id)[0].fields
    assert opened_rows(db, batch_id)[0].state == "made"
