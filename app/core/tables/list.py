"""The list of tables: their totals and runs, the cost, their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.people import shown_names
from app.core.tables.rows import to_table
from app.core.tables.totals import KnownTotals, TableTotals, totals_of
from app.domain.tables import Table
from app.engine.connection import Connection
from app.engine.values import IN_IDS, SqlList, object_of, priced, to_message
from app.errors import Message

_THUMBNAILS = 4
_SEARCHED = 12  # pictures of the first rows, of which equal rows have the same


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """A run that has not ended; when it is not active: why it paused (a PauseCause), and the reason."""

    id: str
    is_active: bool
    cause: str
    reason: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTable:
    """A table of the list.

    cost       what its runs were charged, in CNY; None when some of it has no known price
    thumbnails the ids of records of the first rows that have a picture
    words      the first prompt of a table without a name
    person     the name of who made it, where there are several people
    """

    table: Table
    totals: TableTotals
    cost: Decimal | None
    thumbnails: Sequence[int]
    words: str
    person: str


def list_tables(
    db: Connection,
    known: KnownTotals | None = None,
    *,
    search: str = "",
    archived: bool = False,
    limit: int,
    offset: int = 0,
) -> tuple[list[ListedTable], int]:
    """(a page of the tables that are not deleted, the last changed first, the number of all)."""
    where = f"""
        WHERE deleted_at IS NULL AND archived_at IS {"NOT NULL" if archived else "NULL"}
            AND lower(name) LIKE :pattern ESCAPE '!'
    """
    pattern = "".join(f"!{c}" if c in "!%_" else c for c in search.lower())
    fields = {"pattern": f"%{pattern}%", "limit": limit, "offset": offset}
    total = db.execute(f"SELECT count(*) AS number FROM tables {where}", fields).fetchone()["number"]
    order = "ORDER BY updated_at DESC, version DESC LIMIT :limit OFFSET :offset"
    rows = db.execute(f"SELECT * FROM tables {where} {order}", fields).fetchall()
    tables, names = [to_table(row) for row in rows], shown_names(db)
    ids = [table.id for table in tables]
    totals, costs, thumbnails = totals_of(db, ids, known), _costs(db, ids), _thumbnails(db, ids)
    words = first_words(db, [table.id for table in tables if not table.name])
    listed = [
        ListedTable(
            table=table,
            totals=totals[table.id],
            cost=costs[table.id],
            thumbnails=thumbnails[table.id],
            words=words.get(table.id, ""),
            person=names.get(row["person_id"], ""),
        )
        for table, row in zip(tables, rows, strict=True)
    ]
    return listed, int(total)


def has_tables(db: Connection) -> bool:
    """Whether there is a table that is not deleted."""
    return db.execute("SELECT 1 FROM tables WHERE deleted_at IS NULL LIMIT 1").fetchone() is not None


def _costs(db: Connection, ids: Sequence[str]) -> dict[str, Decimal | None]:
    rows = db.execute(
        f"""
        SELECT batches.table_id, sum(charges.price_micros) AS micros, sum(1 - charges.is_priced) AS unpriced
        FROM batches
        JOIN charges ON charges.batch_id = batches.id AND charges.outcome = 'billed'
        WHERE batches.table_id {IN_IDS}
        GROUP BY batches.table_id
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    return dict.fromkeys(ids, Decimal(0)) | {
        row["table_id"]: priced(row["micros"], row["unpriced"]) for row in rows
    }


def _thumbnails(db: Connection, ids: Sequence[str]) -> dict[str, list[int]]:
    """The records of the first rows of each table that have a picture which is not rejected."""
    of_table = f"""
        SELECT *
        FROM (
            SELECT table_id, generation_records.id
            FROM table_rows
            CROSS JOIN generation_records ON generation_records.fingerprint = table_rows.fingerprint
            WHERE table_id = :t{{at}} AND removed_at IS NULL AND table_rows.fingerprint <> ''
                AND status = 'success' AND deleted_at IS NULL AND pick <> 'reject'
            ORDER BY table_rows.position, table_rows.id
            LIMIT {_SEARCHED}
        ) AS found{{at}}
    """
    found: dict[str, list[int]] = {table_id: [] for table_id in ids}
    if ids:
        sql = " UNION ALL ".join(of_table.format(at=at) for at in range(len(ids)))
        for table_id, record_id in db.execute(
            sql, {f"t{at}": each for at, each in enumerate(ids)}
        ).fetchall():
            if record_id not in found[table_id] and len(found[table_id]) < _THUMBNAILS:
                found[table_id].append(record_id)
    return found


def first_words(db: Connection, ids: Sequence[str]) -> dict[str, str]:
    """The prompt of the row of each table that was added first."""
    rows = db.execute(
        f"""
        SELECT table_id, fields
        FROM table_rows
        WHERE id IN (
            SELECT min(id)
            FROM table_rows
            WHERE table_id {IN_IDS} AND removed_at IS NULL AND fields <> '{{}}'
            GROUP BY table_id)
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    return {row["table_id"]: str(object_of(row["fields"]).get("prompt", "")) for row in rows}


def open_runs(db: Connection, ids: Sequence[str]) -> dict[str, OpenRun]:
    """The run of each table that its state follows: an active one, else one that paused, else a trial."""
    rows = db.execute(
        f"""
        SELECT table_id, id, state, paused_cause, paused_reason, paused_message
        FROM batches
        WHERE table_id {IN_IDS} AND state IN ('active', 'paused')
        ORDER BY CASE WHEN state = 'active' THEN 2 WHEN paused_cause <> 'sample' THEN 1 ELSE 0 END,
            created_at, id
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    return {
        row["table_id"]: OpenRun(
            id=row["id"],
            is_active=row["state"] == "active",
            cause=row["paused_cause"],
            reason=to_message(row["paused_reason"], row["paused_message"]),
        )
        for row in rows
    }
