"""An order takes effect as a whole or not at all, whichever of its statements is the last."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import fields, replace
from itertools import count
from typing import Any

import pytest

import database
from app.config import Settings
from app.errors import Conflict, message
from app.orders.doors import NewBatch, OneMore, ReleaseChanges
from app.orders.place import Order, Placed, place
from app.orders.plan import Plan
from app.orders.repeats import Refetch, Resubmit, Retry, Uncancel
from tests.core.money.test_person_limits import person
from tests.core.orders.test_release import HeldRelease
from tests.core.queue import queue
from tests.core.queue.queue import CAT, DOG, KEY, LOST, MODELS, REFUSED
from tests.orders import test_doors as doors
from tests.specs import ANY


class _Crashing:
    """A connection whose n-th statement inside a transaction is not carried out: the program ends."""

    def __init__(self, db: database.Connection, number: int) -> None:
        self._db, self._left = db, number

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    def execute(self, *args: Any) -> Any:
        self._count()
        return self._db.execute(*args)

    def executemany(self, *args: Any) -> Any:
        self._count()
        return self._db.executemany(*args)

    def _count(self) -> None:
        if self._db.in_transaction:
            self._left -= 1
            if not self._left:
                raise SystemExit


def new_batch(db: database.Connection) -> Order:
    return queue.submission(CAT, DOG, CAT, skips=[True] * 3, key=KEY, sample=1)


def retry(db: database.Connection) -> Order:
    batch_id, ids = queue.add(db, CAT, DOG)
    queue.end(db, REFUSED, REFUSED)
    return Retry(models=MODELS, key=KEY, batch_id=batch_id, changes={ids[0]: {"prompt": "鸟"}}, skips=True)


def release(db: database.Connection) -> Order:
    queue.add(db, DOG)
    batch_id, _ = queue.add(db, CAT, DOG, CAT, sample=1)
    return HeldRelease(
        models=MODELS,
        key=KEY,
        batch_id=batch_id,
        changes=ReleaseChanges(resolution="4K"),
        prompts=("狗", "鸟"),
    )


def uncancel(db: database.Connection) -> Order:
    batch_id, _ = queue.add(db, CAT, DOG, sample=1)
    database.cancel_batch(db, batch_id)
    return Uncancel(models=MODELS, key=KEY, batch_id=batch_id)


def one_more(db: database.Connection) -> Order:
    batch_id, ids = queue.add(db, CAT)
    queue.make(db)
    return OneMore(
        models=MODELS,
        key=KEY,
        batch_id=batch_id,
        record_id=ids[0],
        request=CAT,
        skips=False,
        stem_for=lambda _: "猫",
    )


def resubmit(db: database.Connection) -> Order:
    queue.add(db, CAT, CAT)
    database.fail_record(db, queue.charged(db), LOST)
    return Resubmit(models=MODELS, key=KEY)


@pytest.mark.parametrize("prepare", [new_batch, retry, release, uncancel, one_more, resubmit])
def test_an_order_that_ends_at_any_statement_changes_nothing_and_is_placed_once_when_repeated(
    db: database.Connection, prepare: Callable[[database.Connection], Order]
) -> None:
    order = prepare(db)
    before = everything(db)
    placed: Placed | None = None
    for number in count(1):
        crashing: Any = _Crashing(db, number)
        try:
            placed = place(crashing, order)
            break
        except SystemExit:
            assert everything(db) == before
    assert number > 8
    after = everything(db)
    assert after != before
    assert place(db, order) == placed
    assert everything(db) == after


def everything(db: database.Connection) -> list[list[tuple[Any, ...]]]:
    tables = ("generation_records", "batches", "batch_log", "request_keys", "change_counter", "charges")
    return [sorted(map(tuple, db.execute(f"SELECT * FROM {name}").fetchall()), key=repr) for name in tables]


def test_an_answer_of_an_earlier_version_is_still_read() -> None:
    assert Placed.before({"records": 3}).number == 3
    found = Placed.before({"batch_id": "b", "records": [7, 8], "skipped": [{"row": 2, "records": [7]}]})
    assert (found.batch_id, found.ids, found.number) == ("b", [7, 8], 2)
    assert [(each.row, each.records) for each in found.skipped] == [(2, [7])]
    assert Placed.before({}).number == 0


def interrupted(db: database.Connection, order: NewBatch, by: NewBatch) -> tuple[Placed, Placed]:
    """Place another order while this one is checked -> what this one and the other queued."""
    placed = list[Placed]()

    class Interrupted(NewBatch):
        def check(self, planned: Plan) -> None:
            if not placed:
                placed.append(place(db, by))

    later = place(db, Interrupted(**{each.name: getattr(order, each.name) for each in fields(order)}))
    return later, placed[0]


def test_a_call_that_comes_again_while_it_is_checked_is_answered_as_the_first(
    db: database.Connection,
) -> None:
    order = queue.submission(CAT, key=KEY)
    later, first = interrupted(db, order, order)
    assert later == first
    assert len(queue.stems(db)) == 1


def test_an_order_that_is_placed_while_another_is_checked_is_seen_inside_its_transaction(
    db: database.Connection,
) -> None:
    order = queue.submission(CAT, DOG, skips=[True] * 2)
    later, first = interrupted(db, order, queue.submission(CAT, skips=[True]))
    assert [row.records for row in later.skipped] == [first.ids]
    assert len(later.ids) == 1


def failed_with_a_task(db: database.Connection, settings: Settings) -> tuple[doors.Case, str]:
    """A case whose model has no key, and a batch with a picture that can be fetched, of a person."""
    case = doors.new_case(db, settings, doors.MODELS, without_key=ANY.model_id)
    conditions = replace(case.conditions, person_id=person(db, "小周"))
    ordered = doors.Case(db, replace(conditions, model_problem=lambda _: None))
    batch_id, _ = ordered.ended("status = 'failed', task_id = 't-1'")
    return case, batch_id


def test_a_picture_is_fetched_without_the_key_of_its_model_and_its_payer_stays(
    db: database.Connection, settings: Settings
) -> None:
    case, batch_id = failed_with_a_task(db, settings)
    payers = queue.column(db, "person_id")
    fields = {"person_id": person(db, "小李"), "require": case.conditions.require_models_of}
    assert case.repeat(Retry, batch_id=batch_id, **fields) == 1
    assert queue.column(db, "person_id") == payers


def test_fetching_what_is_unknown_is_no_order_in_the_history_of_its_table(
    db: database.Connection, settings: Settings
) -> None:
    case, _ = failed_with_a_task(db, settings)
    queue.set_fields(db, "status = 'unknown'")
    history = "SELECT version FROM table_changes"
    before = [row["version"] for row in db.execute(history)]
    assert case.repeat(Refetch, ids=queue.column(db, "id"), person_id=person(db, "小李")) == 1
    assert [row["version"] for row in db.execute(history)] == before


@pytest.mark.parametrize(
    ("model", "problem", "refused"),
    [("other", "", ""), ("test-1", "", "没有密钥"), ("other", "磁盘满了", "磁盘满了")],
)
def test_a_batch_that_would_be_paused_again_at_once_is_not_resumed(
    db: database.Connection, settings: Settings, model: str, problem: str, refused: str
) -> None:
    case = doors.new_case(db, settings, doors.MODELS, without_key=ANY.model_id)
    batch_id = case.submit({"prompt": "猫", "model": "other"}).batch_id
    queue.set_fields(db, f"model = '{model}'")
    conditions = replace(case.conditions, saving_problem=lambda: message(problem) if problem else None)
    with pytest.raises(Conflict, match=refused) if refused else nullcontext():
        conditions.require_resumable(batch_id)
