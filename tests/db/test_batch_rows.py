"""Groups of a batch's rows, and the records of a page of them."""

import pytest

import database
from app.db.versions import touch

BATCH = "20260101-000000-abcdef"
# Row number -> status and pick of each picture; "~" is in the trash.
ROWS = {
    7: ["success keep", "success"],
    3: ["success reject", "success reject"],
    9: ["success reject", "success"],
    4: ["failed", "success"],
    5: ["running", "queued"],
    6: ["held", "held"],
    8: ["cancelled"],
    2: ["unknown"],
    1: ["success keep ~"],
}
GROUPS = {
    "all": [7, 3, 9, 4, 5, 2],
    "keep": [7],
    "reject": [3],
    "none": [9, 4],
    "failed": [4, 2],
    "held": [6],
}


@pytest.fixture(autouse=True)
def batch(db: database.Connection) -> None:
    """One batch with ROWS, in their order."""
    with database.transaction(db):
        db.execute(
            "INSERT INTO batches (id, name, source, total, estimated_micros, version) "
            "VALUES (?, '茶具', 'batch', 14, 0, 1)",
            [BATCH],
        )
        for number, pictures in ROWS.items():
            for picture, words in enumerate(pictures, 1):
                status, *more = words.split()
                pick = next((word for word in more if word != "~"), "")
                deleted = "2026-01-01 00:00:00" if "~" in more else None
                db.execute(
                    """
                    INSERT INTO generation_records
                        (batch_id, row_number, picture_number, status, pick, deleted_at, prompt, version)
                    VALUES (?, ?, ?, ?, ?, ?, '猫', 1)
                    """,
                    [BATCH, number, picture, status, pick, deleted],
                )


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_has_its_rows_in_the_order_of_submission(db: database.Connection, group: str) -> None:
    assert database.list_row_numbers(db, BATCH, group=group, limit=100) == GROUPS[group]
    assert database.count_batch_rows(db, BATCH)[group] == len(GROUPS[group])


def test_pages_of_rows_follow_each_other(db: database.Connection) -> None:
    pages = [database.list_row_numbers(db, BATCH, limit=4, offset=offset) for offset in (0, 4, 8)]
    assert pages == [[7, 3, 9, 4], [5, 2], []]


def test_a_batch_without_rows_has_empty_groups(db: database.Connection) -> None:
    assert set(database.count_batch_rows(db, "other").values()) == {0}


def test_only_rows_changed_since_the_version_are_returned_and_with_all_pictures(
    db: database.Connection,
) -> None:
    with database.transaction(db):
        changed = db.execute(
            "SELECT id FROM generation_records WHERE row_number IN (3, 7) AND picture_number = 2"
        )
        version = touch(db, [row["id"] for row in changed.fetchall()])
    found = database.list_row_records(db, BATCH, [3, 5], since=version - 1)
    assert {number: [record.picture_number for record in of] for number, of in found.items()} == {3: [1, 2]}


def test_a_row_whose_pictures_are_in_the_trash_is_empty(db: database.Connection) -> None:
    assert database.list_row_records(db, BATCH, [1]) == {1: []}


def test_a_row_that_shares_a_picture_shows_it_under_its_own_name(db: database.Connection) -> None:
    (other,) = db.execute(
        "SELECT id FROM generation_records WHERE row_number = 7 AND pick = 'keep'"
    ).fetchone()
    with database.transaction(db):
        db.execute(
            """
            INSERT INTO table_rows (id, table_id, position, number, filename, own_columns, version)
            VALUES (1, 't', 0, 12, 'B', '{"SKU":"货号-1"}', 1)
            """
        )
        database.link_pictures(db, BATCH, [(1, other, True)])
    assert database.list_row_numbers(db, BATCH, group="keep", limit=9) == [12, 7]
    assert database.count_batch_rows(db, BATCH)["keep"] == 2
    (shared,) = database.list_row_records(db, BATCH, [12])[12]
    assert (shared.id, shared.requested_filename) == (other, "B")
    assert not shared.cost
    assert shared.columns == {"SKU": "货号-1"}
    delivered = database.list_delivered_records(db, BATCH)
    assert [(record.row_number, record.id) for record in delivered][:2] == [(12, other), (7, other)]
    assert len(delivered) == sum(map(len, ROWS.values()))
    with database.transaction(db):
        touch(db, [other])
    assert set(database.list_row_records(db, BATCH, [3, 7, 12], since=1)) == {7, 12}
    for _ in range(2):  # before and after it is indexed
        for search in ("货号-1", "b"):
            found, _total = database.list_page(db, database.RecordFilter(search=search), limit=9, offset=0)
            assert [record.id for record in found] == [other]
        database.index_records(db)
