"""Who changed settings, budgets and people: the last changes, without values."""

from datetime import UTC, datetime

from app.core.records.whose import shown_names
from app.domain.times import utc_text
from app.engine.connection import Connection, transaction
from app.errors import Message

_KEPT = 100


def add_setting_change(db: Connection, what: Message, person_id: int | None) -> None:
    """Store a change by this person; of earlier ones the last are kept."""
    fields = {"at": utc_text(datetime.now(UTC)), "person": person_id, "what": what.to_json()}
    insert = "INSERT INTO setting_changes (at, person_id, what) VALUES (:at, :person, :what) RETURNING id"
    with transaction(db, durable=False):
        last = db.execute(insert, fields).fetchall()[0]["id"] - _KEPT
        db.execute("DELETE FROM setting_changes WHERE id <= :last", {"last": last})


def list_setting_changes(db: Connection, *, limit: int = 20) -> list[tuple[str, str, Message]]:
    """(time, name of the person or empty, what) of the last changes, the newest first; none where there is
    one person."""
    names = shown_names(db)
    rows = db.execute("SELECT * FROM setting_changes ORDER BY id DESC LIMIT :limit", {"limit": limit})
    found = [(row["at"], names.get(row["person_id"], ""), Message.from_json(row["what"])) for row in rows]
    return found if names else []
