"""Wrong passwords, shared by all processes that use the database. Times are Unix seconds.

What a power cut undoes is the delay after a guess.
"""

from typing import NamedTuple

from app.engine.connection import Connection, transaction

_MAX_DELAY = 60.0
_FORGET_SECONDS = 3600.0
_MAX_CLIENTS = 12_000


class Limit(NamedTuple):
    """Attempts that count together under a name. After ``most`` of them no more are taken until ``seconds``
    after the first; without ``seconds``, each has to wait 1, 2, 4 … 60 seconds after the one before."""

    client: str
    most: int = 0
    seconds: float = 0.0


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
