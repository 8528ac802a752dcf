"""Migrations: sums of the ledger, and manual resolution of charges with an unknown outcome.

``sends_totals``   number and amount of charges by outcome; ``sends_by_hour`` also by hour (UTC) and model.
                   Maintained by triggers, so that no sum scans the ledger.
``settlements``    manual resolutions of unknown charges; ``settled_records`` the records' previous state,
                   for undo
"""

import sqlite3


def add_usage(db: sqlite3.Connection) -> None:
    """Add the tables and sum the existing charges."""
    for statement in _STATEMENTS:
        db.execute(statement)


def add_free_sends(db: sqlite3.Connection) -> None:
    """Add ``is_free``, which marks charges that can never cost money; 0 for existing ones."""
    db.execute("ALTER TABLE sends ADD COLUMN is_free INTEGER NOT NULL DEFAULT 0")


_LESS = """
    UPDATE sends_totals
    SET number = number - 1, micros = micros - old.price_micros
    WHERE outcome = old.outcome;
    UPDATE sends_by_hour
    SET number = number - 1, micros = micros - old.price_micros
    WHERE hour = substr(old.sent_at, 1, 13) AND model = old.model AND outcome = old.outcome;
"""
_MORE = """
    UPDATE sends_totals
    SET number = number + 1, micros = micros + new.price_micros
    WHERE outcome = new.outcome;
    INSERT INTO sends_by_hour (hour, model, outcome, number, micros)
    VALUES (substr(new.sent_at, 1, 13), new.model, new.outcome, 1, new.price_micros)
    ON CONFLICT DO UPDATE SET number = number + 1, micros = micros + excluded.micros;
"""

_STATEMENTS = (
    "ALTER TABLE sends ADD COLUMN settlement_id INTEGER",
    # 1: fetch a submitted picture although its batch is paused.
    "ALTER TABLE generation_records ADD COLUMN collecting INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE settlements (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL DEFAULT (strftime('%Y-%m-%d %H:%M:%f', 'now')),
        billed INTEGER NOT NULL
    )
    """,
    """
    CREATE TABLE settled_records (
        settlement_id INTEGER NOT NULL REFERENCES settlements (id),
        record_id INTEGER NOT NULL,
        error TEXT NOT NULL,
        cause TEXT NOT NULL,
        PRIMARY KEY (settlement_id, record_id)
    ) WITHOUT ROWID
    """,
    "CREATE TABLE sends_totals (outcome TEXT PRIMARY KEY, number INTEGER NOT NULL, micros INTEGER NOT NULL)",
    """
    INSERT INTO sends_totals (outcome, number, micros)
    SELECT kinds.value, count(sends.id), coalesce(sum(sends.price_micros), 0)
    FROM json_each('["open", "billed", "not_billed", "unknown"]') AS kinds
    LEFT JOIN sends ON sends.outcome = kinds.value
    GROUP BY kinds.value
    """,
    """
    CREATE TABLE sends_by_hour (
        hour TEXT NOT NULL,
        model TEXT NOT NULL,
        outcome TEXT NOT NULL,
        number INTEGER NOT NULL,
        micros INTEGER NOT NULL,
        PRIMARY KEY (hour, model, outcome)
    ) WITHOUT ROWID
    """,
    """
    INSERT INTO sends_by_hour (hour, model, outcome, number, micros)
    SELECT substr(sent_at, 1, 13), model, outcome, count(*), sum(price_micros)
    FROM sends
    GROUP BY 1, 2, 3
    """,
    f"CREATE TRIGGER sends_added AFTER INSERT ON sends BEGIN {_MORE} END",
    f"CREATE TRIGGER sends_removed AFTER DELETE ON sends BEGIN {_LESS} END",
    f"""
    CREATE TRIGGER sends_changed AFTER UPDATE OF outcome, price_micros, model, sent_at ON sends
    BEGIN {_LESS} {_MORE} END
    """,
    "DROP INDEX sends_outcome",
    "CREATE INDEX sends_in_doubt ON sends (record_id, price_micros) WHERE outcome = 'unknown'",
    "CREATE INDEX sends_settled ON sends (settlement_id) WHERE settlement_id IS NOT NULL",
    "CREATE INDEX sends_of_time ON sends (sent_at)",
    "CREATE INDEX sends_of_batch ON sends (batch_id, outcome, price_micros)",
    """
    CREATE INDEX records_amiss ON generation_records (created_at, cause)
    WHERE status IN ('failed', 'unknown') AND deleted_at IS NULL
    """,
)
