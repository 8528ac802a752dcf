"""Logins and wrong passwords, shared by all processes that use the database.

Times are Unix seconds. What a power cut undoes is a login, or the delay after a guess.
"""

from app.db.connection import Connection, transaction

_MAX_DELAY = 60.0
_FORGET_SECONDS = 3600.0
_MAX_CLIENTS = 4096


def add_session(db: Connection, digest: str, *, now: float, expires_at: float) -> None:
    """Store a login, and delete those that have expired."""
    with transaction(db, durable=False):
        db.execute("DELETE FROM sessions WHERE expires_at <= :now", {"now": now})
        db.execute(
            "INSERT INTO sessions (digest, expires_at) VALUES (:digest, :expires_at)",
            {"digest": digest, "expires_at": expires_at},
        )


def has_session(db: Connection, digest: str, *, now: float) -> bool:
    """Whether there is such a login and it has not expired."""
    sql = "SELECT 1 FROM sessions WHERE digest = :digest AND expires_at > :now"
    return db.execute(sql, {"digest": digest, "now": now}).fetchone() is not None


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
