"""The list of tables: how many rows and sets of each are made, what is to be made, the cost, its pictures."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.orders.fingerprints import BOUGHT
from app.core.people import shown_names
from app.core.tables.rows import to_table
from app.domain import PauseCause
from app.domain.tables import Table
from app.engine.connection import Connection
from app.engine.values import IN_IDS, SqlList, object_of, priced

_THERE = "status NOT IN ('failed', 'cancelled')"  # of what is bought: made, or not ended yet
_THUMBNAILS = 4
_SEARCHED = 12  # pictures of the first rows, of which equal rows have the same


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The products of a table, some of several rows, and how many have a kept picture of each role."""

    complete: int
    all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTotals:
    """The rows of a table that are not empty, the pictures that they ask for, and how many of those are to be
    bought, for how much (CNY; None: the price of one is not known). Equal rows buy one picture a number.
    ``paid``: how many rows lack only pictures that were charged.
    ``sets`` is None where no product has more than one row."""

    rows: int = 0
    pictures: int = 0
    to_make: int = 0
    price: Decimal | None = Decimal(0)
    paid: int = 0
    sets: Sets | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedTable:
    """A table of the list.

    made       how many rows have all their pictures
    cost       what its runs were charged, in CNY; None when some of it has no known price
    thumbnails the ids of records of the first rows that have a picture
    words      the first prompt of a table without a name
    person     the name of who made it, where there are several people
    state      "running", "waiting" (for somebody to look at the trial), "paused", or empty
    """

    table: Table
    totals: TableTotals
    made: int
    cost: Decimal | None
    thumbnails: Sequence[int]
    words: str
    state: str
    person: str


def list_tables(
    db: Connection, *, search: str = "", archived: bool = False, limit: int, offset: int = 0
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
    totals, costs = _totals(db, ids), _costs(db, ids)
    thumbnails, states = _thumbnails(db, ids), _states(db, ids)
    words = first_words(db, [table.id for table in tables if not table.name])
    listed = [
        ListedTable(
            table=table,
            totals=totals[table.id][0],
            made=totals[table.id][1],
            cost=costs[table.id],
            thumbnails=thumbnails[table.id],
            words=words.get(table.id, ""),
            state=states[table.id],
            person=names.get(row["person_id"], ""),
        )
        for table, row in zip(tables, rows, strict=True)
    ]
    return listed, int(total)


def has_tables(db: Connection) -> bool:
    """Whether there is a table that is not deleted."""
    return db.execute("SELECT 1 FROM tables WHERE deleted_at IS NULL LIMIT 1").fetchone() is not None


def table_totals(db: Connection, table_id: str) -> TableTotals:
    """The totals of a table, from the cache of its last check."""
    return _totals(db, [table_id])[table_id][0]


def _totals(db: Connection, ids: Sequence[str]) -> dict[str, tuple[TableTotals, int]]:
    """The totals of each table, and how many of its rows have all their pictures."""
    rows = db.execute(
        f"""
        SELECT table_id, sum(rows) AS rows, sum(pictures) AS pictures,
            sum(CASE WHEN made >= number THEN rows ELSE 0 END) AS made,
            sum(max(number - bought, 0)) AS to_make,
            coalesce(sum(max(number - bought, 0) * price), 0) AS price,
            count(*) FILTER (WHERE number > bought AND price IS NULL) AS unpriced,
            sum(CASE WHEN number BETWEEN there + 1 AND bought AND there = made THEN rows ELSE 0 END) AS paid
        FROM (
            SELECT wanted.*,
                CASE WHEN is_seeded = 1 THEN count(DISTINCT picture_number) ELSE count(id) END AS bought,
                CASE WHEN is_seeded = 1 THEN count(DISTINCT picture_number) FILTER (WHERE {_THERE})
                    ELSE count(id) FILTER (WHERE {_THERE}) END AS there,
                CASE WHEN is_seeded = 1 THEN count(DISTINCT picture_number) FILTER (WHERE status = 'success')
                    ELSE count(id) FILTER (WHERE status = 'success') END AS made
            FROM (
                SELECT table_id, fingerprint, max(num_images) AS number, max(is_seeded) AS is_seeded,
                    max(price_micros) AS price, count(*) AS rows, sum(num_images) AS pictures
                FROM table_rows
                WHERE table_id {IN_IDS} AND removed_at IS NULL AND fingerprint <> '' AND problems = ''
                GROUP BY table_id, fingerprint
            ) AS wanted
            LEFT JOIN generation_records ON generation_records.fingerprint = wanted.fingerprint
                AND (is_seeded = 0 OR picture_number <= wanted.number) AND {BOUGHT}
            GROUP BY table_id, wanted.fingerprint, wanted.number, is_seeded, price, rows, pictures
        ) AS found
        GROUP BY table_id
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    found = {row["table_id"]: row for row in rows}
    bad = db.execute(
        f"""
        SELECT table_id, count(*) AS number
        FROM table_rows
        WHERE table_id {IN_IDS} AND removed_at IS NULL AND problems <> ''
        GROUP BY table_id
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    with_problems = {row["table_id"]: int(row["number"]) for row in bad}
    sets = _sets(db, ids)

    def of_table(table_id: str) -> tuple[TableTotals, int]:
        bad_rows, row = with_problems.get(table_id, 0), found.get(table_id)
        if row is None:
            return TableTotals(rows=bad_rows, sets=sets.get(table_id)), 0
        totals = TableTotals(
            rows=int(row["rows"]) + bad_rows,
            pictures=int(row["pictures"]),
            to_make=int(row["to_make"]),
            price=priced(int(row["price"]), row["unpriced"]),
            paid=int(row["paid"]),
            sets=sets.get(table_id),
        )
        return totals, int(row["made"])

    return {table_id: of_table(table_id) for table_id in ids}


def _sets(db: Connection, ids: Sequence[str]) -> dict[str, Sets]:
    """The sets of the tables whose products have several rows.

    A row shows the pictures of equal rows where it lacks its own (``app.tables.states``); the options of a
    changed picture name the fingerprint of its row.
    """
    kept = "status = 'success' AND deleted_at IS NULL AND pick = 'keep'"
    rows = db.execute(
        f"""
        SELECT table_id, count(*) AS number, sum(is_complete) AS complete
        FROM (
            SELECT table_id, product, count(*) AS size,
                min(CASE WHEN has_kept OR has_shared THEN 1 ELSE 0 END) AS is_complete
            FROM (
                SELECT table_id, product, EXISTS (
                    SELECT 1
                    FROM row_pictures
                    JOIN generation_records AS own ON own.id = record_id
                    WHERE row_id = table_rows.id AND {kept} AND table_rows.fingerprint <> ''
                        AND (own.fingerprint = table_rows.fingerprint
                            OR own.options LIKE '%' || table_rows.fingerprint || '%')
                ) AS has_kept, num_images > (
                    SELECT count(*)
                    FROM row_pictures
                    JOIN generation_records AS own ON own.id = record_id
                    WHERE row_id = table_rows.id AND own.fingerprint = table_rows.fingerprint AND {BOUGHT}
                ) AND EXISTS (
                    SELECT 1
                    FROM generation_records AS known
                    WHERE known.fingerprint = table_rows.fingerprint AND known.fingerprint <> '' AND {kept}
                ) AS has_shared
                FROM table_rows
                WHERE product > 0 AND is_gone = 0 AND removed_at IS NULL
                    AND table_id IN (SELECT id FROM tables WHERE id {IN_IDS} AND recipe <> '')
            ) AS roles
            GROUP BY table_id, product
        ) AS products
        GROUP BY table_id
        HAVING max(size) > 1
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    return {row["table_id"]: Sets(complete=int(row["complete"]), all=int(row["number"])) for row in rows}


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


def _states(db: Connection, ids: Sequence[str]) -> dict[str, str]:
    rows = db.execute(
        f"""
        SELECT table_id, state, paused_cause
        FROM batches
        WHERE table_id {IN_IDS} AND state IN ('active', 'paused')
        ORDER BY created_at, id
        """,
        {"ids": SqlList(ids)},
    ).fetchall()
    found = dict.fromkeys(ids, "")
    for row in rows:
        paused = "waiting" if row["paused_cause"] == PauseCause.SAMPLE else "paused"
        if found[row["table_id"]] != "running":
            found[row["table_id"]] = "running" if row["state"] == "active" else paused
    return found
