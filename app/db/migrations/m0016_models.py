"""Migration from version 15: options and marks of records, copies of batches, reported usage of charges,
presets."""

import sqlite3

from app.db.migrations import m0017_shared_state
from app.db.migrations.baseline import add_indexes, add_tables, drop_objects
from app.db.migrations.legacy_import import set_aside_names

_NEW_COLUMNS = {
    "generation_records": ("options", "marks"),
    "batches": ("copied_from",),
    "charges": ("usage", "usage_differs"),
}
# Replaced by that of ``schema.sql``, which has the model.
_DROPPED = {"INDEX": "records_sums"}


def upgrade(db: sqlite3.Connection) -> None:
    """Add what the file lacks."""
    set_aside(db)
    drop_objects(db, _DROPPED)
    add_tables(db)
    add_indexes(db)


def set_aside(db: sqlite3.Connection) -> None:
    """Rename what another program gave one of our new names."""
    set_aside_names(db, index="records_claimable", tables=("presets",), new_columns=_NEW_COLUMNS)
    m0017_shared_state.set_aside(db)
