"""Migrations: reference image usage, and copies of pictures in the bucket (OSS).

``reference_uses``  one row for each record and each name (URL, hash) of its references
``output_copies``   finished pictures copied, or queued to be copied, to the bucket
``copies_noted``    one number: all finished pictures of records up to this id are in ``output_copies``

The triggers are plain SQL, so that other programs may write to the table.
"""

import sqlite3


def add_library(db: sqlite3.Connection) -> None:
    """Add the tables and fill ``reference_uses`` from the existing records."""
    for statement in _TABLES:
        db.execute(statement)
    db.execute(f"INSERT OR IGNORE INTO reference_uses {_uses('generation_records')}")


def hasten_copies(db: sqlite3.Connection) -> None:
    """Replace an index, so that the next copy is found without a sort."""
    db.execute("DROP INDEX copies_waiting")
    db.execute(
        """
        CREATE INDEX copies_due ON output_copies (not_before, record_id DESC)
        WHERE state = 'waiting'
        """
    )


def add_noted_copies(db: sqlite3.Connection) -> None:
    """Add ``copies_noted``, starting at 0."""
    db.execute("CREATE TABLE copies_noted (up_to INTEGER NOT NULL)")
    db.execute("INSERT INTO copies_noted (up_to) VALUES (0)")


def _uses(record: str) -> str:
    """SELECT of a record's references by hash and URL; invalid JSON yields no rows."""
    source = f"{record}," if record == "generation_records" else ""
    text = f"{record}.sample_images"
    images = f"json_each(CASE WHEN json_valid({text}) THEN {text} ELSE '[]' END) AS image"
    by_hash, by_address = (f"json_extract(image.value, '$.{name}')" for name in ("sha256", "url"))
    names = f"json_each(json_array({by_hash}, {by_address})) AS name"
    return f"""
        SELECT name.value, {record}.id
        FROM {source} {images}, {names}
        WHERE image.type = 'object' AND coalesce(name.value, '') <> '' AND {text} <> '[]'
    """


_TABLES = (
    """
    CREATE TABLE reference_uses (
        name TEXT NOT NULL,
        record_id INTEGER NOT NULL,
        PRIMARY KEY (name, record_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX uses_of_record ON reference_uses (record_id)",
    f"""
    CREATE TRIGGER uses_noted AFTER INSERT ON generation_records
    WHEN NEW.sample_images <> '[]'
    BEGIN
        INSERT OR IGNORE INTO reference_uses {_uses("NEW")};
    END
    """,
    """
    CREATE TRIGGER uses_forgotten AFTER DELETE ON generation_records
    BEGIN
        DELETE FROM reference_uses WHERE record_id = OLD.id;
        DELETE FROM output_copies WHERE record_id = OLD.id;
    END
    """,
    """
    CREATE TABLE output_copies (
        record_id INTEGER PRIMARY KEY,
        filename TEXT NOT NULL,
        key TEXT NOT NULL DEFAULT '',
        state TEXT NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'kept', 'gone')),
        tries INTEGER NOT NULL DEFAULT 0,
        not_before REAL NOT NULL DEFAULT 0,
        error TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX copies_waiting ON output_copies (not_before) WHERE state = 'waiting'",
    "CREATE INDEX copies_by_filename ON output_copies (filename)",
    "CREATE INDEX copies_by_state ON output_copies (state)",
)
