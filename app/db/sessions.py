"""Logins, tokens and wrong passwords, shared by all processes that use the database.

Times are Unix seconds. What a power cut undoes is a login, or the delay after a guess.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from app.db.connection import Connection, transaction
from app.domain.people import FIRST_ID, Person, role_of

_MAX_DELAY = 60.0
_FORGET_SECONDS = 3600.0
_MAX_CLIENTS = 12_000
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


class Limit(NamedTuple):
    """Attempts that count together under a name. After ``most`` of them no more are taken until ``seconds``
    after the first; without ``seconds``, each has to wait 1, 2, 4 … 60 seconds after the one before."""

    client: str
    most: int = 0
    seconds: float = 0.0


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


def count_accounts(db: Connection) -> int:
    """How many people can log in: who was invited and has not joined cannot."""
    sql = "SELECT count(*) AS number FROM people WHERE active = 1 AND (password <> '' OR id = :first)"
    return int(db.execute(sql, {"first": FIRST_ID}).fetchone()["number"])


def had_several_people(db: Connection) -> bool:
    """Whether there is another than the first person: active, once active, or a user of an earlier app."""
    sql = "SELECT count(*) AS number FROM people WHERE active = 1 OR password <> '' OR legacy_user_id <> ''"
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


def seconds_to_wait(db: Connection, *limits: Limit, now: float) -> float:
    """How long an attempt has to wait, of all these limits; 0.0 when it has not."""
    return max(_attempts(db, limit, now)[0] for limit in limits)


def start_attempt(db: Connection, *limits: Limit, now: float) -> float:
    """Count a password as wrong before it is compared -> 0.0, or seconds to wait, with nothing counted.

    An hour after its end nothing is remembered of a limit. Counted before, so that several processes do not
    compare more passwords than a limit takes.
    """
    with transaction(db, durable=False):
        counted = [_attempts(db, limit, now) for limit in limits]
        if (wait := max(each[0] for each in counted)) > 0:
            return wait
        db.executemany(
            """
            INSERT INTO login_attempts (client, failures, next_at)
            VALUES (:client, :failures, :next_at)
            ON CONFLICT (client) DO UPDATE SET failures = excluded.failures, next_at = excluded.next_at
            """,
            [
                {"client": limit.client, "failures": failures + 1, "next_at": next_at}
                for limit, (_, failures, next_at) in zip(limits, counted, strict=True)
            ],
        )
        db.execute("DELETE FROM login_attempts WHERE next_at <= :since", {"since": now - _FORGET_SECONDS})
        number = db.execute("SELECT count(*) AS number FROM login_attempts").fetchone()["number"]
        db.execute(
            """
            DELETE FROM login_attempts
            WHERE client IN (
                SELECT client FROM login_attempts WHERE client <> :client ORDER BY next_at LIMIT :spare)
            """,
            {"client": limits[0].client, "spare": max(0, number - _MAX_CLIENTS)},
        )
    return 0.0


def forget_attempts(db: Connection, *limits: Limit) -> None:
    """Forget the wrong passwords that count here, of one who knows the right one."""
    with transaction(db, durable=False):
        for limit in limits:
            db.execute("DELETE FROM login_attempts WHERE client = :client", {"client": limit.client})


def _attempts(db: Connection, limit: Limit, now: float) -> tuple[float, int, float]:
    """(seconds to wait, wrong passwords so far, ``next_at`` with one more)."""
    row = db.execute(
        "SELECT failures, next_at FROM login_attempts WHERE client = :client", {"client": limit.client}
    ).fetchone()
    failures, wait = (row["failures"], row["next_at"] - now) if row else (0, 0.0)
    if limit.seconds:
        if not 0 < wait <= limit.seconds:  # over; or longer: the clock was set back
            failures, wait = 0, limit.seconds
        return wait if failures >= limit.most else 0.0, failures, now + wait
    if wait <= -_FORGET_SECONDS:
        failures = 0
    delay = min(2.0 ** min(failures, 10), _MAX_DELAY)
    return wait if 0 < wait <= _MAX_DELAY else 0.0, failures, now + delay
