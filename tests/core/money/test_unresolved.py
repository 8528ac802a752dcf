"""Unresolved charges: which are counted, fetched, ordered again and resolved, and which stay as they are."""

from dataclasses import replace
from decimal import Decimal

import pytest

import database
from app.domain import Models, ModelSpec, Status
from app.errors import Conflict
from app.orders.place import Placed
from tests.core.queue.queue import (
    BILLED,
    CAT,
    KEY,
    LATE,
    LOST,
    PRICE,
    SAVED,
    add,
    charged,
    log,
    outcomes,
    statuses,
    submitted,
)
from tools import orders


def lose(db: database.Connection, task_id: str = "", price: Decimal | None = PRICE) -> int:
    """Submit the next record, whose outcome is unknown -> its id."""
    record = submitted(db, task_id) if task_id else charged(db, price=price)
    database.fail_record(db, record, LATE if task_id else LOST)
    return record.id


def test_what_can_be_fetched_and_what_must_be_ordered_again_are_counted_apart(
    db: database.Connection, spec: ModelSpec
) -> None:
    """Ended records, those of no batch and task ids of other models are only in the sum of all."""
    batch_id, ids = add(db, *[CAT] * 8)
    for task_id in ("t-1", "t-2", "", ""):
        lose(db, task_id)
    lose(db, price=None)
    database.fail_record(db, charged(db), BILLED)
    charged(db)
    db.execute("UPDATE generation_records SET status = 'unknown' WHERE id = :id", {"id": ids[7]})
    db.execute("UPDATE generation_records SET model = 'other' WHERE id = :id", {"id": ids[1]})
    db.execute("UPDATE generation_records SET batch_id = NULL WHERE id = :id", {"id": ids[3]})
    counts = database.count_unresolved(db, models=[spec.model_id])
    assert (counts.records, counts.at_stake) == (5, None)
    assert (counts.collectable, counts.orderable, counts.orderable_at_stake) == (1, 2, None)
    orders.retry(db, batch_id, [ids[2]], models=Models([spec]))
    database.finish_record(db, charged(db), replace(SAVED, filename="a.png"))
    database.resolve_charges(db, [ids[4]], billed=False)
    counts = database.count_unresolved(db, models=[spec.model_id, "other"])
    assert (counts.records, counts.at_stake) == (4, 4 * PRICE)
    assert (counts.collectable, counts.orderable, counts.orderable_at_stake) == (2, 0, Decimal(0))


def test_a_listed_charge_says_whether_its_batch_is_paused(db: database.Connection) -> None:
    paused, (first,) = add(db)
    other, _ = add(db)
    lose(db)
    lose(db)
    database.pause_batch(db, paused)
    db.execute("UPDATE batches SET state = 'paused' WHERE id = :id", {"id": paused})
    db.execute("UPDATE batches SET name = '春' WHERE id = :id", {"id": paused})
    found = database.list_unresolved(db, limit=9)
    assert [(each.batch_paused, each.batch_name) for each in found] == [(False, ""), (True, "春")]
    assert [each.record.batch_id for each in found if each.record] == [other, paused]
    database.resolve_charges(db, [first], billed=True)
    assert first not in {each.record_id for each in database.list_unresolved(db, limit=9)}
    assert len(database.list_unresolved(db, limit=1)) == 1


def test_only_the_listed_records_are_fetched(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, CAT, CAT, CAT)
    for task_id in ("t-1", "t-2", ""):
        lose(db, task_id)
    assert orders.refetch(db, [ids[0], ids[0]], models=Models([spec])).number == 1
    assert statuses(db, ids) == [Status.QUEUED, Status.UNKNOWN, Status.UNKNOWN]
    with pytest.raises(Conflict, match="没有任务编号"):
        orders.refetch(db, [ids[1], ids[2]], models=Models([spec]))
    assert orders.refetch(db, None, models=Models([spec])).number == 1
    assert statuses(db, ids) == [Status.QUEUED, Status.QUEUED, Status.UNKNOWN]


def test_what_a_model_that_is_gone_made_is_not_fetched(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db)
    lose(db, "t-1")
    db.execute("UPDATE generation_records SET model = 'other'")
    assert orders.refetch(db, None, models=Models([spec])).number == 0
    with pytest.raises(Conflict, match="用不了"):
        orders.refetch(db, ids, models=Models([spec]))


def test_fetching_all_takes_only_what_is_unresolved(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, CAT, CAT)
    for task_id in ("t-1", "t-2"):
        lose(db, task_id)
    db.execute("UPDATE charges SET outcome = 'billed' WHERE record_id = :id", {"id": ids[0]})
    assert orders.refetch(db, None, models=Models([spec])).number == 1
    assert statuses(db, ids) == [Status.UNKNOWN, Status.QUEUED]


def test_only_the_listed_records_are_ordered_again_without_their_task_ids(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, CAT, CAT, CAT)
    for task_id in ("t-1", "t-2", ""):
        lose(db, task_id)
    again = orders.resubmit(db, [ids[0], ids[0]], models=Models([spec]))
    assert (again.ids, again.waiting) == (ids[:1], 0)
    assert [database.get_record(db, each).task_id for each in ids] == [None, "t-2", None]
    assert statuses(db, ids) == [Status.QUEUED, Status.UNKNOWN, Status.UNKNOWN]
    with pytest.raises(Conflict, match="结果未知"):
        orders.resubmit(db, ids, models=Models([spec]))
    database.pause_batch(db, batch_id)
    again = orders.resubmit(db, None, models=Models([spec]))
    assert (again.ids, again.waiting) == (ids[2:], 1)
    assert statuses(db, ids) == [Status.QUEUED, Status.UNKNOWN, Status.QUEUED]


def test_ordering_all_again_leaves_out_what_the_model_does_not_support(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = add(db, CAT, CAT)
    _, (alone,) = add(db)
    for _ in range(3):
        lose(db)
    unsupported = "UPDATE generation_records SET aspect_ratio = '5:1' WHERE id IN (:first, :alone)"
    db.execute(unsupported, {"first": ids[0], "alone": alone})
    assert orders.resubmit(db, None, models=Models([spec])).number == 1
    assert statuses(db, [*ids, alone]) == [Status.UNKNOWN, Status.QUEUED, Status.UNKNOWN]
    with pytest.raises(Conflict, match="不能重试"):
        orders.resubmit(db, None, models=Models([spec]))
    with pytest.raises(Conflict, match="不能重试"):
        orders.resubmit(db, [alone], models=Models([spec]))
    db.execute("UPDATE generation_records SET status = 'unknown' WHERE id = :id", {"id": ids[1]})
    with pytest.raises(Conflict, match="不能重试"):
        orders.resubmit(db, ids, models=Models([spec]))


def test_a_record_whose_batch_is_gone_is_not_ordered_again(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db)
    lose(db)
    db.execute("DELETE FROM batches WHERE id = :id", {"id": batch_id})
    assert orders.resubmit(db, None, models=Models([spec])).number == 0
    with pytest.raises(Conflict):
        orders.resubmit(db, ids, models=Models([spec]))


def test_only_the_listed_charges_are_resolved_and_only_their_records_end(db: database.Connection) -> None:
    batch_id, ids = add(db, CAT, CAT, CAT)
    other, _ = add(db)
    for _ in range(3):
        lose(db)
    lost = [record_id for record_id in ids if database.get_record(db, record_id).status is Status.UNKNOWN]
    mine, others = lost[0], lost[1:]
    done = database.resolve_charges(db, [mine], billed=True)
    assert (done.records, done.amount) == (1, PRICE)
    assert statuses(db, [mine, *others]) == [Status.CANCELLED, *[Status.UNKNOWN] * len(others)]
    assert sorted(outcomes(db)) == ["billed", "unknown", "unknown"]
    assert str(database.get_record(db, mine).error) == "已放弃，账单里有这一笔"
    assert database.get_record(db, mine).cost == PRICE
    lines = {each: log(db, each) for each in (batch_id, other)}
    assert "放弃 1 张结果未知的，账单里有这一笔" in lines[batch_id]
    assert not any("放弃" in line for line in lines[other])
    with pytest.raises(Conflict, match="没有待确认的费用"):
        database.resolve_charges(db, [mine], billed=False)
    assert database.resolve_charges(db, None, billed=False).records == 2
    errors = {str(database.get_record(db, each).error) for each in others}
    assert errors == {"已放弃，账单里没有这一笔"}
    assert database.resolve_charges(db, None, billed=False).records == 0


def test_a_charge_at_an_unknown_price_has_no_amount_when_it_is_resolved(db: database.Connection) -> None:
    add(db, CAT, CAT)
    lose(db)
    lose(db, price=None)
    assert database.resolve_charges(db, None, billed=True).amount is None


def test_undoing_a_resolution_touches_no_other_one(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db, CAT, CAT, CAT)
    for _ in ids:
        lose(db)
    first, second, third = (database.resolve_charges(db, [each], billed=True).undo for each in ids)
    orders.retry(db, database.get_record(db, ids[2]).batch_id or "", [ids[2]], models=Models([spec]))
    assert database.undo_resolution(db, first) == 1
    assert database.undo_resolution(db, third) == 1
    assert statuses(db, ids) == [Status.UNKNOWN, Status.CANCELLED, Status.QUEUED]
    assert outcomes(db) == ["unknown", "billed", "unknown"]
    assert [database.get_record(db, each).cause for each in ids[:2]] == ["network", "dropped"]
    assert database.undo_resolution(db, second) == 1
    assert database.undo_resolution(db, second) == 0
    rows = db.execute("SELECT count(*) AS number FROM resolved_records").fetchone()
    assert rows["number"] == 0


def test_a_record_that_was_cancelled_otherwise_stays_so_when_its_resolution_is_undone(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    lose(db)
    undo = database.resolve_charges(db, ids, billed=False).undo
    orders.retry(db, batch_id, ids, models=Models([spec]))
    database.cancel_batch(db, batch_id)
    database.undo_resolution(db, undo)
    assert (statuses(db, ids), outcomes(db)) == ([Status.CANCELLED], ["unknown"])


def test_a_finished_record_keeps_its_image_when_an_earlier_charge_is_resolved(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db)
    lose(db)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    database.finish_record(db, charged(db), SAVED)
    undo = database.resolve_charges(db, ids, billed=True).undo
    assert database.get_record(db, ids[0]).status is Status.SUCCESS
    database.undo_resolution(db, undo)
    assert database.get_record(db, ids[0]).status is Status.SUCCESS


def test_a_cancelled_batch_stays_so_while_its_records_are_fetched(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = add(db, CAT, CAT)
    lose(db, "t-1")
    database.cancel_batch(db, batch_id)
    orders.refetch(db, ids[:1], models=Models([spec]))
    state = db.execute("SELECT state FROM batches WHERE id = :id", {"id": batch_id}).fetchone()["state"]
    assert (state, statuses(db, ids)) == ("cancelled", [Status.QUEUED, Status.CANCELLED])


def test_a_repeated_key_orders_nothing_again(db: database.Connection, spec: ModelSpec) -> None:
    _, ids = add(db)
    lose(db)
    answers = [orders.resubmit(db, ids, models=Models([spec]), key=KEY) for _ in range(2)]
    assert answers == [Placed(ids=ids, number=1)] * 2


def test_each_record_gets_its_own_last_error_back(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, ids = add(db, CAT, CAT)
    for _ in ids:
        lose(db)
    database.resolve_charges(db, ids, billed=False)
    orders.retry(db, batch_id, ids, models=Models([spec]))
    lose(db, "t-1")
    lose(db)
    undo = database.resolve_charges(db, ids, billed=False).undo
    database.undo_resolution(db, undo)
    assert [database.get_record(db, each).cause for each in ids] == ["timeout", "network"]


def test_a_charge_without_batch_is_resolved_too(db: database.Connection, spec: ModelSpec) -> None:
    add(db)
    record_id = lose(db)
    db.execute("UPDATE generation_records SET batch_id = NULL")
    assert database.resolve_charges(db, [record_id], billed=True).records == 1
    assert db.execute("SELECT count(*) AS number FROM batch_log WHERE text LIKE '%放弃%'").fetchone()[0] == 0
