"""The third part of the database's shape: which records used which reference, which pictures are also in OSS.

``reference_uses``  a line for each record and each name of each of its references: address and hash
``output_copies``   finished pictures that are, or shall be, also in the bucket
``copies_noted``    one number: every finished picture of a record up to it has its line in ``output_copies``

The triggers are plain SQL, so that a program that knows nothing of this one may write to the table.
"""

import sqlite3


def add_library(db: sqlite3.Connection) -> None:
    """The third migration; what the records so far used is noted."""
    for statement in _TABLES:
        db.execute(statement)
    db.execute(f"INSERT OR IGNORE INTO reference_uses {_uses('generation_records')}")


def hasten_copies(db: sqlite3.Connection) -> None:
    """The sixth migration: the next copy is found without sorting all that wait."""
    db.execute("DROP INDEX copies_waiting")
    db.execute(
        """
        CREATE INDEX copies_due ON output_copies (not_before, record_id DESC)
        WHERE state = 'waiting'
        """
    )


def add_noted_copies(db: sqlite3.Connection) -> None:
    """The migration that remembers up to which record all pictures are noted; so far nobody knows."""
    db.execute("CREATE TABLE copies_noted (up_to INTEGER NOT NULL)")
    db.execute("INSERT INTO copies_noted (up_to) VALUES (0)")


def _uses(record: str) -> str:
    """What a record used, by hash and by address; text that is no list of objects used nothing."""
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
