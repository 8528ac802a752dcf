"""Whose a picture is: the person's of its batch, or that of a user of an earlier app.

The file of an earlier app keeps its column ``user_id``, which counts for records without a batch here.
"""

from app.db.connection import Connection
from app.db.sessions import had_several_people


def list_names(db: Connection) -> dict[int, str]:
    """The names of all people by id, those who are switched off last."""
    rows = db.execute("SELECT id, name FROM people ORDER BY active DESC, id").fetchall()
    return {row["id"]: row["name"] for row in rows}


def shown_names(db: Connection) -> dict[int, str]:
    """The same where there are several people; else none is shown."""
    return list_names(db) if had_several_people(db) else {}


def find_earlier_user(db: Connection, person_id: int) -> str:
    """The id that the records of an earlier app have of this person; empty without any."""
    sql = "SELECT legacy_user_id FROM people WHERE id = :id AND legacy_user_id <> ''"
    found = db.execute(sql, {"id": person_id}).fetchone()
    if found is None:
        return ""
    record = db.execute("SELECT * FROM generation_records LIMIT 1").fetchone()
    return str(found["legacy_user_id"]) if record and "user_id" in record.keys() else ""  # noqa: SIM118


def find_person_of(db: Connection, record_id: int) -> str:
    """The name of the person whose picture this is; empty when it is not known."""
    record = db.execute(
        """
        SELECT generation_records.*, batches.id AS known_batch, batches.person_id AS batch_person
        FROM generation_records
        LEFT JOIN batches ON batches.id = generation_records.batch_id
        WHERE generation_records.id = :id
        """,
        {"id": record_id},
    ).fetchone()
    fields = dict(record) if record else {}
    user = None if fields.get("known_batch") else fields.get("user_id")
    found = db.execute(
        "SELECT name FROM people WHERE id = :person OR legacy_user_id = :user",
        {"person": fields.get("batch_person"), "user": None if user is None else str(user)},
    ).fetchone()
    return str(found["name"]) if found else ""
