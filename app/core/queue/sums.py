"""The sums that triggers keep of charges and records, and the statements that fill their empty tables.

In a SQLite file each key has one row, which a change updates. On PostgreSQL every change adds a row, so that
writers that run beside each other do not wait for one; those of a key are added up from time to time.
"""

from typing import NamedTuple

from app.core.records.index import VISIBLE
from app.engine.connection import Connection


class _Sum(NamedTuple):
    """``of_row`` is the key of one of the ``rows``, ``of_rows`` the sums of those of a key."""

    key: str
    of_row: str
    rows: str
    sums: str = "number, micros, unpriced"
    of_rows: str = "count(*), sum(price_micros), sum(1 - is_priced)"


_FACETS = "status, aspect_ratio, resolution, model"
SUMS = {
    "charge_totals": _Sum("outcome", "outcome", "charges"),
    "charges_by_hour": _Sum("hour, model, outcome", "substr(opened_at, 1, 13), model, outcome", "charges"),
    "record_counts": _Sum(
        f"is_deleted, {_FACETS}",
        f"CASE WHEN deleted_at IS NULL THEN 0 ELSE 1 END, {_FACETS}",
        "generation_records",
        "number",
        "count(*)",
    ),
    "counts_by_day": _Sum(
        f"day, {_FACETS}",
        f"substr(created_at, 1, 10), {_FACETS}",
        f"generation_records WHERE {VISIBLE}",
        "number, first_id, last_id",
        "count(*), min(id), max(id)",
    ),
}


def filled(table: str) -> str:
    """The statement that fills one of SUMS."""
    each = SUMS[table]
    group = ", ".join(str(at + 1) for at in range(each.key.count(",") + 1))
    return f"""
        INSERT INTO {table} ({each.key}, {each.sums})
        SELECT {each.of_row}, {each.of_rows} FROM {each.rows} GROUP BY {group}
    """


def add_up(db: Connection) -> None:
    """Replace the rows of each key by one; on PostgreSQL, in an exclusive transaction."""
    added = {"first_id": "min(first_id)", "last_id": "max(last_id)"}
    for table, each in SUMS.items():
        sums = ", ".join(added.get(name, f"sum({name})") for name in each.sums.split(", "))
        db.execute(
            f"""
            WITH added AS (
                DELETE FROM {table}
                WHERE ({each.key}) IN (SELECT {each.key} FROM {table} GROUP BY {each.key} HAVING count(*) > 1)
                RETURNING *
            )
            INSERT INTO {table} ({each.key}, {each.sums})
            SELECT {each.key}, {sums} FROM added GROUP BY {each.key} HAVING sum(number) <> 0
            """
        )
