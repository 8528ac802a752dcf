"""Spending reports: the ledger summed by time, model and batch, or read line by line. Read-only."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from app.db.batch_names import NUMBER_IN_MINUTE
from app.db.connection import Connection, Row
from app.db.row_mapping import object_of, priced, yuan
from app.domain.ledger import BatchSpend, Charge, SpendTotals

_LINES_AT_ONCE = 2_000
_SUMS = "count(*) AS number, sum(price_micros) AS micros, sum(1 - is_priced) AS unpriced"
_BY_HOUR = """
    SELECT model, outcome, sum(number) AS number, sum(micros) AS micros, sum(unpriced) AS unpriced
    FROM charges_by_hour
    WHERE hour >= substr(:low, 1, 13) AND hour < substr(:high, 1, 13)
    GROUP BY model, outcome
"""
_BY_LINE = f"""
    SELECT model, outcome, {_SUMS}
    FROM charges
    WHERE opened_at >= :low AND opened_at < :high
    GROUP BY model, outcome
"""


def total_spend(db: Connection) -> SpendTotals:
    """Totals of all charges."""
    sums = "sum(number) AS number, sum(micros) AS micros, sum(unpriced) AS unpriced"
    return _total(db.execute(f"SELECT outcome, {sums} FROM charge_totals GROUP BY outcome").fetchall())


def spend_by_span(db: Connection, bounds: Sequence[str]) -> list[dict[str, SpendTotals]]:
    """Totals by model between each bound and the next. Bounds are UTC, ``2026-03-01 16:00:00``.

    Reads the hourly sums when all bounds are whole hours, as in most time zones.
    """
    by_hour = all(bound.endswith(":00:00") for bound in bounds)
    spans = []
    for low, high in pairwise(bounds):
        models: dict[str, list[Row]] = {}
        for row in db.execute(_BY_HOUR if by_hour else _BY_LINE, {"low": low, "high": high}).fetchall():
            models.setdefault(row["model"], []).append(row)
        spans.append({model: _total(found) for model, found in models.items()})
    return spans


def spend_by_batch(db: Connection, low: str, high: str, *, limit: int) -> list[BatchSpend]:
    """The newest batches created from ``low`` to before ``high``, each with its all-time totals."""
    batches = db.execute(
        f"""
        SELECT id, name, {NUMBER_IN_MINUTE} AS number_in_minute, created_at
        FROM batches
        WHERE source = 'batch' AND created_at >= :low AND created_at < :high
        ORDER BY created_at DESC, id DESC
        LIMIT :limit
        """,
        {"low": low, "high": high, "limit": limit},
    ).fetchall()
    sql = f"SELECT outcome, {_SUMS} FROM charges WHERE batch_id = :id GROUP BY outcome"
    return [
        BatchSpend(**dict(batch), spent=_total(db.execute(sql, {"id": batch["id"]}).fetchall()))
        for batch in batches
    ]


def count_failures(db: Connection, low: str, high: str) -> dict[str, int]:
    """Cause -> number of failed or unknown records created from ``low`` to before ``high``, most first."""
    rows = db.execute(
        """
        SELECT cause, count(*) AS number
        FROM generation_records
        WHERE status IN ('failed', 'unknown') AND deleted_at IS NULL
          AND created_at >= :low AND created_at < :high
        GROUP BY cause
        ORDER BY number DESC, cause
        """,
        {"low": low, "high": high},
    ).fetchall()
    return {row["cause"]: row["number"] for row in rows}


def list_differing(db: Connection, low: str, high: str, *, limit: int) -> tuple[int, list[int]]:
    """The charges of which the service reported other numbers than were ordered -> (how many, record ids).

    The ids are those of the newest ones, at most ``limit``.
    """
    rows = db.execute(
        """
        SELECT record_id, count(*) OVER () AS number
        FROM charges
        WHERE usage_differs AND opened_at >= :low AND opened_at < :high
        ORDER BY opened_at DESC
        LIMIT :limit
        """,
        {"low": low, "high": high, "limit": limit},
    ).fetchall()
    return (rows[0]["number"] if rows else 0), [row["record_id"] for row in rows]


def list_charges(db: Connection, low: str, high: str) -> Iterator[Charge]:
    """The lines of the ledger from ``low`` to before ``high``, by id."""
    for rows in _read_lines(
        db,
        """
            charges.id, charges.record_id, charges.batch_id, charges.model,
            charges.price_micros, charges.is_priced, charges.outcome, charges.cause,
            coalesce(charges.task_id, '') AS task_id, charges.opened_at, charges.closed_at,
            charges.usage, coalesce(batches.name, '') AS batch_name, coalesce(tables.name, '') AS table_name,
            records.row_number, coalesce(records.prompt, '') AS prompt,
            coalesce(records.filename, '') AS filename,
            coalesce(records.own_columns, charges.own_columns) AS own_columns,
            resolutions.at AS resolved_at, coalesce(people.name, '') AS person
        """,
        low,
        high,
    ):
        yield from map(_to_charge, rows)


def list_charged_columns(db: Connection, low: str, high: str) -> list[str]:
    """The names of the own columns in the lines of ``list_charges``, in the order of first appearance."""
    names: dict[str, None] = {}
    columns = "charges.id, coalesce(records.own_columns, charges.own_columns) AS own_columns"
    for rows in _read_lines(db, columns, low, high):
        for text in dict.fromkeys(row["own_columns"] for row in rows):
            names |= dict.fromkeys(object_of(text))
    return [*names]


def _read_lines(db: Connection, columns: str, low: str, high: str) -> Iterator[list[Row]]:
    """These columns of the lines, some at a time."""
    fields: dict[str, object] = {"low": low, "high": high, "limit": _LINES_AT_ONCE}
    sql = (
        "SELECT min(id) AS first, max(id) AS last FROM charges WHERE opened_at >= :low AND opened_at < :high"
    )
    ends = db.execute(sql, fields).fetchone()
    if ends["first"] is None:
        return
    fields |= {"after": ends["first"] - 1, "last": ends["last"]}
    while rows := db.execute(
        f"""
        SELECT {columns}
        FROM charges
        LEFT JOIN generation_records AS records ON records.id = charges.record_id
        LEFT JOIN batches ON batches.id = charges.batch_id
        LEFT JOIN tables ON tables.id = batches.table_id
        LEFT JOIN resolutions ON resolutions.id = charges.resolution_id
        LEFT JOIN people ON people.id = charges.person_id
        WHERE charges.id > :after AND charges.id <= :last
          AND +charges.opened_at >= :low AND +charges.opened_at < :high
        ORDER BY charges.id
        LIMIT :limit
        """,
        fields,
    ).fetchall():
        yield rows
        fields["after"] = rows[-1]["id"]


def _to_charge(row: Row) -> Charge:
    fields = dict(row)
    price = priced(fields.pop("price_micros"), not fields.pop("is_priced"))
    columns, usage = (object_of(fields.pop(name)) for name in ("own_columns", "usage"))
    return Charge(price=price, columns=columns, usage=usage, **fields)


def _total(rows: Sequence[Row]) -> SpendTotals:
    """Totals of rows with outcome, number, micros and unpriced."""
    totals = (
        SpendTotals.of_outcome(r["outcome"], yuan(r["micros"]), number=r["number"], unpriced=r["unpriced"])
        for r in rows
    )
    return sum(totals, SpendTotals())
