"""Migration: charges of unknown price, as distinct from a price of 0.

``is_priced`` of a charge or batch   0: the price is unknown and its ``_micros`` are 0
``unpriced`` and ``…_unpriced``      number of such charges in a sum
"""

import sqlite3


def add_unpriced(db: sqlite3.Connection) -> None:
    """Add the columns; existing charges count as priced."""
    for statement in _STATEMENTS:
        db.execute(statement)


_LESS = """
    UPDATE sends_totals
    SET number = number - 1, micros = micros - old.price_micros, unpriced = unpriced - (NOT old.is_priced)
    WHERE outcome = old.outcome;
    UPDATE sends_by_hour
    SET number = number - 1, micros = micros - old.price_micros, unpriced = unpriced - (NOT old.is_priced)
    WHERE hour = substr(old.sent_at, 1, 13) AND model = old.model AND outcome = old.outcome;
"""
_MORE = """
    UPDATE sends_totals
    SET number = number + 1, micros = micros + new.price_micros, unpriced = unpriced + (NOT new.is_priced)
    WHERE outcome = new.outcome;
    INSERT INTO sends_by_hour (hour, model, outcome, number, micros, unpriced)
    VALUES (substr(new.sent_at, 1, 13), new.model, new.outcome, 1, new.price_micros, NOT new.is_priced)
    ON CONFLICT DO UPDATE SET number = number + 1, micros = micros + excluded.micros,
        unpriced = unpriced + excluded.unpriced;
"""

_STATEMENTS = (
    "ALTER TABLE sends ADD COLUMN is_priced INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE batches ADD COLUMN is_priced INTEGER NOT NULL DEFAULT 1",
    "ALTER TABLE generation_records ADD COLUMN cost_unpriced INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE generation_records ADD COLUMN at_stake_unpriced INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE sends_totals ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE sends_by_hour ADD COLUMN unpriced INTEGER NOT NULL DEFAULT 0",
    "DROP TRIGGER sends_added",
    "DROP TRIGGER sends_removed",
    "DROP TRIGGER sends_changed",
    f"CREATE TRIGGER sends_added AFTER INSERT ON sends BEGIN {_MORE} END",
    f"CREATE TRIGGER sends_removed AFTER DELETE ON sends BEGIN {_LESS} END",
    f"""
    CREATE TRIGGER sends_changed AFTER UPDATE OF outcome, price_micros, is_priced, model, sent_at ON sends
    BEGIN {_LESS} {_MORE} END
    """,
    "DROP INDEX sends_in_doubt",
    "CREATE INDEX sends_in_doubt ON sends (record_id, price_micros, is_priced) WHERE outcome = 'unknown'",
    "DROP INDEX sends_of_batch",
    "CREATE INDEX sends_of_batch ON sends (batch_id, outcome, price_micros, is_priced)",
    "DROP INDEX records_sums",
    """
    CREATE INDEX records_sums ON generation_records
        (batch_id, status, cost_micros, at_stake_micros, cost_unpriced, at_stake_unpriced)
    """,
)
