"""The record queue: claim a record under a lease, requeue, finish or fail it.

A lease has an owner and expires, so a crashed worker's records can be claimed again, also when several
processes share the file. ``attempts`` is the fencing token: only the latest claim can finish a record.
"""

from collections.abc import Sequence

from app.core.money.ledger import close_free_charges
from app.core.records.rows import RECORD, to_record, touch
from app.domain import Record
from app.engine.connection import Connection, transaction
from app.engine.values import IN_IDS, SqlList, utc_now

MAX_CRASHES = 5
# A lease or retry delay that ends later than these limits allow was set before the clock was set back; it
# counts as expired.
MAX_LEASE_SECONDS = 60.0
MAX_DELAY_SECONDS = 120.0

# Submitted, possibly charged, outcome unknown: never claimed again automatically.
AMBIGUOUS = """
    task_id IS NULL AND EXISTS (
        SELECT 1
        FROM charges
        WHERE charges.record_id = generation_records.id AND charges.outcome = 'open' AND charges.is_free = 0)
"""

# The second condition lets SQLite use the partial index of open records.
_RUNNING = "status = 'running' AND status IN ('held', 'queued', 'running')"
STALLED = f"{_RUNNING} AND (lease_until < :now OR lease_until > :now + {MAX_LEASE_SECONDS})"
READY = f"(not_before <= :now OR not_before > :now + {MAX_DELAY_SECONDS})"

# Expired leases that must not be claimed again: submitted with unknown outcome, or crashed MAX_CRASHES times;
# or not submitted (or free) and the batch is no longer active.
UNRECLAIMABLE = f"crash_count >= {MAX_CRASHES} OR {AMBIGUOUS}"
ORPHANED = """
    task_id IS NULL AND EXISTS (
        SELECT 1 FROM batches WHERE batches.id = generation_records.batch_id AND batches.state <> 'active')
"""

# In this order: an expired lease; a submitted record to fetch although its batch is cancelled, or paused
# without blocking fetches; the next queued record of the active batches. These share the model: the next is
# of the batch with the fewest under way, and among equals of the one that was claimed from, or changed,
# longest ago: with fewer slots than batches the oldest one would else be the next every time. Ordered by a
# model that is a range, the rows of a batch are read by records_claimable; by the id alone PostgreSQL would
# read all earlier records by the primary key.
# The batches are ordered without locks and tried one after the other, so that one row is locked, and a claim
# finds a row although others hold all those of the first batch.
_LOCK = "/* FOR UPDATE OF generation_records SKIP LOCKED */"
_NEXT_CLAIMABLE_ID = f"""
    coalesce(
        (
            SELECT id
            FROM generation_records
            WHERE {STALLED} AND model = :model AND NOT ({UNRECLAIMABLE}) AND NOT ({ORPHANED})
              AND id NOT {IN_IDS}
            LIMIT 1 {_LOCK}
        ),
        (
            SELECT generation_records.id
            FROM generation_records
            JOIN batches ON batches.id = generation_records.batch_id
            WHERE generation_records.status = 'queued'
              AND generation_records.task_id IS NOT NULL
              AND generation_records.model = :model
              AND {READY}
              AND (batches.state = 'cancelled'
                   OR (batches.state = 'paused' AND generation_records.fetch_while_paused = 1))
            LIMIT 1 {_LOCK}
        ),
        (
            SELECT next_id
            FROM (
                SELECT (
                    SELECT generation_records.id
                    FROM generation_records
                    WHERE batch_id = following.id AND status = 'queued' AND {READY}
                      AND model BETWEEN :model AND :model
                    ORDER BY model, generation_records.id
                    LIMIT 1 {_LOCK}
                ) AS next_id
                FROM (
                    SELECT id, priority, version, (
                        SELECT count(*)
                        FROM generation_records
                        WHERE batch_id = batches.id AND status = 'running' AND model = :model
                    ) AS under_way
                    FROM batches
                    WHERE state = 'active'
                    ORDER BY priority DESC, under_way, version
                ) AS following
            ) AS candidates
            WHERE next_id IS NOT NULL
            LIMIT 1
        )
    )
"""


def claim_record(
    db: Connection,
    *,
    model: str,
    owner: str,
    now: float,
    lease: float,
    claimed_ids: Sequence[int] = (),
) -> Record | None:
    """Claim the next record of this image model, or None. ``now`` is Unix time, ``lease`` seconds.

    ``claimed_ids`` are the owner's own records: their leases may expire while the machine is suspended.
    Claims run beside each other: each locks the row that it takes, and what others have locked it leaves out.
    Locking a row looks again at its newest state, but not at its charges, in which a worker that was only
    suspended may have opened one meanwhile. It holds the row for that (``still_owned``), so the second
    statement, which begins when this claim holds it, sees that charge, and leaves the record alone.
    """
    # Nothing is submitted yet; open_charge commits durably.
    with transaction(db, durable=False, shared=True):
        fields = {"model": model, "now": now, "ids": SqlList(claimed_ids)}
        chosen = db.execute(f"SELECT {_NEXT_CLAIMABLE_ID} AS id", fields).fetchone()["id"]
        rows = db.execute(
            f"""
            UPDATE generation_records
            SET status = 'running', attempts = attempts + 1, started_at = :started_at,
                crash_count = crash_count + CASE status WHEN 'running' THEN 1 ELSE 0 END,
                lease_owner = :owner, lease_until = :lease_until
            WHERE id = :id AND (status = 'queued' OR NOT ({AMBIGUOUS}))
            RETURNING {RECORD}
            """,
            {"id": chosen, "owner": owner, "lease_until": now + lease, "started_at": utc_now()},
        ).fetchall()
        if not rows:
            return None
        close_free_charges(db, chosen)
        touch(db, [chosen])
    return to_record(rows[0])


def has_claimable(
    db: Connection,
    *,
    model: str,
    now: float,
    claimed_ids: Sequence[int] = (),
) -> bool:
    """Whether ``claim_record`` would return a record; read-only."""
    fields = {"model": model, "now": now, "ids": SqlList(claimed_ids)}
    row = db.execute(f"SELECT {_NEXT_CLAIMABLE_ID.replace(_LOCK, '')} AS id", fields).fetchone()
    return row["id"] is not None


def extend_leases(db: Connection, ids: Sequence[int], *, owner: str, until: float) -> None:
    """Extend this owner's leases of these records; ``until`` is Unix time.

    Beside other workers: it waits for a row that one of them claims, and leaves it to the new owner.
    """
    if not ids:
        return
    with transaction(db, durable=False, shared=True):  # a power cut ends the owner too
        db.execute(
            f"""
            UPDATE generation_records
            SET lease_until = :until
            WHERE id {IN_IDS} AND lease_owner = :owner
            """,
            {"until": until, "owner": owner, "ids": SqlList(ids)},
        )
