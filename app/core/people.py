"""Whose a picture is and who pays for it, the names of people, and the settings that they changed.

Who pays is who ordered its batch, until another retries, releases, resumes or adds it. The file of an earlier
app keeps its column ``user_id``, which counts for records without a batch here.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime

from app.core.log import add_log
from app.core.records.rows import PAYER
from app.domain.times import utc_text
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList
from app.errors import Conflict, Message, message

_CHANGES_KEPT = 100


def find_payer(db: Connection, record_id: int) -> int | None:
    """The id of the person who pays for a record."""
    sql = f"SELECT {PAYER} AS person_id FROM generation_records WHERE id = :id"
    found: int | None = db.execute(sql, {"id": record_id}).fetchone()["person_id"]
    return found


def set_payer(
    db: Connection, person_id: int | None, *, ids: Iterable[int] = (), waiting_of: str = ""
) -> None:
    """This person pays for what these records still buy, or for all that waits in a batch.

    None: the one at the machine. Inside a transaction. Where there are several people the logs say so.
    Raises Conflict when the person was switched off meanwhile.
    """
    name = name_of_buyer(db, person_id)
    which = "batch_id = :batch_id AND status = 'queued' AND task_id IS NULL" if waiting_of else f"id {IN_IDS}"
    fields = {"ids": SqlList(ids), "batch_id": waiting_of, "person": person_id or 0}
    sql = f"""
        UPDATE generation_records
        SET person_id = :person
        WHERE {which} AND coalesce({PAYER}, 0) <> :person
        RETURNING batch_id
    """
    rows = db.execute(sql, fields).fetchall()
    for batch_id, number in sorted(Counter(row["batch_id"] for row in rows).items()):
        if name:
            add_log(db, batch_id, "info", message("{n} 张的花费算在{name}名下", n=number, name=name))


def name_of_buyer(db: Connection, person_id: int | None) -> str:
    """Who orders, for a log; empty where no names are shown. Raises Conflict for who was switched off."""
    found = db.execute("SELECT name, active FROM people WHERE id = :id", {"id": person_id}).fetchone()
    if found and not found["active"]:
        raise Conflict("您的账号已停用，没有下单")
    return str(found["name"]) if found and had_several_people(db) else ""


def had_several_people(db: Connection) -> bool:
    """Whether there is another than the first person: active, once active, or a user of an earlier app."""
    sql = "SELECT count(*) AS number FROM people WHERE active = 1 OR password <> '' OR legacy_user_id <> ''"
    return bool(db.execute(sql).fetchone()["number"] > 1)


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
        f"""
        SELECT generation_records.*, batches.id AS known_batch, {PAYER} AS payer
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
        {"person": fields.get("payer"), "user": None if user is None else str(user)},
    ).fetchone()
    return str(found["name"]) if found else ""


def find_picker(db: Connection, record_id: int) -> str:
    """The name of who chose this picture last; empty when nobody did, or a client."""
    sql = "SELECT pick_person_id FROM generation_records WHERE id = :id AND pick <> ''"
    chosen = db.execute(sql, {"id": record_id}).fetchone()
    return list_names(db).get(chosen["pick_person_id"], "") if chosen else ""


def add_setting_change(db: Connection, what: Message, person_id: int | None) -> None:
    """Store a change by this person; of earlier ones the last are kept."""
    fields = {"at": utc_text(datetime.now(UTC)), "person": person_id, "what": what.to_json()}
    insert = "INSERT INTO setting_changes (at, person_id, what) VALUES (:at, :person, :what) RETURNING id"
    with transaction(db, durable=False):
        last = db.execute(insert, fields).fetchall()[0]["id"] - _CHANGES_KEPT
        db.execute("DELETE FROM setting_changes WHERE id <= :last", {"last": last})


def list_setting_changes(db: Connection, *, limit: int = 20) -> list[tuple[str, str, Message]]:
    """(time, name of the person or empty, what) of the last changes, the newest first; none where there is
    one person."""
    names = shown_names(db)
    rows = db.execute("SELECT * FROM setting_changes ORDER BY id DESC LIMIT :limit", {"limit": limit})
    found = [(row["at"], names.get(row["person_id"], ""), Message.from_json(row["what"])) for row in rows]
    return found if names else []
