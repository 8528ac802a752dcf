"""The ledger summed by what a charge was for: its batch, table or person, or the text of an own column."""

import json
from collections import Counter
from collections.abc import Sequence

from app.db.batch_names import NUMBER_IN_MINUTE
from app.db.connection import Connection, Row
from app.db.row_mapping import IN_IDS, SqlList, yuan
from app.db.table_list import first_words
from app.domain.ledger import OUTCOMES, SpendGroup, SpendTotals

COLUMN = "column:"
_SUMS = ", ".join(
    f"coalesce(sum(lines.{name}) FILTER (WHERE lines.outcome = '{outcome}'), 0) AS {outcome}_{name}"
    for outcome in OUTCOMES
    for name in ("number", "micros", "unpriced")
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


def spend_by_group(
    db: Connection, low: str, high: str, by: str, *, limit: int
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
            SELECT {key} AS key, {_SUMS}
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


def list_group_columns(db: Connection) -> list[str]:
    """The own columns of the tables that were changed last, those of most tables first."""
    rows = db.execute(
        "SELECT own_columns FROM tables ORDER BY updated_at DESC LIMIT :limit", {"limit": _TABLES_READ}
    ).fetchall()
    counts = Counter(name for row in rows for name in json.loads(row["own_columns"] or "[]"))
    return [name for name, _ in counts.most_common(_NAMES)]


def _with_names(db: Connection, by: str, rows: Sequence[Row]) -> list[SpendGroup]:
    if by == "person":
        people = db.execute("SELECT id, name FROM people").fetchall()
        names = {str(row["id"]): row["name"] for row in people}
        return [SpendGroup(key=row["key"], name=names.get(row["key"], ""), spent=_total(row)) for row in rows]
    if by.startswith(COLUMN):
        return [SpendGroup(key=row["key"], spent=_total(row)) for row in rows]
    ids = SqlList(row["key"] for row in rows)
    number = NUMBER_IN_MINUTE if by == "batch" else "1"
    table = "batches" if by == "batch" else "tables"
    sql = f"SELECT id, name, created_at, {number} AS number_in_minute FROM {table} WHERE id {IN_IDS}"
    found = {row["id"]: dict(row) for row in db.execute(sql, {"ids": ids}).fetchall()}
    if by == "table":
        words = first_words(db, [key for key, row in found.items() if not row["name"]])
        found = {key: row | {"name": row["name"] or words.get(key, "")} for key, row in found.items()}
    groups = []
    for row in rows:
        named = found.get(row["key"], {"id": row["key"]})
        groups.append(SpendGroup(key=named.pop("id"), **named, spent=_total(row)))
    return groups


def _total(row: Row) -> SpendTotals:
    totals = (
        SpendTotals.of_outcome(
            outcome,
            yuan(row[f"{outcome}_micros"]),
            number=int(row[f"{outcome}_number"]),
            unpriced=int(row[f"{outcome}_unpriced"]),
        )
        for outcome in OUTCOMES
    )
    return sum(totals, SpendTotals())
