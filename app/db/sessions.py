"""Logins, tokens and wrong passwords, shared by all processes that use the database.

Times are Unix seconds. What a power cut undoes is a login, or the delay after a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.db.connection import Connection, transaction
from app.domain.people import FIRST_ID, Person, role_of

_MAX_DELAY = 60.0
_FORGET_SECONDS = 3600.0
_MAX_CLIENTS = 4096
_PERSON = "people.id, people.name, people.role, people.month_limit_micros"


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """A login or a token that is valid: whose, and when it was seen last."""

    person: Person
    seen_at: float


def find_account(db: Connection, folded_name: str) -> Account | None:
    """The person of this name who is not switched off; without a name the first of them."""
    row = db.execute(
        f"""
        SELECT {_PERSON}, people.password, people.password_version
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


def count_people(db: Connection) -> int:
    """How many people are not switched off."""
    return int(db.execute("SELECT count(*) AS number FROM people WHERE active = 1").fetchone()["number"])


def had_several_people(db: Connection) -> bool:
    """Whether somebody besides the first person can log in, or could before being switched off."""
    sql = "SELECT count(*) AS number FROM people WHERE active = 1 OR password <> ''"
    return bool(db.execute(sql).fetchone()["number"] > 1)


def to_person(row: Mapping[str, Any] | Any) -> Person:
    """A row of ``people`` as who makes a request."""
    limit = row["month_limit_micros"]
    return Person(id=row["id"], name=row["name"], role=role_of(row["role"]), month_limit_micros=limit)


def add_session(
    db: Connection, digest: str, account: Account, *, now: float, expires_at: float, address: str, agent: str
) -> bool:
    """Store a login, and delete those that have expired -> whether it counts.

    It does not when the person was switched off, or has another password, since the account was read.
    """
    with transaction(db, durable=False):
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


def find_session(db: Connection, digest: str, *, now: float) -> Pass | None:
    """The login with this digest, if it has not expired and its person is not switched off."""
    return _find_pass(db, "sessions", "seen_at", digest, now)


def find_token(db: Connection, digest: str, *, now: float) -> Pass | None:
    """The same of a token."""
    return _find_pass(db, "tokens", "last_used_at", digest, now)


def _find_pass(db: Connection, table: str, seen: str, digest: str, now: float) -> Pass | None:
    row = db.execute(
        f"""
        SELECT {_PERSON}, coalesce({table}.{seen}, 0) AS seen_at
        FROM {table}
        JOIN people ON people.id = {table}.person_id
        WHERE {table}.digest = :digest
            AND ({table}.expires_at IS NULL OR {table}.expires_at > :now)
            AND people.active = 1
        """,
        {"digest": digest, "now": now},
    ).fetchone()
    return row and Pass(person=to_person(row), seen_at=row["seen_at"])


def note_use(db: Connection, digest: str, *, now: float) -> None:
    """Note that a login or a token is in use."""
    with transaction(db, durable=False, wait=0.1):
        for table, seen in (("sessions", "seen_at"), ("tokens", "last_used_at")):
            sql = f"UPDATE {table} SET {seen} = :now WHERE digest = :digest"
            db.execute(sql, {"now": now, "digest": digest})


def delete_session(db: Connection, digest: str) -> None:
    """End a login."""
    with transaction(db, durable=False):
        db.execute("DELETE FROM sessions WHERE digest = :digest", {"digest": digest})


def seconds_to_wait(db: Connection, client: str, *, now: float) -> float:
    """How long this client has to wait after wrong passwords; 0.0 when it has not."""
    return _attempts(db, client, now)[0]


def start_attempt(db: Connection, client: str, *, now: float) -> float:
    """Count a password as wrong before it is compared -> 0.0, or seconds to wait, with nothing counted.

    The next one has to wait 1, 2, 4 … 60 seconds; an hour after that nothing is remembered. Counted before,
    so that several processes do not compare passwords of one client at once.
    """
    with transaction(db, durable=False):
        wait, failures = _attempts(db, client, now)
        if wait > 0:
            return wait
        db.execute(
            """
            INSERT INTO login_attempts (client, failures, next_at)
            VALUES (:client, :failures, :next_at)
            ON CONFLICT (client) DO UPDATE SET failures = excluded.failures, next_at = excluded.next_at
            """,
            {
                "client": client,
                "failures": failures + 1,
                "next_at": now + min(2.0 ** min(failures, 10), _MAX_DELAY),
            },
        )
        db.execute("DELETE FROM login_attempts WHERE next_at <= :since", {"since": now - _FORGET_SECONDS})
        number = db.execute("SELECT count(*) AS number FROM login_attempts").fetchone()["number"]
        db.execute(
            """
            DELETE FROM login_attempts
            WHERE client IN (
                SELECT client FROM login_attempts WHERE client <> :client ORDER BY next_at LIMIT :spare)
            """,
            {"client": client, "spare": max(0, number - _MAX_CLIENTS)},
        )
    return 0.0


def forget_attempts(db: Connection, client: str) -> None:
    """Forget the wrong passwords of a client that knows the right one."""
    with transaction(db, durable=False):
        db.execute("DELETE FROM login_attempts WHERE client = :client", {"client": client})


def _attempts(db: Connection, client: str, now: float) -> tuple[float, int]:
    """(seconds to wait, wrong passwords so far)."""
    row = db.execute(
        "SELECT failures, next_at FROM login_attempts WHERE client = :client", {"client": client}
    ).fetchone()
    if row is None or row["next_at"] <= now - _FORGET_SECONDS:
        return 0.0, 0
    wait = row["next_at"] - now
    return (0.0 if wait > _MAX_DELAY else wait), row["failures"]  # longer: the clock was set back
