"""The records that a batch delivers."""

import pytest

import database

BATCH = "20260101-000000-abcdef"


@pytest.fixture(autouse=True)
def batch(db: database.Connection) -> None:
    """A batch of three rows, of which the first was submitted last and one picture is in the trash."""
    with database.transaction(db):
        db.execute(
            "INSERT INTO batches (id, name, source, total, estimated_micros, version) "
            "VALUES (?, '茶具', 'batch', 5, 0, 1)",
            [BATCH],
        )
        for row, picture, deleted in (
            (7, 1, None),
            (7, 2, None),
            (3, 1, None),
            (3, 2, "2026-01-01 00:00:00"),
        ):
            db.execute(
                """
                INSERT INTO generation_records
                    (batch_id, row_number, picture_number, status, deleted_at, prompt, version)
                VALUES (?, ?, ?, 'success', ?, '猫', 1)
                """,
                [BATCH, row, picture, deleted],
            )


def test_a_row_that_shares_a_picture_delivers_it_under_its_own_name(db: database.Connection) -> None:
    sql = "SELECT id FROM generation_records WHERE row_number = 7 AND picture_number = 1"
    (other,) = db.execute(sql).fetchone()
    with database.transaction(db):
        db.execute(
            """
            INSERT INTO table_rows (id, table_id, position, number, filename, own_columns, version)
            VALUES (1, 't', 0, 12, 'B', '{"SKU":"货号-1"}', 1)
            """
        )
        database.link_pictures(db, BATCH, [(1, other, True)])
    delivered = database.list_delivered_records(db, BATCH)
    assert [(record.row_number, record.picture_number) for record in delivered] == [
        (12, 1),
        (7, 1),
        (7, 2),
        (3, 1),
    ]
    shared = delivered[0]
    assert (shared.id, shared.requested_filename, shared.columns) == (other, "B", {"SKU": "货号-1"})
    assert not shared.cost
    for _ in range(2):  # before and after it is indexed
        for search in ("货号-1", "b"):
            found, _total = database.list_page(db, database.RecordFilter(search=search), limit=9, offset=0)
            assert [record.id for record in found] == [other]
        database.index_records(db)
