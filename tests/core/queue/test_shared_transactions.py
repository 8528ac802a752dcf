"""Writers that share the lock on PostgreSQL: workers beside workers, nobody beside an exclusive one."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import database
from app.config import Settings
from app.core.money.ledger import open_charge, save_task_id, still_owned
from app.core.queue import claim as queue
from app.core.queue.claim import claim_record, extend_leases
from app.core.queue.ends import finish_record
from app.core.queue.fold import SUMS, add_up, fold_changes, note_success
from app.domain import BatchStatus, Record, StopRule
from app.domain.ledger import BudgetScope
from app.engine.connection import Connection, transaction
from app.engine.links import Link
from app.errors import WriteRefused
from app.usage.sql import total_spend
from tests.core.queue.queue import (
    CAT,
    NOW,
    PRICE,
    REFUSED,
    SAVED,
    add,
    batch_status,
    in_threads,
    log,
    outcomes,
    spent,
)
from tests.specs import ANY
from tools.waiting import wait_until

pytestmark = pytest.mark.postgres
CHANGE = "UPDATE change_counter SET value = value + 1"
LATER = NOW + 30  # the lease has expired


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as found:
        yield found


def claim(db: Connection, owner: str = "me", now: float = NOW) -> Record | None:
    """As ``database.claim_record``, which tests fold after."""
    return claim_record(db, model=ANY.model_id, owner=owner, now=now, lease=20.0)


def claimed(db: Connection, owner: str = "me") -> Record:
    record = claim(db, owner)
    assert record
    return record


def meanwhile(pool: ThreadPoolExecutor, db: Connection, call: Callable[[], object]) -> "Future[object]":
    """Call it in a thread, and wait until it waits for a lock that ``db`` holds."""
    started = pool.submit(call)
    waiting = "SELECT 1 FROM pg_locks WHERE NOT granted"
    wait_until(lambda: db.execute(waiting).fetchone() is not None)
    assert not started.done()
    return started


def test_shared_writers_run_beside_each_other(db: Connection, other: Connection) -> None:
    before = database.last_version(db)
    with transaction(db, shared=True):
        db.execute("DELETE FROM login_attempts")
        with transaction(other, shared=True, wait=0):
            assert db.is_shared
            assert other.is_shared
            other.execute(CHANGE)
        assert not other.is_shared
    assert not db.is_shared
    assert database.last_version(db) == before + 1


@pytest.mark.parametrize("first", [True, False])
def test_an_exclusive_writer_runs_beside_nobody(db: Connection, other: Connection, *, first: bool) -> None:
    with (
        transaction(db, shared=first),
        pytest.raises(WriteRefused),
        transaction(other, shared=not first, wait=0.01),
    ):
        raise AssertionError
    with transaction(other):
        assert not other.is_shared


def test_claims_at_once_take_each_record_once_and_none_waits_for_another(
    db: Connection, settings: Settings
) -> None:
    _, ids = add(db, *[CAT] * 12)

    def claim_all(own: Connection, number: int) -> None:
        while record := claim(own, str(number)):
            taken.append(record.id)

    taken: list[int] = []
    in_threads(settings, 4, claim_all)
    assert sorted(taken) == ids


def test_a_claim_takes_a_record_of_another_batch_when_others_hold_those_of_the_first(
    db: Connection, other: Connection
) -> None:
    _, [first] = add(db)
    _, [second] = add(db)
    with transaction(db, shared=True):
        db.execute("SELECT id FROM generation_records WHERE id = :id FOR UPDATE", {"id": first}).fetchone()
        found = claim(other)
        assert found
        assert found.id == second
        assert claim(other) is None
    assert claimed(other).id == first


def test_a_record_whose_suspended_worker_opens_its_charge_meanwhile_is_not_claimed(
    db: Connection, other: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, [record_id] = add(db)
    record = claimed(db)
    with transaction(db, shared=True):
        assert still_owned(db, record)
        assert claim(other, "other", LATER) is None
    open_charge(db, record, price=PRICE, budget=None)
    monkeypatch.setattr(queue, "_NEXT_CLAIMABLE_ID", str(record_id))  # chosen before the charge was there
    assert claim(other, "other", LATER) is None
    save_task_id(db, record, "t-1")
    assert finish_record(db, record, SAVED)


@pytest.mark.parametrize("step", ["open_charge", "save_task_id", "finish_record", "extend_leases"])
def test_a_suspended_worker_finds_its_record_claimed_by_another(
    db: Connection, other: Connection, pool: ThreadPoolExecutor, step: str
) -> None:
    _, [record_id] = add(db)
    record = claimed(db)
    steps: dict[str, Callable[[], object]] = {
        "open_charge": lambda: open_charge(other, record, price=PRICE, budget=None),
        "save_task_id": lambda: save_task_id(other, record, "t-1"),
        "finish_record": lambda: finish_record(other, record, SAVED),
        "extend_leases": lambda: extend_leases(other, [record_id], owner="me", until=LATER + 99),
    }
    with transaction(db, shared=True):
        claims = "UPDATE generation_records SET attempts = 2, lease_owner = 'other' WHERE id = :id"
        assert db.execute(claims, {"id": record_id}).rowcount == 1  # sends it, so that the row is locked
        late = meanwhile(pool, db, steps[step])
    if step == "open_charge":
        with pytest.raises(database.LeaseLost):
            late.result()
    else:
        assert not late.result()
    fold_changes(db, at_once=True)
    found = database.get_record(db, record_id)
    assert (found.status, found.task_id, outcomes(db)) == ("running", None, [])


def test_the_last_two_records_that_end_at_once_end_their_batch_once(
    db: Connection, other: Connection
) -> None:
    batch_id, _ = add(db, CAT, CAT)
    records = [claimed(db), claimed(db)]
    began = threading.Barrier(2)

    def finish(own: Connection, record: Record) -> None:
        with transaction(own, shared=True):
            sql = "UPDATE generation_records SET status = 'success' WHERE id = :id RETURNING id"
            assert own.execute(sql, {"id": record.id}).fetchone()
            began.wait()  # both have ended theirs, and see the other's as running
            note_success(own, batch_id)

    with ThreadPoolExecutor(2) as both:
        list(both.map(finish, (db, other), records))
    assert "批次完成" not in log(db, batch_id)
    assert [fold_changes(each, at_once=True) for each in (db, other)] == [True, False]
    assert log(db, batch_id).count("批次完成") == 1
    assert batch_status(db, batch_id) is BatchStatus.FINISHED


def test_no_budget_is_set_while_a_charge_is_opened_beside_others(db: Connection, other: Connection) -> None:
    add(db)
    with transaction(db, shared=True):
        assert still_owned(db, claimed(other))
        with pytest.raises(WriteRefused), transaction(other, wait=0.01):
            database.set_budgets(other, {BudgetScope.TOTAL: Decimal(0)})


def test_charges_opened_at_once_under_a_budget_do_not_exceed_it(db: Connection, settings: Settings) -> None:
    add(db, *[CAT] * 8)

    def spend(own: Connection, number: int) -> bool:
        record = claimed(own, str(number))
        if number == 3:
            database.set_budgets(own, {BudgetScope.TOTAL: 2 * PRICE})
        began.wait()
        try:
            open_charge(own, record, price=PRICE, budget=None)
        except database.BudgetReached:
            return False
        return True

    began = threading.Barrier(8)
    assert sum(in_threads(settings, 8, spend)) == 2
    assert spent(db) == 2 * PRICE


def test_a_page_that_polls_while_workers_write_and_others_fold_misses_nothing(
    db: Connection, settings: Settings
) -> None:
    batch_id, ids = add(db, *[CAT] * 24)
    seen, since = set[int](), database.last_version(db)

    def work(own: Connection, number: int) -> None:
        while record := claim(own, str(number)):
            assert finish_record(own, record, replace(SAVED, filename=f"{record.id}.png"))
            if number == 0:
                fold_changes(own, at_once=True)

    def poll() -> bool:
        nonlocal since
        with database.read_transaction(db):
            version = database.get_batch_version(db, batch_id)
            changed = database.list_batch_records(db, batch_id, since=since)
        since = version
        seen.update(record.id for record in changed if record.status == "success")
        return sorted(seen) == ids

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(in_threads, settings, 3, work)
        while not done.done():
            poll()
        done.result()
    fold_changes(db, at_once=True)
    assert poll()
    assert log(db, batch_id)[-1] == "批次完成"


def test_what_a_killed_worker_left_is_folded_by_another_process(db: Connection, settings: Settings) -> None:
    batch_id, [record_id] = add(db)
    with closing(database.connect(settings.database)) as killed:
        finish_record(killed, claimed(killed), SAVED)
    before = database.last_version(db)
    assert [record.version for record in database.list_batch_records(db, batch_id)] < [before]
    assert fold_changes(db, at_once=True)
    changed = database.list_batch_records(db, batch_id, since=before)
    assert [record.id for record in changed] == [record_id]
    assert log(db, batch_id) == ["第 1 行：已保存 猫.png（2048×2048）", "批次完成"]


def test_one_process_folds_and_the_others_do_not_wait_for_it(
    db: Connection, other: Connection, settings: Settings, pool: ThreadPoolExecutor
) -> None:
    add(db)
    claimed(db)
    db.execute("UPDATE pending_changes SET noted_at = noted_at - interval '1 minute'")
    with transaction(db, shared=True), closing(database.connect(settings.database)) as third:
        folds = meanwhile(pool, db, lambda: fold_changes(other))
        assert not fold_changes(third)
        assert not folds.done()
    assert folds.result()


def test_others_wait_for_a_fold_for_one_statement_and_its_commit(
    db: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(db, CAT, CAT)
    finish_record(db, claimed(db), SAVED)
    sent, execute = list[str](), Link.execute

    def send(link: Link, text: str, *fields: Any) -> Any:
        sent.append(text)
        return execute(link, text, *fields)

    monkeypatch.setattr(Link, "execute", send)
    assert fold_changes(db, at_once=True)
    assert len(sent) == 4  # is there anything; the lock; the fold; the commit


def test_a_batch_that_is_done_is_not_cancelled(db: Connection) -> None:
    batch_id, _ = add(db)
    finish_record(db, claimed(db), SAVED)
    database.cancel_batch(db, batch_id)
    assert batch_status(db, batch_id) is BatchStatus.FINISHED


def test_a_failure_is_counted_after_the_successes_before_it(db: Connection) -> None:
    batch_id, _ = add(db, *[CAT] * 4, stop_rule=StopRule(refused=9, failed=1, last=2))
    for error in (None, REFUSED, None, REFUSED):
        if error:
            database.fail_record(db, claimed(db), error)
        else:
            finish_record(db, claimed(db), SAVED)
    stored = db.execute("SELECT outcomes FROM batches WHERE id = :id", {"id": batch_id}).fetchone()[0]
    assert '"ended": 4' in stored
    assert '"last": [null, "moderation"]' in stored


def test_sums_stay_the_same_when_their_rows_are_added_up(db: Connection) -> None:
    add(db, *[CAT] * 3)
    for _ in range(3):
        record = claimed(db)
        open_charge(db, record, price=PRICE, budget=None)
        finish_record(db, record, SAVED)
    before = total_spend(db), database.count_facets(db)
    with transaction(db):
        add_up(db)
    assert (total_spend(db), database.count_facets(db)) == before
    numbers = [db.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in SUMS]
    assert numbers == [1, 1, 1, 1]
