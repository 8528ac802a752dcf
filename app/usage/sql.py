"""The ledger summed by time, model, batch, or what a charge was for, or read line by line. Read-only."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import database
from app.domain.ledger import OUTCOMES, BatchSpend, Charge, SpendGroup, SpendTotals

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
COLUMN = "column:"
_SUMMED = ("number", "micros", "unpriced")
_SUMS_BY_OUTCOME = ", ".join(
    f"coalesce(sum(lines.{name}) FILTER (WHERE lines.outcome = '{outcome}'), 0) AS {outcome}_{name}"
    for outcome in OUTCOMES
    for name in _SUMMED
)
_COLUMNS = "coalesce(records.own_columns, charges.own_columns)"
# The text of the column ``:name``.
_TEXT = {
    "sqlite": f"""
        CASE WHEN {_COLUMNS} <> '' AND json_valid({_COLUMNS}) THEN (
            SELECT value
            FROM json_each({_COLUMNS})
            WHERE key = :name AND type = 'text'
        ) END
    """,
    "postgres": f"CASE WHEN {_COLUMNS} <> '' THEN own_text({_COLUMNS}, :name) END",
}
_TABLES_READ = 200
_NAMES = 30


def total_spend(db: database.Connection) -> SpendTotals:
    """Totals of all charges."""
    sums = "sum(number) AS number, sum(micros) AS micros, sum(unpriced) AS unpriced"
    return _total(db.execute(f"SELECT outcome, {sums} FROM charge_totals GROUP BY outcome").fetchall())


def spend_by_span(db: database.Connection, bounds: Sequence[str]) -> list[dict[str, SpendTotals]]:
    """Totals by model between each bound and the next. Bounds are UTC, ``2026-03-01 16:00:00``.

    Reads the hourly sums when all bounds are whole hours, as in most time zones.
    """
    by_hour = all(bound.endswith(":00:00") for bound in bounds)
    spans = []
    for low, high in pairwise(bounds):
        models: dict[str, list[database.Row]] = {}
        for row in db.execute(_BY_HOUR if by_hour else _BY_LINE, {"low": low, "high": high}).fetchall():
            models.setdefault(row["model"], []).append(row)
        spans.append({model: _total(found) for model, found in models.items()})
    return spans


def spend_by_batch(db: database.Connection, low: str, high: str, *, limit: int) -> list[BatchSpend]:
    """The newest batches created from ``low`` to before ``high``, each with its all-time totals."""
    batches = db.execute(
        f"""
        SELECT id, name, {database.NUMBER_IN_MINUTE} AS number_in_minute, created_at
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


def count_failures(db: database.Connection, low: str, high: str) -> dict[str, int]:
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


def list_differing(db: database.Connection, low: str, high: str, *, limit: int) -> tuple[int, list[int]]:
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


def list_charges(db: database.Connection, low: str, high: str) -> Iterator[Charge]:
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


def list_charged_columns(db: database.Connection, low: str, high: str) -> list[str]:
    """The names of the own columns in the lines of ``list_charges``, in the order of first appearance."""
    names: dict[str, None] = {}
    columns = "charges.id, coalesce(records.own_columns, charges.own_columns) AS own_columns"
    for rows in _read_lines(db, columns, low, high):
        for text in dict.fromkeys(row["own_columns"] for row in rows):
            names |= dict.fromkeys(database.object_of(text))
    return [*names]


def spend_by_group(
    db: database.Connection, low: str, high: str, by: str, *, limit: int
) -> tuple[list[SpendGroup], int]:
    """The charges from ``low`` to before ``high`` by group -> (at most ``limit`` groups, how many there are).

    ``by`` is batch, table, person, or ``column:`` and the name of an own column. What cost most
    comes first, what has none of them last. A picture counts where it was bought, whoever shares it.
    """
    fields: dict[str, object] = {"low": low, "high": high, "limit": limit}
    value, join, outer = "charges.batch_id", "", "LEFT JOIN batches ON batches.id = lines.value"
    key = "CASE WHEN batches.source = 'batch' THEN batches.id ELSE '' END"
    if by == "table":
        key = "coalesce(batches.table_id, '')"
    elif by == "person":
        value, key, outer = "charges.person_id", "coalesce(CAST(lines.value AS TEXT), '')", ""
    elif by.startswith(COLUMN):
        value, key, outer = f"trim(coalesce({_TEXT[db.engine]}, ''))", "lines.value", ""
        join = "LEFT JOIN generation_records AS records ON records.id = charges.record_id"
        fields["name"] = by.removeprefix(COLUMN)
    rows = db.execute(
        f"""
        WITH lines AS (
            SELECT {value} AS value, charges.outcome, count(*) AS number,
                sum(charges.price_micros) AS micros, sum(1 - charges.is_priced) AS unpriced
            FROM charges
            {join}
            WHERE charges.opened_at >= :low AND charges.opened_at < :high
            GROUP BY 1, 2
        )
        SELECT spent.*, count(*) OVER () AS groups
        FROM (
            SELECT {key} AS key, {_SUMS_BY_OUTCOME}
            FROM lines
            {outer}
            GROUP BY 1
        ) AS spent
        ORDER BY billed_micros DESC, unknown_micros + open_micros DESC, billed_number DESC, key
        LIMIT :limit
        """,
        fields,
    ).fetchall()
    groups = sorted(_with_names(db, by, rows), key=lambda group: not group.key)
    return groups, rows[0]["groups"] if rows else 0


def list_group_columns(db: database.Connection) -> list[str]:
    """The own columns of the tables that were changed last, those of most tables first."""
    rows = db.execute(
        "SELECT own_columns FROM tables ORDER BY updated_at DESC LIMIT :limit", {"limit": _TABLES_READ}
    ).fetchall()
    counts = Counter(name for row in rows for name in json.loads(row["own_columns"] or "[]"))
    return [name for name, _ in counts.most_common(_NAMES)]


def _read_lines(db: database.Connection, columns: str, low: str, high: str) -> Iterator[list[database.Row]]:
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


def _to_charge(row: database.Row) -> Charge:
    fields = dict(row)
    price = database.priced(fields.pop("price_micros"), not fields.pop("is_priced"))
    columns, usage = (database.object_of(fields.pop(name)) for name in ("own_columns", "usage"))
    return Charge(price=price, columns=columns, usage=usage, **fields)


def _with_names(db: database.Connection, by: str, rows: Sequence[database.Row]) -> list[SpendGroup]:
    if by == "person" or by.startswith(COLUMN):
        names = {str(key): name for key, name in database.list_names(db).items()} if by == "person" else {}
        return [
            SpendGroup(key=row["key"], name=names.get(row["key"], ""), spent=_total_of_group(row))
            for row in rows
        ]
    ids = database.SqlList(row["key"] for row in rows)
    number = database.NUMBER_IN_MINUTE if by == "batch" else "1"
    table = "batches" if by == "batch" else "tables"
    sql = f"SELECT id, name, created_at, {number} AS number_in_minute FROM {table} WHERE id {database.IN_IDS}"
    found = {row["id"]: dict(row) for row in db.execute(sql, {"ids": ids}).fetchall()}
    if by == "table":
        words = database.first_words(db, [key for key, row in found.items() if not row["name"]])
        found = {key: row | {"name": row["name"] or words.get(key, "")} for key, row in found.items()}
    groups = []
    for row in rows:
        named = found.get(row["key"], {"id": row["key"]})
        groups.append(SpendGroup(key=named.pop("id"), **named, spent=_total_of_group(row)))
    return groups


def _total_of_group(row: database.Row) -> SpendTotals:
    return _total([{"outcome": of} | {name: row[f"{of}_{name}"] for name in _SUMMED} for of in OUTCOMES])


def _total(rows: Iterable[database.Row | Mapping[str, Any]]) -> SpendTotals:
    """Totals of rows with outcome, number, micros and unpriced."""
    totals = (
        SpendTotals.of_outcome(
            row["outcome"],
            database.yuan(row["micros"]),
            number=int(row["number"]),
            unpriced=int(row["unpriced"]),
        )
        for row in rows
    )
    return sum(totals, SpendTotals())
