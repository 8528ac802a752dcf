"""An order takes effect as a whole or not at all, whichever of its statements is the last."""

from collections.abc import Callable
from dataclasses import fields
from itertools import count
from typing import Any

import pytest

import database
from app.orders.doors import NewBatch, OneMore, ReleaseChanges
from app.orders.place import Order, Placed, place
from app.orders.plan import Plan
from app.orders.repeats import Resubmit, Retry, Uncancel
from tests.db import queue
from tests.db.queue import CAT, DOG, KEY, LOST, MODELS, REFUSED
from tests.db.test_release import HeldRelease


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
