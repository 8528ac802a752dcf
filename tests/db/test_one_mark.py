"""One mark: a favourite of earlier versions is a record that is kept."""

import database
from app.config import Settings
from app.db.sqlite_connection import SqliteConnection
from tests.db.later_steps import TABLES_SINCE_19, take_from_postgres


def test_favourites_of_earlier_versions_are_kept_or_stay_rejected(
    db: database.Connection, settings: Settings
) -> None:
    before = [(1, ""), (1, "reject"), (0, "keep"), (0, "reject"), (0, ""), (1, "keep")]
    for favourite, pick in before:
        db.execute(
            "INSERT INTO generation_records (prompt, status, favourite, pick) VALUES (?, 'success', ?, ?)",
            (str(favourite), favourite, pick),
        )
    for name in TABLES_SINCE_19:
        db.execute(f"DROP TABLE {name}")
    if isinstance(db, SqliteConnection):
        db.execute("PRAGMA user_version = 18")
    else:
        for column in ("own_columns", "person_id"):
            db.execute(f"ALTER TABLE charges DROP COLUMN {column}")
        db.execute("ALTER TABLE generation_records DROP COLUMN IF EXISTS person_id")
        db.execute("DROP FUNCTION own_text")
        take_from_postgres(db)
        db.execute("UPDATE schema_version SET number = 19")
    database.open_database(settings.database)
    found = db.execute("SELECT favourite, pick FROM generation_records ORDER BY id").fetchall()
    picks = ["keep", "reject", "keep", "reject", "", "keep"]
    assert [tuple(row) for row in found] == [(int(pick == "keep"), pick) for pick in picks]
    assert database.count_facets(db)["favourite"] == {"1": 3, "0": 3}
