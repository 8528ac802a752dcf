"""Stored people, their passwords and invitations. Times are Unix seconds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import database
from app.domain import PauseCause
from app.domain.people import Person, PersonRole, fold_name, secret_digest
from app.errors import Conflict, InvalidRequest, NotFound, message
from app.people.rules import FIRST_ID, INVITATION_SECONDS, MAX_PEOPLE, new_secret

PERSON_COLUMNS = "people.id, people.name, people.role, people.month_limit_micros"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What is compared at a login. ``password`` is as stored, empty where the person has none of its own;
    only the first may then log in, with that of the server."""

    person: Person
    password: str
    password_version: int

    @property
    def can_log_in(self) -> bool:
        """Whether some password opens it."""
        return bool(self.password) or self.person.id == FIRST_ID


def list_people(db: database.Connection) -> list[dict[str, Any]]:
    """All, with ``seen_at``, and whether they have joined; those switched off come last."""
    rows = db.execute(
        """
        SELECT people.*, (SELECT max(seen_at) FROM sessions WHERE person_id = people.id) AS seen_at
        FROM people
        ORDER BY active DESC, id
        """
    ).fetchall()
    return [{**dict(row), "joined": row["password"] != "" or row["id"] == FIRST_ID} for row in rows]


def get_person(db: database.Connection, person_id: int) -> dict[str, Any]:
    """Raises NotFound."""
    found: dict[str, Any] = require_one([each for each in list_people(db) if each["id"] == person_id])
    return found


def add_person(
    db: database.Connection, name: str, role: PersonRole, limit: int | None, invitation: str, *, now: float
) -> int:
    """Store a person with an invitation -> id. Raises Conflict."""
    with database.transaction(db):
        if db.execute("SELECT count(*) AS number FROM people").fetchone()["number"] >= MAX_PEOPLE:
            raise Conflict("最多 {limit} 个人", limit=MAX_PEOPLE)
        _require_free(db, name, None)
        added = db.execute(
            """
            INSERT INTO people (name, folded_name, role, month_limit_micros)
            VALUES (:name, :folded, :role, :limit)
            RETURNING id
            """,
            {"name": name, "folded": fold_name(name), "role": role, "limit": limit},
        ).fetchone()["id"]
        _set_invitation(db, added, invitation, now)
    return int(added)


def change_person(
    db: database.Connection, person_id: int, values: Mapping[str, Any], *, pauses: bool = True
) -> None:
    """Set columns of a person; one who is switched off has no login, token or invitation any more.

    Their runs pause, or go on within their limit without ``pauses``.
    Raises NotFound, and Conflict where no owner would be left who can log in.
    """
    with database.transaction(db):
        require_one(db.execute("SELECT id FROM people WHERE id = :id", {"id": person_id}).fetchall())
        if name := values.get("name"):
            _require_free(db, name, person_id)
            values = {**values, "folded_name": fold_name(name)}
        if values:
            columns = ", ".join(f"{column} = :{column}" for column in values)
            db.execute(f"UPDATE people SET {columns} WHERE id = :id", {**values, "id": person_id})
        if values.get("active") == 0:
            for table in ("sessions", "tokens"):
                db.execute(f"DELETE FROM {table} WHERE person_id = :id", {"id": person_id})
            db.execute(
                "UPDATE people SET invitation_digest = NULL, invitation_ends_at = NULL WHERE id = :id",
                {"id": person_id},
            )
            if pauses:
                _pause_runs(db, person_id)
        left = db.execute(
            """
            SELECT count(*) AS number
            FROM people
            WHERE role = 'owner' AND active = 1 AND (password <> '' OR id = :first)
            """,
            {"first": FIRST_ID},
        ).fetchone()["number"]
        if left == 0:
            raise Conflict("最后一个能登录的主人不能停用，也不能改成别的身份；请先让另一个人成为主人")


def _pause_runs(db: database.Connection, person_id: int) -> None:
    fields = {"id": person_id}
    name = db.execute("SELECT name FROM people WHERE id = :id", fields).fetchone()["name"]
    active = f"""
        SELECT DISTINCT batches.id
        FROM generation_records
        JOIN batches ON batches.id = batch_id
        WHERE generation_records.status IN ('queued', 'running') AND task_id IS NULL
            AND state = 'active' AND {database.PAYER} = :id
    """
    for row in db.execute(active, fields).fetchall():
        reason = message("{name} 已停用；谁按「继续」，接着做的就算谁的", name=name)
        database.pause_in_transaction(db, row["id"], reason, cause=PauseCause.OTHER)


def invite(db: database.Connection, person_id: int, digest: str, *, now: float) -> None:
    """Give a person a new invitation, in place of an earlier one. Raises NotFound, Conflict."""
    with database.transaction(db):
        sql = "SELECT active FROM people WHERE id = :id"
        if not require_one(db.execute(sql, {"id": person_id}).fetchall())["active"]:
            raise Conflict("这个人已停用，请先启用，再发邀请")
        _set_invitation(db, person_id, digest, now)


def _set_invitation(db: database.Connection, person_id: int, digest: str, now: float) -> None:
    db.execute(
        "UPDATE people SET invitation_digest = :digest, invitation_ends_at = :ends_at WHERE id = :id",
        {"digest": digest, "ends_at": now + INVITATION_SECONDS, "id": person_id},
    )


def find_invited(db: database.Connection, digest: str, *, now: float) -> dict[str, Any] | None:
    """The person whom this invitation is for, if it can be used."""
    row = db.execute(
        """
        SELECT id, name
        FROM people
        WHERE invitation_digest = :digest AND invitation_ends_at > :now AND active = 1
        """,
        {"digest": digest, "now": now},
    ).fetchone()
    return dict(row) if row else None


def accept(db: database.Connection, digest: str, name: str, password: str, *, now: float) -> Account | None:
    """Use an invitation up: the person has this name and password from now on, and no earlier login.

    None when it cannot be used, as when somebody else was faster. Raises Conflict for a name that is taken.
    """
    with database.transaction(db):
        invited = find_invited(db, digest, now=now)
        if invited is None:
            return None
        _require_free(db, name, invited["id"])
        changed = db.execute(
            """
            UPDATE people
            SET name = :name, folded_name = :folded, invitation_digest = NULL, invitation_ends_at = NULL
            WHERE id = :id AND invitation_digest = :digest
            """,
            {"id": invited["id"], "digest": digest, "name": name, "folded": fold_name(name)},
        )
        if changed.rowcount == 0:
            return None
        _set_password(db, invited["id"], password, kept="")
    return find_account(db, fold_name(name))


def set_password(db: database.Connection, person_id: int, password: str, *, kept: str) -> None:
    """Give a person a password; logins but the ``kept`` one end."""
    with database.transaction(db):
        _set_password(db, person_id, password, kept)


def _set_password(db: database.Connection, person_id: int, password: str, kept: str) -> None:
    db.execute(
        "UPDATE people SET password = :password, password_version = password_version + 1 WHERE id = :id",
        {"password": password, "id": person_id},
    )
    sql = "DELETE FROM sessions WHERE person_id = :id AND digest <> :kept"
    db.execute(sql, {"id": person_id, "kept": kept})


def find_account(db: database.Connection, folded_name: str) -> Account | None:
    """The person of this name who is not switched off; without a name the first of them."""
    row = db.execute(
        f"""
        SELECT {PERSON_COLUMNS}, people.password, people.password_version
        FROM people
        WHERE active = 1 AND (folded_name = :name OR :name = '')
        ORDER BY id
        LIMIT 1
        """,
        {"name": folded_name},
    ).fetchone()
    if row is None:
        return None
    return Account(person=to_person(row), password=row["password"], password_version=row["password_version"])


def count_accounts(db: database.Connection) -> int:
    """How many people can log in: who was invited and has not joined cannot."""
    sql = "SELECT count(*) AS number FROM people WHERE active = 1 AND (password <> '' OR id = :first)"
    return int(db.execute(sql, {"first": FIRST_ID}).fetchone()["number"])


def to_person(row: Mapping[str, Any] | Any) -> Person:
    """A row of ``people`` as who makes a request."""
    limit = row["month_limit_micros"]
    role = PersonRole(row["role"]) if row["role"] in [*PersonRole] else PersonRole.VIEWER
    return Person(id=row["id"], name=row["name"], role=role, month_limit_micros=limit)


def rescue_owner(db: database.Connection, name: str, *, now: float) -> tuple[str, str]:
    """Make the person of this name, or the first owner, an owner who is invited.

    Returns the name, and what the link ends in. Raises NotFound.
    """
    secret = new_secret()
    with database.transaction(db):
        found = db.execute(
            """
            SELECT id, name
            FROM people
            WHERE folded_name = :name OR (:name = '' AND (role = 'owner' OR id = :first))
            ORDER BY active DESC, id
            LIMIT 1
            """,
            {"name": fold_name(name), "first": FIRST_ID},
        ).fetchone()
        person = require_one([found] if found else [])
        db.execute("UPDATE people SET role = 'owner', active = 1 WHERE id = :id", {"id": person["id"]})
        _set_invitation(db, person["id"], secret_digest(secret), now)
    return person["name"], secret


def _require_free(db: database.Connection, name: str, person_id: int | None) -> None:
    sql = "SELECT id FROM people WHERE folded_name = :folded"
    taken = db.execute(sql, {"folded": fold_name(name)}).fetchone()
    if taken and taken["id"] != person_id:
        raise InvalidRequest("name", "已经有人叫「{name}」，请换一个名字", name=name)


def require_one(found: list[Any]) -> Any:
    """The first. Raises NotFound."""
    if not found:
        raise NotFound("没有这个人")
    return found[0]
