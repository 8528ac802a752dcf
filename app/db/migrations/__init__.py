"""The database schema: an append-only tuple of migrations, counted in ``PRAGMA user_version``.

Money is stored in integer micro-yuan (1 CNY = 1,000,000). Times are UTC text, except ``lease_until`` and
``not_before``, which are Unix seconds to be compared with a clock.
"""

import sqlite3
from collections.abc import Callable

from app.db.migrations import legacy_import
from app.db.migrations.m0002_search import add_merging, add_search
from app.db.migrations.m0003_references import add_library, add_noted_copies, hasten_copies
from app.db.migrations.m0005_usage import add_free_sends, add_usage
from app.db.migrations.m0008_unknown_prices import add_unpriced
from app.db.migrations.m0009_request_keys import add_request_keys
from app.db.migrations.m0010_trash import add_deletions
from app.domain import Status, file_key

# Columns of generation_records: name -> definition. The first ones are a public contract.
RECORD_COLUMNS = {
    "id": "INTEGER PRIMARY KEY AUTOINCREMENT",
    "created_at": "TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP",
    "prompt": "TEXT NOT NULL DEFAULT ''",
    "negative_prompt": "TEXT NOT NULL DEFAULT ''",
    "aspect_ratio": "TEXT NOT NULL DEFAULT ''",
    "resolution": "TEXT NOT NULL DEFAULT ''",
    "width": "INTEGER",
    "height": "INTEGER",
    "num_images": "INTEGER NOT NULL DEFAULT 1",
    "seed": "INTEGER",
    "steps": "INTEGER",
    "sample_images": "TEXT NOT NULL DEFAULT '[]'",
    "image_path": "TEXT NOT NULL DEFAULT ''",
    "filename": "TEXT NOT NULL DEFAULT ''",
    "batch_id": "TEXT",
    "status": "TEXT NOT NULL DEFAULT 'success'",
    "model": "TEXT NOT NULL DEFAULT ''",
    "error": "TEXT NOT NULL DEFAULT ''",
    "cause": "TEXT NOT NULL DEFAULT ''",
    "cost_micros": "INTEGER NOT NULL DEFAULT 0",
    "at_stake_micros": "INTEGER NOT NULL DEFAULT 0",
    "favourite": "INTEGER NOT NULL DEFAULT 0",
    "started_at": "TEXT",
    "finished_at": "TEXT",
    "deleted_at": "TEXT",
    "row_number": "INTEGER NOT NULL DEFAULT 1",
    "picture_number": "INTEGER NOT NULL DEFAULT 1",
    "file_stem": "TEXT NOT NULL DEFAULT ''",
    "file_key": "TEXT",
    "file_size": "INTEGER",
    "format": "TEXT NOT NULL DEFAULT ''",
    "sha256": "TEXT NOT NULL DEFAULT ''",
    "requested_filename": "TEXT NOT NULL DEFAULT ''",
    "ticket": "TEXT",
    "attempts": "INTEGER NOT NULL DEFAULT 0",
    "retries": "INTEGER NOT NULL DEFAULT 0",
    "throttled": "INTEGER NOT NULL DEFAULT 0",
    "lapses": "INTEGER NOT NULL DEFAULT 0",
    "not_before": "REAL NOT NULL DEFAULT 0",
    "lease_until": "REAL",
    "lease_owner": "TEXT",
    "version": "INTEGER NOT NULL DEFAULT 0",
}


def _first_schema(db: sqlite3.Connection) -> None:
    earlier = legacy_import.set_aside(db)
    values = legacy_import.values(db, earlier, RECORD_COLUMNS) if earlier else {}
    columns = [f"{name} {kind}" for name, kind in RECORD_COLUMNS.items()]
    columns += [legacy_import.quoted(name) for name in values if name not in RECORD_COLUMNS]
    db.execute(f"CREATE TABLE generation_records ({', '.join(columns)})")
    if earlier:
        legacy_import.take_over(db, values)
        _promise_names(db)
    for statement in _FIRST_TABLES:
        db.execute(statement)


def _promise_names(db: sqlite3.Connection) -> None:
    """Reserve the file names of existing records; a duplicate name goes to the first record."""
    db.create_function("file_key_of", 1, _key_of_filename, deterministic=True)
    db.execute(
        """
        UPDATE generation_records
        SET file_key = file_key_of(filename)
        WHERE id IN (SELECT min(id) FROM generation_records GROUP BY file_key_of(filename))
        """
    )


def _key_of_filename(filename: str) -> str | None:
    stem = filename.rpartition(".")[0] or filename
    return file_key(stem) if stem else None


_OPEN = f"('{Status.QUEUED}', '{Status.RUNNING}')"

_FIRST_TABLES = (
    """
    CREATE TABLE batches (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        source TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'paused', 'cancelled', 'finished')),
        paused_reason TEXT NOT NULL DEFAULT '',
        created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
        total INTEGER NOT NULL,
        estimated_micros INTEGER NOT NULL,
        priority INTEGER NOT NULL DEFAULT 0,
        version INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE sends (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        record_id INTEGER NOT NULL REFERENCES generation_records (id),
        batch_id TEXT,
        model TEXT NOT NULL,
        price_micros INTEGER NOT NULL,
        ticket TEXT,
        outcome TEXT NOT NULL DEFAULT 'open' CHECK (outcome IN ('open', 'billed', 'not_billed', 'unknown')),
        cause TEXT NOT NULL DEFAULT '',
        sent_at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
        closed_at TEXT
    )
    """,
    """
    CREATE TABLE batch_log (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        batch_id TEXT NOT NULL,
        record_id INTEGER,
        at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
        level TEXT NOT NULL,
        text TEXT NOT NULL,
        version INTEGER NOT NULL
    )
    """,
    "CREATE TABLE change_counter (value INTEGER NOT NULL)",
    "INSERT INTO change_counter (value) VALUES (1)",
    "CREATE INDEX batches_active ON batches (priority DESC, created_at) WHERE state = 'active'",
    "CREATE INDEX batches_paused ON batches (created_at) WHERE state = 'paused'",
    "CREATE INDEX batches_source ON batches (source, created_at)",
    "CREATE INDEX records_of_batch ON generation_records (batch_id, status)",
    """
    CREATE INDEX records_sums ON generation_records (batch_id, status, cost_micros, at_stake_micros)
    """,
    """
    CREATE INDEX records_ordered ON generation_records (batch_id)
    WHERE status = 'queued' AND ticket IS NOT NULL
    """,
    "CREATE INDEX records_changed ON generation_records (batch_id, version)",
    f"CREATE INDEX records_open ON generation_records (status, lease_until) WHERE status IN {_OPEN}",
    f"""
    CREATE INDEX records_shown ON generation_records (id)
    WHERE deleted_at IS NULL AND status NOT IN {_OPEN}
    """,
    "CREATE UNIQUE INDEX records_file_key ON generation_records (file_key) WHERE file_key IS NOT NULL",
    "CREATE INDEX sends_of_record ON sends (record_id)",
    "CREATE INDEX sends_outcome ON sends (outcome, price_micros)",
    "CREATE INDEX log_of_batch ON batch_log (batch_id, version)",
)

# Append only. Each runs once, in its own transaction.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_schema,
    add_search,
    add_library,
    add_merging,
    add_usage,
    hasten_copies,
    add_free_sends,
    add_unpriced,
    add_request_keys,
    add_deletions,
    add_noted_copies,
)
