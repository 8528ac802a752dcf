"""Failures after a charge: no retry resubmits them unless they are named."""

from dataclasses import replace
from decimal import Decimal

import pytest

import database
from app.domain import ImageRequest, Models, ModelSpec, Status
from app.errors import Billed, Conflict
from tests.core.queue import queue
from tools import orders


def test_a_retry_leaves_out_charged_failures(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    charged, free = queue.fail(db, Billed.YES), queue.fail(db, Billed.NO)
    assert database.get_batch(db, batch_id).retryable == 1
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    assert database.get_record(db, charged).status is Status.FAILED
    assert database.get_record(db, free).status is Status.QUEUED


def test_a_retry_leaves_out_charged_failures_at_an_unknown_price_too(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, _ = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    charged = queue.fail(db, Billed.YES, price=None)
    queue.fail(db, Billed.NO)
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1
    assert database.get_record(db, charged).charged


def test_a_fetchable_record_is_retried_although_it_was_charged(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = queue.add(db)
    queue.fail(db, Billed.YES, task_id="t-1")
    assert not database.get_record(db, ids[0]).charged
    assert database.get_batch(db, batch_id).retryable == 1
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1


def test_a_retry_with_only_charged_failures_says_so(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    queue.fail(db, Billed.YES)
    queue.fail(db, Billed.YES)
    with pytest.raises(Conflict, match="2 张都已计费"):
        orders.retry(db, batch_id, models=Models([spec]))
    assert queue.claim(db) is None


def test_charged_failures_are_counted_for_their_batch(db: database.Connection) -> None:
    queue.add(db)
    queue.fail(db, Billed.YES)
    batch_id, _ = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    queue.fail(db, Billed.YES)
    queue.fail(db, Billed.NO)
    assert database.count_charged_failures(db, batch_id) == 1


def test_an_uncharged_failure_is_retried(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db)
    queue.fail(db, Billed.YES, price=Decimal(0))
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1


def test_a_deleted_failure_is_not_retried(db: database.Connection, spec: ModelSpec) -> None:
    batch_id, _ = queue.add(db, *[ImageRequest(prompt="猫")] * 2)
    gone = queue.fail(db, Billed.NO)
    queue.fail(db, Billed.NO)
    database.delete_records(db, [gone])
    assert database.get_batch(db, batch_id).retryable == 1
    assert orders.retry(db, batch_id, models=Models([spec])).number == 1


def test_a_repeated_retry_with_the_same_key_submits_nothing_again(
    db: database.Connection, spec: ModelSpec
) -> None:
    batch_id, ids = queue.add(db)
    key = database.RequestKey(key="k", digest="d", at=0.0)
    queue.fail(db, Billed.NO)
    assert orders.retry(db, batch_id, ids, models=Models([spec]), key=key).number == 1
    queue.fail(db, Billed.YES)  # the response was lost; the record has failed again meanwhile
    assert orders.retry(db, batch_id, ids, models=Models([spec]), key=key).number == 1
    assert database.get_record(db, ids[0]).status is Status.FAILED
    assert orders.retry(db, batch_id, ids, models=Models([spec]), key=replace(key, key="k2")).number == 1


def test_a_repeated_resubmission_of_an_unknown_record_submits_nothing_again(
    db: database.Connection, spec: ModelSpec
) -> None:
    _, ids = queue.add(db)
    key = database.RequestKey(key="k", digest="d", at=0.0)
    queue.fail(db, Billed.UNKNOWN)
    first = orders.resubmit(db, ids, models=Models([spec]), key=key)
    queue.fail(db, Billed.UNKNOWN)
    assert orders.resubmit(db, ids, models=Models([spec]), key=key) == first
    assert database.get_record(db, ids[0]).status is Status.UNKNOWN
