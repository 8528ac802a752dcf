"""Prompts of earlier records."""

from dataclasses import dataclass

from app.core.records.filter import RecordFilter
from app.core.records.query import find_ids
from app.domain import Status
from app.engine.connection import Connection, read_transaction
from app.engine.values import IN_IDS, SqlList

_RECORDS_READ = 2_000  # the newest ones, so that a call takes a few milliseconds in a store of any size


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierPrompt:
    """A prompt and its newest record."""

    prompt: str
    record_id: int
    created_at: str


def list_prompts(db: Connection, *, search: str = "", limit: int) -> list[EarlierPrompt]:
    """Different prompts of the newest 2,000 records, newest first.

    With ``search``, of the newest 2,000 that have each of its words in the prompt.
    """
    with read_transaction(db):
        if search.strip():
            wanted = RecordFilter(search=search, search_in="prompt", every_word=True, statuses=tuple(Status))
            newest = f"SELECT id, prompt, created_at FROM generation_records WHERE id {IN_IDS}"
            fields: dict[str, object] = {"ids": SqlList(find_ids(db, wanted, limit=_RECORDS_READ))}
        else:
            newest = """
                SELECT id, prompt, created_at
                FROM generation_records
                WHERE deleted_at IS NULL
                ORDER BY id DESC
                LIMIT :records
            """
            fields = {"records": _RECORDS_READ}
        rows = db.execute(
            f"""
            SELECT prompt, max(id) AS record_id, max(created_at) AS created_at
            FROM ({newest}) AS newest
            GROUP BY prompt
            ORDER BY max(id) DESC
            LIMIT :limit
            """,
            fields | {"limit": limit},
        ).fetchall()
    return [EarlierPrompt(**dict(row)) for row in rows]
