"""Make a store of an earlier version of a new one, on either engine."""

import database
from app.core.queue.fold import SUMS

_TABLES_SINCE_0_2_0 = (
    *("delivery_profiles", "deliveries", "delivery_files", "recipes"),
    *("rounds", "round_pictures", "round_marks", "people", "tokens", "setting_changes"),
)
_COLUMNS_SINCE_0_2_0 = {
    "batches": "person_id",
    "charges": "own_columns",
    "generation_records": "person_id",
    "sessions": "person_id created_at seen_at address agent",
    "table_changes": "person_id",
    "table_rows": "product role",
    "tables": "person_id recipe",
}


def make_unreleased(db: database.Connection) -> None:
    """The last version before 25 (PostgreSQL: 27): with the column favourite, and what read it."""
    for table in ("generation_records", "record_counts", "counts_by_day"):
        db.execute(f"ALTER TABLE {table} ADD COLUMN favourite BIGINT NOT NULL DEFAULT 0")
    db.execute("UPDATE generation_records SET favourite = 1 WHERE pick = 'keep'")
    db.execute("CREATE INDEX records_favourite ON generation_records (id) WHERE favourite = 1")
    on_table, body = {
        "sqlite": ("", "BEGIN SELECT NEW.favourite; END"),
        "postgres": ("ON generation_records", "FOR EACH ROW EXECUTE FUNCTION count_changed()"),
    }[db.engine]
    db.execute(f"DROP TRIGGER count_changed {on_table}")
    db.execute(f"CREATE TRIGGER count_changed AFTER UPDATE OF favourite ON generation_records {body}")
    _set_version(db, 24, 26)


def make_0_2_0(db: database.Connection) -> None:
    """Version 0.2.0: 19 (PostgreSQL: 20)."""
    make_unreleased(db)
    for name in _TABLES_SINCE_0_2_0:
        db.execute(f"DROP TABLE {name}")
    db.execute("DROP INDEX records_of_person")
    for table, columns in _COLUMNS_SINCE_0_2_0.items():
        for column in columns.split():
            db.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    db.execute("CREATE TABLE presets (name TEXT PRIMARY KEY, fields TEXT NOT NULL)")
    for table in ("tables", "batches"):
        for column in ("prefix", "suffix"):
            db.execute(f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''")
    if db.engine == "postgres":
        db.execute("DROP TABLE pending_changes")
        db.execute("DROP INDEX charges_of_hour, counts_of_day")
        db.execute("DROP FUNCTION own_text")
        for name, each in SUMS.items():
            db.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({each.key})")
    _set_version(db, 19, 20)
    if db.engine == "postgres":
        db.execute("ALTER TABLE schema_version DROP COLUMN works_from")


def _set_version(db: database.Connection, of_file: int, of_server: int) -> None:
    if db.engine == "sqlite":
        db.execute(f"PRAGMA user_version = {of_file}")
    else:
        db.execute(f"UPDATE schema_version SET number = {of_server}, works_from = {of_server}")
