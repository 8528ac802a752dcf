"""What is kept of deleted tables, of removed rows, and of the workbooks that tables came from."""

from datetime import UTC, datetime, timedelta
from typing import Any

import database
from app.domain import ImageRequest, WorkbookFile
from app.domain.tables import new_table
from app.tables.create import read_new_rows
from app.tables.operations import change_rows
from tests.core.queue.queue import add, column, make
from tests.specs import ANY
from tests.tables.harness import checker

NOW = datetime.now(UTC)
FILE = WorkbookFile(id="w", filename="a.xlsx", sheet="a", header_row=1, content=b"x")


def a_table(db: database.Connection, *rows: dict[str, Any], workbook: str | None = None) -> str:
    table, found = read_new_rows(rows, new_table("春季", today="2026-01-02", workbook_id=workbook), cells={})
    with database.transaction(db):
        return database.add_table(db, table, found).id


def test_a_deleted_table_goes_after_30_days_and_its_pictures_stay(db: database.Connection) -> None:
    table, kept = a_table(db, {"prompt": "猫"}), a_table(db, {"prompt": "狗"})
    batch_id, ids = add(db, ImageRequest(prompt="猫", model=ANY.model_id))
    db.execute("UPDATE batches SET table_id = :table", {"table": table})
    with database.transaction(db):
        database.link_pictures(db, batch_id, [(database.read_rows(db, table)[0].id, ids[0], False)])
    adding = [{"op": "add", "rows": [{"prompt": "鸟"}]}]
    change_rows(db, table, adding, checker=checker())
    for number, of in enumerate((table, kept, None)):
        values = {"id": f"d{number}", "of": of, "at": f"{NOW - timedelta(days=29):%Y-%m-%d %H:%M:%S}"}
        db.execute(
            """
            INSERT INTO deliveries (id, table_id, content, problems, shown, files, created_at)
            VALUES (:id, :of, '', '', '', 1, :at)
            """,
            values,
        )
        db.execute(
            """
            INSERT INTO delivery_files (delivery_id, number, row_number, row_id, record_id, name)
            VALUES (:id, 0, 1, 1, 1, 'a')
            """,
            values,
        )
    deleted_at = f"{NOW - timedelta(days=29):%Y-%m-%d %H:%M:%S}"
    database.mark_table(db, database.get_table(db, table), deleted_at=deleted_at)
    assert database.forget_tables(db, now=NOW) == 0
    assert database.forget_tables(db, now=NOW + timedelta(days=2)) == 1
    assert column(db, "table_id", "batches") == [None]
    left = [table_id for table_id, _ in db.execute("SELECT table_id, id FROM table_rows").fetchall()]
    assert (left, database.get_record(db, ids[0]).prompt) == ([kept], "猫")
    assert column(db, "table_id", "deliveries") == [kept]
    assert [tuple(row) for row in db.execute("SELECT delivery_id FROM delivery_files")] == [("d1",)]
    for name in ("row_pictures", "table_changes"):
        assert db.execute(f"SELECT count(*) AS number FROM {name}").fetchone()["number"] == 0


def test_a_record_that_is_deleted_for_good_is_no_picture_of_a_row(db: database.Connection) -> None:
    table = a_table(db, {"prompt": "猫"})
    batch_id, ids = add(db, ImageRequest(prompt="猫", model=ANY.model_id))
    make(db)
    (row,) = database.read_rows(db, table)
    with database.transaction(db):
        database.link_pictures(db, batch_id, [(row.id, ids[0], False)])
    db.execute("DELETE FROM generation_records")
    assert db.execute("SELECT count(*) AS number FROM row_pictures").fetchone()["number"] == 0


def test_the_workbook_of_a_table_is_kept(db: database.Connection) -> None:
    database.add_workbook(db, FILE, now=NOW)
    a_table(db, workbook="w")
    assert database.forget_workbooks(db, now=NOW + timedelta(days=40)) == 0
    db.execute("DELETE FROM tables")
    assert database.forget_workbooks(db, now=NOW + timedelta(days=40)) == 0
    db.execute("DELETE FROM table_workbooks")
    assert database.forget_workbooks(db, now=NOW + timedelta(days=40)) == 1
