"""What happened to tables: what undoes each change, its rows, and whose it was; and the choice of pictures.

A change is a JSON object. ``rows`` are by id what changed of each, name -> [before, after]; empty where only
its pictures are concerned. ``picks`` are by record [before, after], ``run`` the records that were ordered,
``table`` what changed of the table itself; ``app.tables`` writes and reads the rest.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from app.core.records.filter import NOT_PICKED
from app.core.records.records import CHANGED_AT_ONCE, Selection, portions, selected_ids
from app.core.records.rows import update_records
from app.domain import Pick
from app.domain.times import utc_text
from app.engine.connection import Connection, next_version, transaction
from app.engine.values import IN_IDS, SqlList, object_of
from app.errors import NotFound

KEPT_DAYS = 30  # of a deleted table, and of a change
_SET_PICK = "pick = :pick, pick_person_id = :person"


def save_change(
    db: Connection, table_id: str, version: int, change: Mapping[str, Any], person_id: int | None = None
) -> None:
    """Store the change of this version; inside its transaction."""
    db.execute(
        """
        INSERT INTO table_changes (version, table_id, at, inverse, person_id)
        VALUES (:version, :table, :at, :change, :person)
        """,
        {
            "version": version,
            "table": table_id,
            "at": utc_text(datetime.now(UTC)),
            "change": json.dumps(change, ensure_ascii=False),
            "person": person_id,
        },
    )


def get_change(db: Connection, table_id: str, version: int) -> dict[str, Any]:
    """What undoes the change of this version. Raises NotFound, also for one that cannot be undone."""
    sql = "SELECT inverse FROM table_changes WHERE version = :version AND table_id = :table"
    row = db.execute(sql, {"version": version, "table": table_id}).fetchone()
    change = object_of(row["inverse"]) if row else {"table": {}}
    if "table" in change or "run" in change:
        raise NotFound("没有这一步，可能已经过了 {days} 天，不能撤销", days=KEPT_DAYS)
    return dict(change)


def list_changes(
    db: Connection, table_id: str, *, row_id: int, before: int, limit: int
) -> list[tuple[int, str, int | None, Mapping[str, Any]]]:
    """(version, time, person, change) of the last changes of a table, or of one row; ``before`` a version."""
    of_row = "AND inverse LIKE :row" if row_id else ""
    rows = db.execute(
        f"""
        SELECT version, at, person_id, inverse
        FROM table_changes
        WHERE table_id = :table AND (version < :before OR :before = 0) {of_row}
        ORDER BY version DESC
        LIMIT :limit
        """,
        {"table": table_id, "row": f'%"{row_id}": {{%', "before": before, "limit": limit},
    ).fetchall()
    return [(version, at, person_id, object_of(change)) for version, at, person_id, change in rows]


def note_pictures(
    db: Connection,
    person_id: int | None,
    *,
    picks: Mapping[int, tuple[str, str]] | None = None,
    run: Collection[int] = (),
) -> None:
    """Note in the tables that show these pictures who chose them, or ordered them; inside a transaction.

    Not of the person at the machine, who has no history to read.
    """
    if person_id is None:
        return
    for table_id, rows in rows_showing(db, picks or run).items():
        ids = {record_id for shown in rows.values() for record_id in shown}
        of = {"run": sorted(ids)} if run else {"picks": {each: (picks or {})[each] for each in sorted(ids)}}
        save_change(db, table_id, next_version(db), {"rows": {row: {} for row in rows}, **of}, person_id)


def rows_showing(db: Connection, record_ids: Collection[int]) -> dict[str, dict[int, list[int]]]:
    """The rows that these pictures are linked to: table id -> row id -> record ids."""
    rows = db.execute(
        f"""
        SELECT table_id, row_id, record_id
        FROM row_pictures
        JOIN table_rows ON table_rows.id = row_pictures.row_id
        WHERE record_id {IN_IDS} AND removed_at IS NULL
        ORDER BY row_id, record_id
        """,
        {"ids": SqlList(record_ids)},
    ).fetchall()
    found: dict[str, dict[int, list[int]]] = defaultdict(dict)
    for table_id, row_id, record_id in rows:
        found[table_id].setdefault(row_id, []).append(record_id)
    return found


def records_of_row(db: Connection, row_id: int) -> set[int]:
    """The pictures that are linked to a row."""
    rows = db.execute("SELECT record_id FROM row_pictures WHERE row_id = :id", {"id": row_id}).fetchall()
    return {row["record_id"] for row in rows}


def pick_records(
    db: Connection, chosen: Selection, pick: Pick | None, person_id: int | None = None
) -> dict[str, list[int]]:
    """Set the choice of ended records by this person, or clear it; deletes nothing.

    -> the ids of those that changed, by their choice before: ``keep``, ``reject`` and ``none``.
    """
    before: dict[str, list[int]] = {Pick.KEEP: [], Pick.REJECT: [], NOT_PICKED: []}
    condition = f"id {IN_IDS} AND pick <> :pick AND status NOT IN ('held', 'queued', 'running')"
    fields: dict[str, object] = {"pick": pick or "", "person": person_id}
    for portion in portions(selected_ids(db, chosen), CHANGED_AT_ONCE):
        fields["ids"] = SqlList(portion)
        with transaction(db):
            found = db.execute(
                f"SELECT id, pick FROM generation_records WHERE {condition}", fields
            ).fetchall()
            for row in found:
                before[row["pick"] or NOT_PICKED].append(row["id"])
            update_records(db, _SET_PICK, condition, fields)
            note_pictures(db, person_id, picks={row["id"]: (row["pick"], pick or "") for row in found})
    return before


def picks_of(db: Connection, record_ids: Iterable[int]) -> dict[int, str]:
    """The choices of those of these records that have ended."""
    rows = db.execute(
        f"""
        SELECT id, pick
        FROM generation_records
        WHERE id {IN_IDS} AND status NOT IN ('held', 'queued', 'running')
        """,
        {"ids": SqlList(record_ids)},
    )
    return {row["id"]: row["pick"] for row in rows.fetchall()}


def set_picks(db: Connection, picks: Mapping[int, str], person_id: int | None) -> dict[int, tuple[str, str]]:
    """Set the choices of ended records by this person -> those that changed: (before, now); inside a
    transaction."""
    before = picks_of(db, picks) if picks else {}
    changed = {
        record_id: (old, picks[record_id]) for record_id, old in before.items() if old != picks[record_id]
    }
    for pick in {now for _, now in changed.values()}:
        ids = [record_id for record_id, (_, now) in changed.items() if now == pick]
        fields = {"pick": pick, "person": person_id}
        update_records(db, _SET_PICK, f"id {IN_IDS}", {**fields, "ids": SqlList(ids)})
    return changed
