"""The shape of the database file: an append-only tuple of migrations, counted in ``PRAGMA user_version``.

Money is kept in whole micro-yuan (1 CNY = 1,000,000). Times are UTC text, but for ``lease_until`` and
``not_before``, which are compared with a clock and therefore Unix seconds.
"""

import re
import sqlite3
from collections.abc import Callable

from domain import Status, file_key
from storage.schema_finding import add_finding, add_merging
from storage.schema_library import add_library
from storage.schema_usage import add_usage

# Name and definition of every column of generation_records; the first part is the contract's.
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

# What the earlier app did not promise to be filled: NULL there becomes the default here.
_NULLABLE = {name for name, kind in RECORD_COLUMNS.items() if "NOT NULL" not in kind}


def _first_schema(db: sqlite3.Connection) -> None:
    earlier = _columns(db, "generation_records")
    if earlier:
        db.execute("ALTER TABLE generation_records RENAME TO earlier_records")
        _drop_indexes_and_triggers(db, "earlier_records")
    extra = [name for name in earlier if name not in RECORD_COLUMNS]
    columns = [f"{_quoted(name)} {kind}" for name, kind in RECORD_COLUMNS.items()]
    columns += [_quoted(name) for name in extra]
    db.execute(f"CREATE TABLE generation_records ({', '.join(columns)})")
    if earlier:
        _take_over(db, earlier)
    for statement in _FIRST_TABLES:
        db.execute(statement)


def _take_over(db: sqlite3.Connection, earlier: list[str]) -> None:
    """Copy every row of the earlier app's table, whatever its values; promise its file names to it."""
    names = ", ".join(_quoted(name) for name in earlier)
    values = ", ".join(_taken_value(name) for name in earlier)
    db.execute(f"INSERT INTO generation_records ({names}) SELECT {values} FROM earlier_records")
    db.execute("DROP TABLE earlier_records")
    db.execute(
        """
        UPDATE generation_records
        SET status = CASE WHEN coalesce(image_path, '') <> '' THEN 'success' ELSE 'failed' END
        WHERE status NOT IN ('success', 'failed', 'unknown', 'cancelled')
        """
    )
    db.create_function("file_key_of", 1, _key_of_filename, deterministic=True)
    db.execute(
        """
        UPDATE generation_records
        SET file_key = file_key_of(filename)
        WHERE id IN (SELECT min(id) FROM generation_records GROUP BY file_key_of(filename))
        """
    )


def _taken_value(name: str) -> str:
    quoted = _quoted(name)
    if name not in RECORD_COLUMNS or name in _NULLABLE:
        return quoted
    default = re.search(r"DEFAULT (.+)$", RECORD_COLUMNS[name])
    return f"coalesce({quoted}, {default[1]})" if default else quoted


def _key_of_filename(filename: str) -> str | None:
    stem = filename.rpartition(".")[0] or filename
    return file_key(stem) if stem else None


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    rows = db.execute("SELECT name FROM pragma_table_info(:table)", {"table": table}).fetchall()
    return [row["name"] for row in rows]


def _drop_indexes_and_triggers(db: sqlite3.Connection, table: str) -> None:
    rows = db.execute(
        """
        SELECT type, name
        FROM sqlite_schema
        WHERE tbl_name = :table AND type IN ('index', 'trigger') AND sql IS NOT NULL
        """,
        {"table": table},
    ).fetchall()
    for row in rows:
        db.execute(f"DROP {row['type']} {_quoted(row['name'])}")


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


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

# Append only. Each runs once, in one transaction of its own.
MIGRATIONS: tuple[Callable[[sqlite3.Connection], None], ...] = (
    _first_schema,
    add_finding,
    add_library,
    add_merging,
    add_usage,
)
