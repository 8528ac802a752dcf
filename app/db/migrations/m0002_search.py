"""Migration: indexes, the full-text index of prompts, and record counts.

``prompt_search``   grams of the prompts of all visible records (``ngrams.py``); a contentless FTS5 table
``search_backlog``  records whose entry there is out of date, with the prompt it was made from
``record_counts``   number of records for each combination of FACETS, maintained by triggers

The triggers are plain SQL, so that other programs may write to the table.
"""

import sqlite3

from app.db.ngrams import NORMALISER

_OPEN = "('queued', 'running')"
VISIBLE = f"deleted_at IS NULL AND status NOT IN {_OPEN}"
UNSUCCESSFUL = "deleted_at IS NULL AND status IN ('failed', 'unknown', 'cancelled')"
FACETS = ("status", "aspect_ratio", "resolution", "model", "favourite")


def add_search(db: sqlite3.Connection) -> None:
    """Add indexes, counts, and the full-text index, which is filled later in the background."""
    for statement in (*_LEDGER_OUTLIVES_RECORDS, *_INDEXES, *_COUNTS, *_SEARCH):
        db.execute(statement)
    rebuild_index(db)


def add_merging(db: sqlite3.Connection) -> None:
    """Add the number of entries added since the index segments were last merged."""
    db.execute("ALTER TABLE search_state ADD COLUMN added INTEGER NOT NULL DEFAULT 0")
    db.execute("ALTER TABLE search_state ADD COLUMN is_merging INTEGER NOT NULL DEFAULT 0")


def rebuild_index(db: sqlite3.Connection) -> None:
    """Clear the index of prompts and add every visible record to the backlog; inside a transaction."""
    db.execute("INSERT INTO prompt_search (prompt_search) VALUES ('delete-all')")
    db.execute("DELETE FROM search_backlog")
    db.execute(f"INSERT INTO search_backlog (id) SELECT id FROM generation_records WHERE {VISIBLE}")
    db.execute("UPDATE search_state SET folding = :folding", {"folding": NORMALISER})


def has_other_normaliser(db: sqlite3.Connection) -> bool:
    """Whether the index was made with another normalisation and has to be rebuilt."""
    return str(db.execute("SELECT folding FROM search_state").fetchone()["folding"]) != NORMALISER


# Drops the foreign key: charges stay in the ledger when their record is permanently deleted.
_LEDGER_OUTLIVES_RECORDS = (
    "ALTER TABLE sends RENAME TO earlier_sends",
    "DROP INDEX sends_of_record",
    "DROP INDEX sends_outcome",
    """
    CREATE TABLE sends (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        record_id INTEGER NOT NULL,
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
    INSERT INTO sends
    SELECT id, record_id, batch_id, model, price_micros, ticket, outcome, cause, sent_at, closed_at
    FROM earlier_sends
    """,
    "DROP TABLE earlier_sends",
    "CREATE INDEX sends_of_record ON sends (record_id)",
    "CREATE INDEX sends_outcome ON sends (outcome, price_micros)",
)

_INDEXES = (
    f"""
    CREATE INDEX records_facets
    ON generation_records (id, aspect_ratio, resolution, model, favourite, status, created_at)
    WHERE {VISIBLE}
    """,
    f"CREATE INDEX records_created ON generation_records (created_at) WHERE {VISIBLE}",
    f"CREATE INDEX records_unsuccessful ON generation_records (status, id) WHERE {UNSUCCESSFUL}",
    "CREATE INDEX records_favourite ON generation_records (id) WHERE favourite = 1 AND deleted_at IS NULL",
    "CREATE INDEX records_trash ON generation_records (deleted_at) WHERE deleted_at IS NOT NULL",
    """
    CREATE INDEX records_filename ON generation_records (filename COLLATE NOCASE)
    WHERE filename <> ''
    """,
)


def _add_to_counts(row: str, number: int) -> str:
    kinds = ", ".join(f"{row}.{kind}" for kind in FACETS)
    return f"""
        INSERT INTO record_counts (is_deleted, {", ".join(FACETS)}, number)
        VALUES ({row}.deleted_at IS NOT NULL, {kinds}, {number})
        ON CONFLICT DO UPDATE SET number = number + {number};
    """


_COUNTS = (
    """
    CREATE TABLE record_counts (
        is_deleted INTEGER NOT NULL,
        status TEXT NOT NULL,
        aspect_ratio TEXT NOT NULL,
        resolution TEXT NOT NULL,
        model TEXT NOT NULL,
        favourite INTEGER NOT NULL,
        number INTEGER NOT NULL,
        PRIMARY KEY (is_deleted, status, aspect_ratio, resolution, model, favourite)
    ) WITHOUT ROWID
    """,
    f"""
    INSERT INTO record_counts (is_deleted, {", ".join(FACETS)}, number)
    SELECT deleted_at IS NOT NULL, {", ".join(FACETS)}, count(*)
    FROM generation_records
    GROUP BY deleted_at IS NOT NULL, {", ".join(FACETS)}
    """,
    f"""
    CREATE TRIGGER count_new AFTER INSERT ON generation_records
    BEGIN {_add_to_counts("NEW", 1)} END
    """,
    f"""
    CREATE TRIGGER count_gone AFTER DELETE ON generation_records
    BEGIN {_add_to_counts("OLD", -1)} END
    """,
    f"""
    CREATE TRIGGER count_changed AFTER UPDATE OF deleted_at, {", ".join(FACETS)} ON generation_records
    BEGIN {_add_to_counts("OLD", -1)} {_add_to_counts("NEW", 1)} END
    """,
)


def _is_shown(row: str) -> str:
    return f"({row}.deleted_at IS NULL AND {row}.status NOT IN {_OPEN})"


_SEARCH = (
    "CREATE VIRTUAL TABLE prompt_search USING fts5 (grams, content = '', tokenize = 'ascii', prefix = '1 2')",
    "CREATE TABLE search_state (folding TEXT NOT NULL)",
    "INSERT INTO search_state (folding) VALUES ('')",
    "CREATE TABLE search_backlog (id INTEGER PRIMARY KEY, indexed_prompt TEXT)",
    f"""
    CREATE TRIGGER search_new AFTER INSERT ON generation_records
    WHEN {_is_shown("NEW")}
    BEGIN INSERT OR IGNORE INTO search_backlog (id) VALUES (NEW.id); END
    """,
    f"""
    CREATE TRIGGER search_gone AFTER DELETE ON generation_records
    WHEN {_is_shown("OLD")}
    BEGIN INSERT OR IGNORE INTO search_backlog (id, indexed_prompt) VALUES (OLD.id, OLD.prompt); END
    """,
    f"""
    CREATE TRIGGER search_changed AFTER UPDATE OF status, deleted_at, prompt ON generation_records
    WHEN {_is_shown("OLD")} <> {_is_shown("NEW")} OR ({_is_shown("OLD")} AND OLD.prompt <> NEW.prompt)
    BEGIN
        INSERT OR IGNORE INTO search_backlog (id, indexed_prompt)
        VALUES (OLD.id, CASE WHEN {_is_shown("OLD")} THEN OLD.prompt END);
    END
    """,
)
