"""Leases are extended, and expired ones ended, of the records that they concern only."""

import database
from app.domain import BatchStatus, Status
from tests.core.queue.queue import CAT, NOW, PRICE, SAVED, add, charged, claim, claimed, outcomes, submitted


def test_only_the_listed_leases_are_extended(db: database.Connection) -> None:
    add(db, CAT, CAT)
    first, second = claimed(db), claimed(db)
    database.extend_leases(db, [first.id], owner="me", until=NOW + 40)
    assert claimed(db, NOW + 25).id == second.id
    assert claim(db, NOW + 25) is None


def test_the_lease_of_an_ended_record_is_not_extended(db: database.Connection) -> None:
    add(db, CAT, CAT)
    done, waits = claimed(db), claimed(db)
    database.finish_record(db, done, SAVED)
    database.requeue_record(db, waits, not_before=0)
    database.extend_leases(db, [done.id, waits.id], owner="me", until=NOW + 40)
    rows = db.execute("SELECT DISTINCT lease_until FROM generation_records").fetchall()
    assert [row["lease_until"] for row in rows] == [None]


def test_only_expired_claims_that_nothing_may_repeat_are_reaped(db: database.Connection) -> None:
    """Of these six only the first, which was sent, and the second, whose batch is paused."""
    _, (sent,) = add(db)
    charged(db)
    paused, (waiting,) = add(db)
    claimed(db)
    database.pause_batch(db, paused)
    add(db, CAT, CAT, CAT)
    submitted(db)
    charged(db, price=PRICE * 0, is_free=True)
    claimed(db)
    assert database.reap_stalled(db, now=NOW + 10) == 0
    assert database.list_reapable(db, now=NOW + 10) == []
    assert {record.id for record in database.list_reapable(db, now=NOW + 60)} == {sent, waiting}
    assert database.reap_stalled(db, now=NOW + 60) == 2
    rows = db.execute("SELECT status FROM generation_records ORDER BY id").fetchall()
    assert [row["status"] for row in rows] == ["unknown", "queued", *["running"] * 3]
    assert outcomes(db) == ["unknown", "open", "open"]


def test_nothing_is_reaped_where_nothing_expired(db: database.Connection) -> None:
    batch_id, _ = add(db)
    charged(db)
    database.finish_record(db, database.get_record(db, 1), SAVED)
    database.cancel_batch(db, batch_id)
    assert database.reap_stalled(db, now=NOW + 60) == 0


def test_expired_claims_of_models_that_are_gone_wait_in_a_paused_batch(db: database.Connection) -> None:
    batch_id, ids = add(db, CAT, CAT, CAT)
    own, (mine,) = add(db)
    db.execute("UPDATE generation_records SET model = 'here' WHERE id = :id", {"id": mine})
    submitted(db)
    claimed(db)
    charged(db)
    database.claim_record(db, model="here", owner="me", now=NOW, lease=20.0)
    has_stalled = database.has_stalled_of_other_models
    assert not has_stalled(db, models=["here"], now=NOW + 10)
    assert not has_stalled(db, models=["here", "test-1"], now=NOW + 60)
    assert has_stalled(db, models=["here"], now=NOW + 60)
    assert database.pause_other_models(db, models=["here"], now=NOW + 60) == 1
    states = [database.get_record(db, each).status for each in (*ids, mine)]
    assert states == [Status.QUEUED, Status.QUEUED, Status.RUNNING, Status.RUNNING]
    assert database.get_record(db, ids[0]).task_id == "t-1"
    assert database.get_batch(db, batch_id).status is BatchStatus.PAUSED
    assert database.get_batch(db, own).status is BatchStatus.RUNNING
    assert not has_stalled(db, models=["here"], now=NOW + 60)


def test_only_active_batches_with_queued_records_of_a_model_that_is_gone_are_paused(
    db: database.Connection,
) -> None:
    done, _ = add(db)
    database.finish_record(db, claimed(db), SAVED)
    cancelled, _ = add(db)
    database.requeue_record(db, submitted(db), not_before=NOW + 60)
    database.cancel_batch(db, cancelled)
    under_way, _ = add(db, CAT, CAT)
    claimed(db)
    db.execute("UPDATE generation_records SET model = 'here' WHERE status = 'queued' AND task_id IS NULL")
    assert database.pause_other_models(db, models=["here"], now=NOW) == 0
    states = [database.get_batch(db, each).status for each in (done, cancelled, under_way)]
    assert BatchStatus.PAUSED not in states


def test_an_expired_claim_of_a_cancelled_batch_is_left_to_be_cancelled(db: database.Connection) -> None:
    batch_id, (record_id,) = add(db)
    claimed(db)
    database.cancel_batch(db, batch_id)
    database.pause_other_models(db, models=["here"], now=NOW + 60)
    assert database.get_record(db, record_id).status is Status.RUNNING
    database.reap_stalled(db, now=NOW + 60)
    assert database.get_record(db, record_id).status is Status.CANCELLED
