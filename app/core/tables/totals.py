"""What the rows of tables come to: pictures by what became of them, looked at and delivered."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from app.core.orders.fingerprints import BOUGHT
from app.engine.connection import Connection, last_version
from app.engine.values import IN_IDS, SqlList, priced

_FREE = "status = 'failed' AND cost_micros + cost_unpriced = 0"
# What a picture that is there, or was charged, is; of the same number the first of these counts.
_STANDINGS = {
    "made": "status = 'success'",
    "running": "status = 'running'",
    "queued": "status = 'queued'",
    "held": "status = 'held'",
    "unknown": "status = 'unknown'",
    "paid": f"status IN ('failed', 'cancelled') AND NOT ({_FREE})",
}
_UNDER_WAY = ("made", "running", "queued", "held", "unknown")
# Of a record of a row's fingerprint that failed without a charge: the row shows it, and nothing replaced it.
_FAILED = f"""
    {_FREE} AND deleted_at IS NULL AND EXISTS (
        SELECT 1
        FROM row_pictures
        CROSS JOIN table_rows AS showing ON showing.id = row_id
        WHERE record_id = generation_records.id AND showing.table_id = wanted.table_id
    ) AND NOT EXISTS (
        SELECT 1
        FROM generation_records AS other
        WHERE fingerprint = wanted.fingerprint
            AND picture_number = generation_records.picture_number AND {BOUGHT}
    )
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The products of a table, some of several rows: of how many each role is made, and is kept."""

    made: int
    complete: int
    all: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TableTotals:
    """The rows of a table that are not empty and the pictures that they ask for; the rest are pictures, of
    which equal rows have one a number: as many as are asked for, by what became of them.

    to_make    are to be bought, for ``price`` CNY (None: one is not known)
    failed     were refused or failed, for nothing: they are bought when they are named
    paid       were charged, without a picture
    held_rows  rows that buy ``held`` pictures for ``held_price`` once somebody has looked at the trial
    problems   cells that keep a row from being made
    looked_at  of those made: chosen, or of a row that has a kept one; ``kept`` may be more than asked for
    delivered  whether what is kept, else all that is made, went out: ``files`` at ``delivered_at``
    sets       None where no product has more than one row
    """

    rows: int = 0
    pictures: int = 0
    made: int = 0
    running: int = 0
    queued: int = 0
    held: int = 0
    held_rows: int = 0
    held_price: Decimal | None = Decimal(0)
    to_make: int = 0
    price: Decimal | None = Decimal(0)
    failed: int = 0
    unknown: int = 0
    paid: int = 0
    problems: int = 0
    looked_at: int = 0
    kept: int = 0
    delivered: bool = False
    files: int = 0
    delivered_at: str = ""
    sets: Sets | None = None


KnownTotals = dict[str, tuple[int, TableTotals]]  # by table, with the version of the database


def totals_of(db: Connection, ids: Sequence[str], known: KnownTotals | None = None) -> dict[str, TableTotals]:
    """The totals of each table, from the cache of its last check. ``known`` keeps them until something of the
    table, or a record that it shows, has changed."""
    known = {} if known is None else known
    version = last_version(db)
    oldest = min((known[table_id][0] for table_id in ids if table_id in known), default=version)
    changed = _changed_since(db, oldest) if oldest < version else set()
    stale = [table_id for table_id in ids if table_id not in known or table_id in changed]
    known |= {table_id: (version, totals) for table_id, totals in _count(db, stale).items()}
    known |= {table_id: (version, known[table_id][1]) for table_id in ids}
    return {table_id: known[table_id][1] for table_id in ids}


def _changed_since(db: Connection, version: int) -> set[str]:
    """The tables that changed after a version, or have rows whose pictures did."""
    rows = db.execute(
        """
        SELECT id FROM tables WHERE version > :version
        UNION
        SELECT table_rows.table_id
        FROM batches
        JOIN generation_records ON batch_id = batches.id
        JOIN table_rows ON table_rows.fingerprint = generation_records.fingerprint
        WHERE batches.version > :version AND generation_records.version > :version
            AND table_rows.fingerprint <> ''
        UNION
        SELECT table_id FROM batches WHERE version > :version AND table_id IS NOT NULL
        """,
        {"version": version},
    ).fetchall()
    return {row["id"] for row in rows}


def _shares() -> str:
    """Of the pictures that a fingerprint asks for and has, how many there are of each standing."""
    columns, before = [], "0"
    for name in _STANDINGS:
        columns.append(f"min({name}, max(there - ({before}), 0)) AS {name}")
        before += f" + {name}"
    return ", ".join(columns)


def _numbers(test: str) -> str:
    """How many pictures: of a row with a seed each number is one of its own."""
    return f"""CASE WHEN max(is_seeded) = 1 THEN count(DISTINCT picture_number) FILTER (WHERE {test})
        ELSE count(id) FILTER (WHERE {test}) END"""


_COUNTED = ", ".join(
    f"{_numbers(test) if name == 'made' else f'count(id) FILTER (WHERE {test})'} AS {name}"
    for name, test in _STANDINGS.items()
)
_CELLS = """1 + (length(problems) - length(replace(problems, '"], ["', ''))) / 6"""
_KEPT = "status = 'success' AND pick = 'keep'"
# By fingerprint, those of rows with problems apart, then by table.
_TOTALS = f"""
    WITH wanted AS (
        SELECT table_id, fingerprint, CASE WHEN problems = '' THEN 0 ELSE 1 END AS is_bad,
            max(num_images) AS number, max(is_seeded) AS is_seeded, max(price_micros) AS price,
            count(*) AS rows, sum(num_images) AS pictures, sum({_CELLS}) AS cells
        FROM table_rows
        WHERE table_id {IN_IDS} AND removed_at IS NULL AND (fingerprint <> '' OR problems <> '')
        GROUP BY table_id, fingerprint, CASE WHEN problems = '' THEN 0 ELSE 1 END
    ), delivered AS (
        SELECT DISTINCT table_id, record_id
        FROM deliveries
        JOIN delivery_files ON delivery_id = deliveries.id
        WHERE table_id {IN_IDS} AND finished_at IS NOT NULL
    ), edited AS (
        SELECT table_rows.table_id, table_rows.fingerprint, count(DISTINCT changed.id) AS kept,
            count(DISTINCT CASE WHEN delivered.record_id IS NULL THEN changed.id END) AS kept_here
        FROM (
            SELECT generation_records.id, generation_records.fingerprint, options
            FROM batches
            CROSS JOIN generation_records ON batch_id = batches.id AND pick <> '' AND pick = 'keep'
                AND deleted_at IS NULL
            WHERE batches.table_id {IN_IDS} AND status = 'success' AND options LIKE '%row_print%'
        ) AS changed
        JOIN row_pictures ON row_pictures.record_id = changed.id
        JOIN table_rows ON table_rows.id = row_id AND table_rows.fingerprint <> changed.fingerprint
            AND options LIKE '%' || table_rows.fingerprint || '%'
        LEFT JOIN delivered ON delivered.table_id = table_rows.table_id AND delivered.record_id = changed.id
        WHERE removed_at IS NULL AND table_rows.fingerprint <> ''
        GROUP BY table_rows.table_id, table_rows.fingerprint
    ), found AS (
        SELECT wanted.table_id, is_bad, max(wanted.number) AS number, max(price) AS price, max(rows) AS rows,
            max(pictures) AS pictures, max(cells) AS cells,
            {_COUNTED}, min(max(wanted.number), {_numbers(f"NOT ({_FREE})")}) AS there,
            count(id) FILTER (WHERE {_FREE}) AS failed,
            count(id) FILTER (WHERE status = 'success' AND pick <> '') AS picked,
            count(id) FILTER (WHERE {_KEPT}) + coalesce(max(edited.kept), 0) AS kept,
            count(id) FILTER (WHERE {_KEPT} AND delivered.record_id IS NULL)
                + coalesce(max(edited.kept_here), 0) AS kept_here,
            coalesce(max(id) FILTER (WHERE status = 'success' AND pick <> 'reject'), 0) AS newest,
            coalesce(max(id) FILTER (WHERE status = 'success' AND delivered.record_id IS NOT NULL), 0) AS gone
        FROM wanted
        LEFT JOIN generation_records ON generation_records.fingerprint = wanted.fingerprint
            AND wanted.fingerprint <> '' AND (is_seeded = 0 OR picture_number <= wanted.number)
            AND ({BOUGHT} OR ({_FAILED}))
        LEFT JOIN delivered ON delivered.table_id = wanted.table_id AND delivered.record_id = id
        LEFT JOIN edited ON edited.table_id = wanted.table_id AND edited.fingerprint = wanted.fingerprint
        GROUP BY wanted.table_id, wanted.fingerprint, is_bad
    ), shared AS (
        SELECT table_id, is_bad, number, price, rows, pictures, cells, {_shares()}, failed, picked, kept,
            kept_here, newest, gone, CASE WHEN is_bad = 0 THEN number - there ELSE 0 END AS lacking
        FROM found
    )
    SELECT table_id, sum(rows) AS rows, sum(CASE WHEN is_bad = 0 THEN pictures ELSE 0 END) AS pictures,
        {", ".join(f"sum({name}) AS {name}" for name in _STANDINGS)},
        count(*) FILTER (WHERE held > 0) AS held_rows,
        coalesce(sum(held * price), 0) AS held_price,
        count(*) FILTER (WHERE held > 0 AND price IS NULL) AS held_unpriced,
        sum(CASE WHEN failed = 0 THEN lacking ELSE 0 END) AS to_make,
        sum(CASE WHEN failed > 0 THEN lacking ELSE 0 END) AS failed,
        coalesce(sum(CASE WHEN failed = 0 THEN lacking * price ELSE 0 END), 0) AS price,
        count(*) FILTER (WHERE failed = 0 AND lacking > 0 AND price IS NULL) AS unpriced,
        sum(CASE WHEN is_bad = 1 AND {" + ".join(_UNDER_WAY)} < number THEN cells ELSE 0 END) AS problems,
        sum(min(made, CASE WHEN kept > 0 THEN number ELSE picked END)) AS looked_at,
        sum(kept) AS kept, sum(kept_here) AS kept_here, max(gone) AS gone,
        count(*) FILTER (WHERE gone < newest) AS undelivered
    FROM shared
    GROUP BY table_id
"""


def _count(db: Connection, ids: Sequence[str]) -> dict[str, TableTotals]:
    if not ids:
        return {}
    fields = {"ids": SqlList(ids)}
    rows = {row["table_id"]: row for row in db.execute(_TOTALS, fields).fetchall()}
    sets = _sets(db, ids)
    last = db.execute(
        f"""
        SELECT table_id, made, finished_at
        FROM deliveries
        WHERE table_id {IN_IDS} AND finished_at IS NOT NULL
        ORDER BY finished_at
        """,
        fields,
    ).fetchall()
    delivered = {table_id: (files, at) for table_id, files, at in last}
    names = (
        *_STANDINGS,
        "rows",
        "pictures",
        "held_rows",
        "to_make",
        "failed",
        "problems",
        "looked_at",
        "kept",
    )

    def of_table(table_id: str) -> TableTotals:
        if (row := rows.get(table_id)) is None:
            return TableTotals(sets=sets.get(table_id))
        files, at = delivered.get(table_id, (0, ""))
        return TableTotals(
            **{name: int(row[name]) for name in names},
            price=priced(int(row["price"]), row["unpriced"]),
            held_price=priced(int(row["held_price"]), row["held_unpriced"]),
            delivered=row["gone"] > 0 and not (row["kept_here"] if row["kept"] else row["undelivered"]),
            files=files,
            delivered_at=at,
            sets=sets.get(table_id),
        )

    return {table_id: of_table(table_id) for table_id in ids}


def _sets(db: Connection, ids: Sequence[str]) -> dict[str, Sets]:
    """The sets of the tables whose products have several rows.

    A row shows the pictures of equal rows where it lacks its own (``app.tables.states``); the options of a
    changed picture name the fingerprint of its row.
    """
    best = "coalesce(max(CASE WHEN pick = 'keep' THEN 2 ELSE 1 END), 0)"  # of what is made: kept, or not
    made = "status = 'success' AND deleted_at IS NULL AND table_rows.fingerprint <> ''"
    rows = db.execute(
        f"""
        SELECT table_id, count(*) AS number, count(*) FILTER (WHERE level > 0) AS made,
            count(*) FILTER (WHERE level > 1) AS complete
        FROM (
            SELECT table_id, product, count(*) AS size,
                min(max(own, CASE WHEN is_lacking THEN shared ELSE 0 END)) AS level
            FROM (
                SELECT table_id, product, (
                    SELECT {best}
                    FROM row_pictures
                    JOIN generation_records AS own ON own.id = record_id
                    WHERE row_id = table_rows.id AND {made}
                        AND (own.fingerprint = table_rows.fingerprint
                            OR own.options LIKE '%' || table_rows.fingerprint || '%')
                ) AS own, num_images > (
                    SELECT count(*)
                    FROM row_pictures
                    JOIN generation_records AS own ON own.id = record_id
                    WHERE row_id = table_rows.id AND own.fingerprint = table_rows.fingerprint AND {BOUGHT}
                ) AS is_lacking, (
                    SELECT {best}
                    FROM generation_records AS known
                    WHERE known.fingerprint = table_rows.fingerprint AND {made}
                ) AS shared
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
    return {
        row["table_id"]: Sets(made=int(row["made"]), complete=int(row["complete"]), all=int(row["number"]))
        for row in rows
    }
