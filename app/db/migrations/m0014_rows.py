"""Migration from version 13: fingerprints, own columns and templates; imported workbooks; wider search.

Tables and columns of other programs whose names are ours from now on are renamed ``earlier_…``.
"""

import sqlite3

from app.db.fingerprints import add_fingerprints
from app.db.migrations import m0015_held_records
from app.db.migrations.baseline import add_indexes, add_tables, drop_objects, fill_tables
from app.db.migrations.legacy_import import set_aside_names

_NEW_TABLES = ("workbooks", "counts_by_day", "record_search")
_NEW_COLUMNS = {
    "generation_records": ("fingerprint", "own_columns", "templates"),
    "batches": ("workbook_id", "prefix", "suffix"),
}
_INDEX = "records_fingerprint"
# Replaced by those of ``schema.sql``; the index of texts is filled again in the background.
_DROPPED = {
    "TRIGGER": "count_added count_changed count_removed search_added search_changed search_removed",
    "INDEX": f"records_created {_INDEX}",  # a million records are faster without the second
    "TABLE": "prompt_search search_backlog",
}


def upgrade(db: sqlite3.Connection) -> None:
    """Add what the file lacks, and the fingerprint of every record."""
    set_aside(db)
    drop_objects(db, _DROPPED)
    fill_tables(db, add_tables(db))
    add_fingerprints(db)
    add_indexes(db)


def set_aside(db: sqlite3.Connection) -> None:
    """Rename what another program gave a new name of ours, those of later steps included: all are added."""
    set_aside_names(db, index=_INDEX, tables=_NEW_TABLES, new_columns=_NEW_COLUMNS)
    m0015_held_records.set_aside(db)
