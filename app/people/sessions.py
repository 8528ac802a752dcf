"""Stored logins and tokens, shared by all processes that use the database. Times are Unix seconds.

What a power cut undoes is a login.
"""

from dataclasses import dataclass
from typing import Any

import database
from app.domain.people import Person
from app.errors import Conflict, NotFound
from app.people.rules import MAX_TOKENS
from app.people.sql import PERSON_COLUMNS, Account, require_one, to_person

_SEEN = {"sessions": "seen_at", "tokens": "last_used_at"}
_ID = "substr(digest, 1, 16)"  # of a login, in answers; it opens nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A login or a token that is valid: whose, and when it was seen last."""

    person: Person
    seen_at: float


def add_session(
    db: database.Connection,
    digest: str,
    account: Account,
    *,
    now: float,
    expires_at: float,
    address: str,
    agent: str,
) -> bool:
    """Store a login, and delete those that have expired -> whether it counts.

    It does not when the person was switched off, or has another password, since the account was read.
    """
    with database.transaction(db, durable=False):
        db.execute("DELETE FROM sessions WHERE expires_at <= :now", {"now": now})
        added = db.execute(
            """
            INSERT INTO sessions (digest, expires_at, person_id, created_at, seen_at, address, agent)
            SELECT :digest, :expires_at, id, :now, :now, :address, :agent
            FROM people
            WHERE id = :id AND active = 1 AND password_version = :version
            """,
            {
                "digest": digest,
                "expires_at": expires_at,
                "now": now,
                "address": address,
                "agent": agent,
                "id": account.person.id,
                "version": account.password_version,
            },
        )
    return added.rowcount == 1


def find_pass(db: database.Connection, table: str, digest: str, *, now: float) -> Pass | None:
    """The login (of ``sessions``) or token (of ``tokens``) with this digest, if it has not expired and its
    person is not switched off."""
    row = db.execute(
        f"""
        SELECT {PERSON_COLUMNS}, coalesce({table}.{_SEEN[table]}, 0) AS seen_at
        FROM {table}
        JOIN people ON people.id = {table}.person_id
        WHERE {table}.digest = :digest
            AND ({table}.expires_at IS NULL OR {table}.expires_at > :now)
            AND people.active = 1
        """,
        {"digest": digest, "now": now},
    ).fetchone()
    return row and Pass(person=to_person(row), seen_at=row["seen_at"])


def note_use(db: database.Connection, digest: str, *, now: float) -> None:
    """Note that a login or a token is in use."""
    with database.transaction(db, durable=False, wait=0.1):
        for table, seen in _SEEN.items():
            sql = f"UPDATE {table} SET {seen} = :now WHERE digest = :digest"
            db.execute(sql, {"now": now, "digest": digest})


def delete_session(db: database.Connection, digest: str) -> None:
    """End a login."""
    with database.transaction(db, durable=False):
        db.execute("DELETE FROM sessions WHERE digest = :digest", {"digest": digest})


def list_sessions(db: database.Connection, person_id: int, *, now: float) -> list[dict[str, Any]]:
    """The logins of a person, the last one first."""
    rows = db.execute(
        f"""
        SELECT {_ID} AS id, digest, created_at, seen_at, address, agent
        FROM sessions
        WHERE person_id = :id AND expires_at > :now
        ORDER BY seen_at DESC, digest
        """,
        {"id": person_id, "now": now},
    ).fetchall()
    return [dict(row) for row in rows]


def end_session(db: database.Connection, person_id: int, session_id: str) -> None:
    """End a login of a person. Raises NotFound."""
    sql = f"DELETE FROM sessions WHERE person_id = :id AND {_ID} = :session"
    with database.transaction(db, durable=False):
        if db.execute(sql, {"id": person_id, "session": session_id}).rowcount == 0:
            raise NotFound("没有这个登录，它可能已经结束")


def list_tokens(db: database.Connection, person_id: int) -> list[dict[str, Any]]:
    """The tokens of a person, the newest first."""
    rows = db.execute(
        """
        SELECT id, name, created_at, expires_at, last_used_at
        FROM tokens
        WHERE person_id = :id
        ORDER BY id DESC
        """,
        {"id": person_id},
    ).fetchall()
    return [dict(row) for row in rows]


def add_token(
    db: database.Connection, person_id: int, name: str, digest: str, ends_at: float | None, *, now: float
) -> int:
    """Store a token of a person who is not switched off -> id. Raises Conflict."""
    with database.transaction(db):
        if len(list_tokens(db, person_id)) >= MAX_TOKENS:
            raise Conflict("最多 {limit} 个令牌，请先删掉几个", limit=MAX_TOKENS)
        added = db.execute(
            """
            INSERT INTO tokens (person_id, name, digest, created_at, expires_at)
            SELECT id, :name, :digest, :now, :ends_at
            FROM people
            WHERE id = :id AND active = 1
            RETURNING id
            """,
            {"id": person_id, "name": name, "digest": digest, "now": now, "ends_at": ends_at},
        ).fetchone()
    return int(require_one([added] if added else [])["id"])


def delete_token(db: database.Connection, person_id: int, token_id: int) -> None:
    """Raises NotFound."""
    sql = "DELETE FROM tokens WHERE id = :token AND person_id = :id"
    with database.transaction(db):
        if db.execute(sql, {"token": token_id, "id": person_id}).rowcount == 0:
            raise NotFound("没有这个令牌，它可能已被删除")
