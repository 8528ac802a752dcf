"""The index of prompts, kept in step with the records in the background, a bounded step at a time.

Whatever shows, hides or changes a record puts it into the backlog, in the same transaction; until it is
indexed, ``finding`` looks at its prompt itself. So answers are exact at any time.
"""

import sqlite3
from collections.abc import Iterator

from app.db.connection import transaction
from app.db.migrations.m0002_search import VISIBLE
from app.db.ngrams import grams

_LETTERS_A_STEP = 20_000  # holds the write lock for about 50 ms
_PAGES_A_STEP = 250
_WORTH_MERGING = 5_000


def index_prompts(db: sqlite3.Connection, *, limit: int = 500) -> int:
    """Bring some of the backlog into the index, the newest first -> how many; 0 when it is complete."""
    if not has_backlog(db):
        return 0
    with transaction(db, durable=False):  # backlog and index are one: what is lost is done again
        done = list(_some_of_backlog(db, limit))
        for row in reversed(done):  # in the order of ids, as the index is written fastest
            _index(db, row)
        db.executemany("DELETE FROM search_backlog WHERE id = ?", [(row["id"],) for row in done])
        db.execute("UPDATE search_state SET added = added + :number", {"number": len(done)})
    return len(done)


def merge_index(db: sqlite3.Connection) -> bool:
    """Join some pieces of the index, when much was added since the last time -> whether there were any.

    A search looks into every piece; in one they are found sooner. Bounded like ``index_prompts``.
    """
    state = db.execute("SELECT added, is_merging FROM search_state").fetchone()
    if not state["is_merging"] and state["added"] < max(_WORTH_MERGING, index_progress(db)[1] // 20):
        return False
    with transaction(db, durable=False):
        before = db.total_changes
        db.execute(
            "INSERT INTO prompt_search (prompt_search, rank) VALUES ('merge', :pages)",
            # the negative begins anew: all pieces there are now, into one
            {"pages": _PAGES_A_STEP if state["is_merging"] else -_PAGES_A_STEP},
        )
        goes_on = db.total_changes - before >= 2
        db.execute(
            "UPDATE search_state SET is_merging = :goes_on, added = CASE WHEN :goes_on THEN added ELSE 0 END",
            {"goes_on": goes_on},
        )
    return True


def index_progress(db: sqlite3.Connection) -> tuple[int, int]:
    """(records that search finds by the index, records there are to find)."""
    row = db.execute(
        """
        SELECT
            (SELECT count(*) FROM search_backlog) AS waiting,
            (
                SELECT coalesce(sum(number), 0)
                FROM record_counts
                WHERE is_deleted = 0 AND status NOT IN ('queued', 'running')
            ) AS total
        """
    ).fetchone()
    return max(row["total"] - row["waiting"], 0), row["total"]


def has_backlog(db: sqlite3.Connection) -> bool:
    """Whether some records are not yet as the index has them."""
    return db.execute("SELECT 1 FROM search_backlog LIMIT 1").fetchone() is not None


def _some_of_backlog(db: sqlite3.Connection, limit: int) -> Iterator[sqlite3.Row]:
    letters = 0
    rows = db.execute(
        f"""
        SELECT
            search_backlog.id,
            coalesce(indexed_prompt, prompt, '') AS indexed_prompt,
            prompt,
            ({VISIBLE}) AS is_shown,
            EXISTS (SELECT 1 FROM prompt_search WHERE prompt_search.rowid = search_backlog.id) AS is_indexed
        FROM search_backlog
        LEFT JOIN generation_records ON generation_records.id = search_backlog.id
        ORDER BY search_backlog.id DESC
        LIMIT :limit
        """,
        {"limit": limit},
    ).fetchall()
    for row in rows:
        yield row
        letters += len(row["prompt"] or "") + len(row["indexed_prompt"]) * row["is_indexed"]
        if letters > _LETTERS_A_STEP:
            return


def _index(db: sqlite3.Connection, row: sqlite3.Row) -> None:
    """An index that keeps no text has to be told what it takes out."""
    if row["is_indexed"]:
        db.execute(
            "INSERT INTO prompt_search (prompt_search, rowid, grams) VALUES ('delete', :id, :grams)",
            {"id": row["id"], "grams": grams(row["indexed_prompt"])},
        )
    if row["is_shown"]:
        db.execute(
            "INSERT INTO prompt_search (rowid, grams) VALUES (:id, :grams)",
            {"id": row["id"], "grams": grams(row["prompt"])},
        )
