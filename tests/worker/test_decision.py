"""``decide``: what every error means for its record and its batch."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain import PauseCause, Record
from app.errors import AppError, Billed, BucketError, InvalidRequest, ModelError
from app.worker.decision import BLOCKED_RETRY_SECONDS, MAX_FREE_RETRIES, MAX_RETRIES, ModelRetired, decide
from app.worker.disk_space import DiskLow
from tests.harness import Harness

pytestmark = pytest.mark.sqlite  # no statements of its own kind


@pytest.fixture
def record(harness: Harness) -> Record:
    return harness.record(harness.ask("猫")[1][0])


def error(cause: str = "service", billed: Billed = Billed.NO, **facts: Any) -> ModelError:
    return ModelError("出错了", cause=cause, billed=billed, **facts)


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        (DiskLow("磁盘满了"), PauseCause.DISK),
        (ModelRetired("模型已下线"), PauseCause.MODEL),
    ],
)
def test_what_blocks_every_submission_releases_the_record_and_pauses(
    reason: AppError, cause: PauseCause, record: Record
) -> None:
    decision = decide(reason, record, has_task=False, is_free=False)
    assert (decision.error, decision.wait, decision.blocks_fetches) == (None, None, False)
    assert (decision.pause, decision.cause) == (reason.message, cause)


@pytest.mark.parametrize(
    ("problem", "has_task", "is_free", "is_retried", "billed", "cause"),
    [
        (InvalidRequest("prompt", "太长"), False, False, False, Billed.NO, "request"),
        (BucketError("OSS 忙", transient=True), False, False, True, Billed.NO, "oss"),
        (BucketError("没有权限", transient=False), False, False, False, Billed.NO, "oss"),
        (error(retryable=True), False, False, True, Billed.NO, "service"),
        (error("moderation"), False, False, False, Billed.NO, "moderation"),
        (error("limit", retryable=True, throttled=True), False, False, True, Billed.NO, "limit"),
        (error("network", Billed.UNKNOWN, retryable=True), False, False, False, Billed.UNKNOWN, "network"),
        (error("network", Billed.UNKNOWN), False, True, True, Billed.NO, "service"),
        (error("broken", Billed.YES, retryable=True), False, False, False, Billed.UNKNOWN, "broken"),
        (
            error("download", Billed.YES, retryable=True, task_valid=True),
            True,
            False,
            True,
            Billed.YES,
            "download",
        ),
        (error("download", Billed.YES, url_expired=True), True, False, False, Billed.YES, "expired"),
        (error("timeout", Billed.UNKNOWN, task_valid=True), True, False, False, Billed.UNKNOWN, "timeout"),
    ],
)
def test_an_error_is_retried_or_ends_the_record(
    problem: AppError,
    has_task: bool,
    is_free: bool,
    is_retried: bool,
    billed: Billed,
    cause: str,
    record: Record,
) -> None:
    decision = decide(problem, record, has_task=has_task, is_free=is_free)
    assert decision.error is not None
    assert (decision.error.billed, decision.error.cause) == (billed, cause)
    assert (decision.wait is not None, decision.pause) == (is_retried, None)


@pytest.mark.parametrize(
    "problem",
    [error("key", pauses_batch=True), error("network"), error("storage", Billed.YES, task_valid=True)],
)
def test_what_would_fail_every_record_pauses_the_batch_and_loses_nothing(
    problem: ModelError, record: Record
) -> None:
    decision = decide(problem, record, has_task=True, is_free=False)
    assert (decision.error, decision.wait, decision.blocks_fetches) == (problem, BLOCKED_RETRY_SECONDS, True)
    assert decision.pause == problem.message


def test_a_free_image_that_the_disk_refused_waits_with_its_paused_batch(record: Record) -> None:
    decision = decide(error("storage", Billed.YES), record, has_task=False, is_free=True)
    assert decision.error is not None
    assert (decision.error.billed, decision.cause) == (Billed.NO, PauseCause.DISK)
    assert (decision.wait, decision.blocks_fetches) == (BLOCKED_RETRY_SECONDS, True)


def test_retries_are_counted_except_when_throttled_or_without_oss(record: Record) -> None:
    often = replace(record, retries=MAX_RETRIES, throttle_count=5_000, cost=Decimal(0))
    throttled, no_oss = error("limit", retryable=True, throttled=True), BucketError("OSS 忙", transient=True)
    retried = [
        decide(problem, often, has_task=False, is_free=False).wait is not None
        for problem in (error(retryable=True), throttled, no_oss)
    ]
    assert retried == [False, True, True]


def test_a_request_that_is_never_charged_is_submitted_again_a_few_times_only(record: Record) -> None:
    lost = error("network", Billed.UNKNOWN)
    waits = [
        decide(lost, replace(record, retries=retries), has_task=False, is_free=True).wait
        for retries in range(MAX_FREE_RETRIES + 1)
    ]
    assert [wait is not None for wait in waits] == [True] * MAX_FREE_RETRIES + [False]
