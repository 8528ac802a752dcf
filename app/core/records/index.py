"""The full-text index of records, updated in the background in bounded steps.

Triggers add each shown, hidden or changed record to the backlog in the same transaction; until it is
indexed, ``query`` scans its texts. Results are therefore always exact.
"""

import sqlite3
from collections.abc import Iterator
from typing import Any

from app.engine.connection import Connection, Row, transaction
from app.engine.ngrams import NORMALISER, document, grams, own_values, tag
from app.engine.values import IN_IDS, SqlList

# The records of the index, of the pages without a status filter, and of several partial indexes.
VISIBLE = "deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running')"
FACETS = ("status", "aspect_ratio", "resolution", "model")
# The searched fields of a record, as ``ngrams.matches`` takes them.
_FIELDS = {
    "prompt": "generation_records.prompt",
    "negative_prompt": "negative_prompt",
    "filename": "coalesce(nullif(filename, ''), requested_filename)",
    "batch_name": "(SELECT name FROM batches WHERE batches.id = generation_records.batch_id)",
    "own_columns": "coalesce(nullif(searched_columns, ''), own_columns)",
}
SEARCHED = tuple(_FIELDS.values())
_NEW = _FIELDS | {name: name for name in FACETS}
# Grams have about three times the letters of their texts; holds the write lock for about 50 ms.
_LETTERS_A_STEP = {"sqlite": 60_000, "postgres": 20_000}
_PAGES_A_STEP = 250
_WORTH_MERGING = 5_000


def rebuild_index(db: Connection) -> None:
    """Clear the index and add every visible record to the backlog; inside a transaction."""
    clear = {
        "sqlite": "INSERT INTO record_search (record_search) VALUES ('delete-all')",
        "postgres": "TRUNCATE record_search",
    }
    db.execute(clear[db.engine])
    db.execute("DELETE FROM search_backlog")
    db.execute(f"INSERT INTO search_backlog (id) SELECT id FROM generation_records WHERE {VISIBLE}")
    db.execute("UPDATE search_state SET normaliser = :normaliser", {"normaliser": NORMALISER})


def has_other_normaliser(db: Connection) -> bool:
    """Whether the index was made with another normalisation and has to be rebuilt."""
    return str(db.execute("SELECT normaliser FROM search_state").fetchone()["normaliser"]) != NORMALISER


def index_records(db: Connection, *, limit: int = 500) -> int:
    """Index part of the backlog, newest records first -> number indexed; 0 when complete."""
    if not count_backlog(db, limit=1):
        return 0
    with transaction(db, durable=False):  # a lost commit restores the backlog too: it is redone
        done = list(_some_of_backlog(db, limit))
        ids = SqlList(row["id"] for row in done)
        if db.engine == "postgres":
            db.execute(f"DELETE FROM record_search WHERE id {IN_IDS}", {"ids": ids})
            sql = "INSERT INTO record_search (id, document, facets) VALUES (:id, :document, :facets)"
            db.executemany(sql, [row["new"] | {"id": row["id"]} for row in done if row["new"]])
        else:
            for row in reversed(done):  # ascending ids are the fastest to insert
                _index(db, row)
        db.execute(f"DELETE FROM search_backlog WHERE id {IN_IDS}", {"ids": ids})
        db.execute("UPDATE search_state SET added = added + :number", {"number": len(done)})
    return len(done)


def merge_index(db: Connection) -> bool:
    """Merge FTS5 segments once enough was added since the last merge -> whether a step was run.

    A query reads every segment, so fewer are faster. Bounded like ``index_records``. SQLite only.
    """
    if not isinstance(db, sqlite3.Connection):
        return False
    state = db.execute("SELECT added, is_merging FROM search_state").fetchone()
    if not state["is_merging"] and state["added"] < max(_WORTH_MERGING, index_progress(db)[1] // 20):
        return False
    with transaction(db, durable=False):
        before = db.total_changes
        db.execute(
            "INSERT INTO record_search (record_search, rank) VALUES ('merge', :pages)",
            # negative: start a merge of all present segments (FTS5 'merge' command)
            {"pages": _PAGES_A_STEP if state["is_merging"] else -_PAGES_A_STEP},
        )
        goes_on = db.total_changes - before >= 2
        db.execute(
            "UPDATE search_state SET is_merging = :goes_on, added = added * :goes_on", {"goes_on": goes_on}
        )
    return True


def index_progress(db: Connection) -> tuple[int, int]:
    """(number of indexed records, number of searchable records)."""
    row = db.execute(
        """
        SELECT
            (SELECT count(*) FROM search_backlog) AS waiting,
            (
                SELECT coalesce(sum(number), 0)
                FROM record_counts
                WHERE is_deleted = 0 AND status NOT IN ('held', 'queued', 'running')
            ) AS total
        """
    ).fetchone()
    return max(row["total"] - row["waiting"], 0), row["total"]


def count_backlog(db: Connection, *, limit: int) -> int:
    """Number of records that are not indexed yet, at most ``limit``."""
    sql = "SELECT count(*) FROM (SELECT 1 FROM search_backlog LIMIT :limit) AS waiting"
    return int(db.execute(sql, {"limit": limit}).fetchone()[0])


def _some_of_backlog(db: Connection, limit: int) -> Iterator[dict[str, Any]]:
    """Rows of the backlog: ``old`` and ``new`` are the columns of the entry to delete and to add, or None."""
    letters = 0
    key = {"sqlite": "rowid", "postgres": "id"}[db.engine]
    rows = db.execute(
        f"""
        SELECT
            search_backlog.*,
            {", ".join(f"{sql} AS new_{name}" for name, sql in _NEW.items())},
            ({VISIBLE}) AS is_shown,
            EXISTS (SELECT 1 FROM record_search WHERE record_search.{key} = search_backlog.id) AS is_indexed
        FROM search_backlog
        LEFT JOIN generation_records ON generation_records.id = search_backlog.id
        ORDER BY search_backlog.id DESC
        LIMIT :limit
        """,
        {"limit": limit},
    ).fetchall()
    for row in rows:
        old = _entry(row, "old_") if row["is_indexed"] and db.engine == "sqlite" else None
        new = _entry(row, "new_", db.engine) if row["is_shown"] else None
        yield {"id": row["id"], "old": old, "new": new}
        letters += sum(len(text) for entry in (old, new) if entry for text in entry.values())
        if letters > _LETTERS_A_STEP[db.engine]:
            return


def _entry(row: Row, prefix: str, engine: str = "sqlite") -> dict[str, Any]:
    """The columns of the index for these values of a record."""
    prompt, *others, own_columns = (row[f"{prefix}{name}"] for name in _FIELDS)
    facets = [facet_tag(name, row[f"{prefix}{name}"]) for name in FACETS]
    if engine == "postgres":
        return {"document": document(prompt, [*others, *own_values(own_columns)]), "facets": facets}
    return {
        "others": " ".join((grams([*others, *own_values(own_columns)]), *facets)),
        "prompt": grams([prompt]),
    }


def facet_tag(name: str, value: object) -> str:
    """The word of the index for this value of one of the FACETS."""
    return tag(str(FACETS.index(name)), value)


def _index(db: Connection, row: dict[str, Any]) -> None:
    """Update a record's entry; a contentless FTS5 table needs the old text to delete it."""
    if row["old"]:
        db.execute(
            """
            INSERT INTO record_search (record_search, rowid, others, prompt)
            VALUES ('delete', :id, :others, :prompt)
            """,
            row["old"] | {"id": row["id"]},
        )
    if row["new"]:
        db.execute(
            """
            INSERT INTO record_search (rowid, others, prompt)
            VALUES (:id, :others, :prompt)
            """,
            row["new"] | {"id": row["id"]},
        )
