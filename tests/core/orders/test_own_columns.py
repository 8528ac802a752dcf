"""Own columns and templates of records in the database."""

import pytest

import database
from app.domain import ImageRequest, RowExtras
from app.orders.place import Placed, place
from tests.core.queue.queue import retry, set_fields, submission

OWN = {"SKU": "A1", "客户": "", "交期": "12 月"}
EXTRAS = RowExtras(
    columns=OWN, templates={"prompt": "{SKU}", "sample_images": [{"url": "", "filename": "a"}]}
)


def add(db: database.Connection, *extras: RowExtras, count: int = 1) -> Placed:
    requests = [ImageRequest(prompt=f"猫 {n}", num_images=count) for n in range(len(extras))]
    return place(db, submission(*requests, extras=extras))


def test_every_picture_of_a_row_has_its_columns_in_order_and_its_templates(db: database.Connection) -> None:
    added = add(db, EXTRAS, RowExtras(), count=2)

    records = [database.get_record(db, record_id) for record_id in added.ids]
    assert [list(record.columns.items()) for record in records] == [list(OWN.items())] * 2 + [[]] * 2
    assert [record.templates for record in records] == [EXTRAS.templates] * 2 + [{}] * 2


def test_a_retry_keeps_columns_and_templates(db: database.Connection) -> None:
    added = add(db, EXTRAS)
    set_fields(db, "status = 'failed'")
    assert retry(db, added.batch_id).number == 1

    record = database.get_record(db, added.ids[0])
    assert (record.status, record.columns, record.templates) == ("queued", OWN, EXTRAS.templates)


@pytest.mark.parametrize("text", ["", "x", "[1]", "null", '"a"'])
def test_what_another_program_wrote_is_no_own_column(db: database.Connection, text: str) -> None:
    (record_id,) = add(db, EXTRAS).ids
    db.execute("UPDATE generation_records SET own_columns = :text, templates = :text", {"text": text})

    record = database.get_record(db, record_id)
    assert (record.columns, record.templates) == ({}, {})


def test_the_names_of_own_columns_are_listed_in_order(db: database.Connection) -> None:
    ids = add(db, EXTRAS, RowExtras(), RowExtras(columns={"客户": "x", "备注": "y"})).ids
    set_fields(db, "status = 'success'")

    assert database.list_own_columns(db, ids) == ["SKU", "客户", "交期", "备注"]
    assert database.list_own_columns(db, ids[1:]) == ["客户", "备注"]
    assert set(database.list_own_columns(db, database.RecordFilter())) == {*OWN, "备注"}
