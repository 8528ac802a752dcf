"""``decide``: what every error means for its record and its batch."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from app.domain import PauseCause, Record
from app.errors import AppError, Billed, BucketError, InvalidRequest, ModelError
from app.worker.availability import DiskLow
from app.worker.decision import BLOCKED_RETRY_SECONDS, MAX_FREE_RETRIES, MAX_RETRIES, ModelRetired, decide
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
        (error(retryable=True), False, False, True, Billed.NO, "service"),
        (error("moderation"), False, False, False, Billed.NO, "moderation"),
        (error("limit", retryable=True, throttled=True), False, False, True, Billed.NO, "limit"),
        (error("network", Billed.UNKNOWN, retryable=True), False, False, False, Billed.UNKNOWN, "network"),
        (error("network", Billed.UNKNOWN), False, True, True, Billed.NO, "service"),
        (error("moderation", Billed.YES), False, False, False, Billed.YES, "moderation"),
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


@pytest.mark.parametrize("has_task", [False, True])
def test_oss_settings_that_are_wrong_pause_the_batch_and_end_no_row(record: Record, has_task: bool) -> None:
    refused = BucketError("没有权限", transient=False)
    decision = decide(refused, record, has_task=has_task, is_free=False)
    assert decision.error is not None
    assert (decision.error.billed, decision.wait) == (Billed.NO, BLOCKED_RETRY_SECONDS)
    assert (decision.pause, decision.cause) == (refused.message, PauseCause.DISK)
    assert decision.blocks_fetches is has_task


def test_a_free_image_that_the_disk_refused_waits_with_its_paused_batch(record: Record) -> None:
    decision = decide(error("storage", Billed.YES), record, has_task=False, is_free=True)
    assert decision.error is not None
    assert (decision.error.billed, decision.cause) == (Billed.NO, PauseCause.DISK)
    assert (decision.wait, decision.blocks_fetches) == (BLOCKED_RETRY_SECONDS, True)


def test_retries_are_counted_except_when_throttled_or_without_oss(record: Record) -> None:
    often = replace(record, retries=MAX_RETRIES, throttle_count=5_000, cost=Decimal(0))
    throttled, no_oss = error("limit", retryable=True, throttled=True), BucketError("OSS 忙", transient=True)
    decisions = [
        decide(problem, often, has_task=False, is_free=False)
        for problem in (error(retryable=True), throttled, no_oss)
    ]
    assert [(each.wait is not None, each.pause) for each in decisions] == [
        (False, None),
        (True, None),
        (True, None),
    ]


def test_a_request_that_is_never_charged_is_submitted_again_a_few_times_only(record: Record) -> None:
    lost = error("network", Billed.UNKNOWN)
    assert "图片服务的答复不完整" in str(decide(lost, record, has_task=False, is_free=True).error)
    waits = [
        decide(lost, replace(record, retries=retries), has_task=False, is_free=True).wait
        for retries in range(MAX_FREE_RETRIES + 1)
    ]
    assert [wait is not None for wait in waits] == [True] * MAX_FREE_RETRIES + [False]


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (error("broken", Billed.YES), "出错了"),  # quarantined: its own words say where the file is
        (error("broken", Billed.YES, retryable=True), "收到的图片打不开"),
        (error("storage", Billed.YES), "图片已生成，但没能保存"),
        (error("network", Billed.UNKNOWN), "出错了"),
    ],
)
def test_what_may_be_charged_and_cannot_be_fetched_says_what_happened(
    problem: ModelError, text: str, record: Record
) -> None:
    decision = decide(problem, record, has_task=False, is_free=False)
    assert decision.error is not None
    assert str(decision.error).startswith(text)
    assert (decision.error.task_valid, decision.error.retryable) == (False, False)


@pytest.mark.parametrize(
    ("pauses", "task_valid", "expected"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_an_unknown_result_pauses_its_batch_only_if_the_next_order_would_end_alike(
    pauses: bool, task_valid: bool, expected: bool, record: Record
) -> None:
    problem = error("key", Billed.UNKNOWN, pauses_batch=pauses, task_valid=task_valid)
    decision = decide(problem, record, has_task=False, is_free=False)
    assert decision.error is not None
    assert decision.error.pauses_batch is expected


@pytest.mark.parametrize("has_task", [False, True])
def test_a_charged_error_that_pauses_keeps_its_record_waiting_only_if_it_can_be_fetched(
    has_task: bool, record: Record
) -> None:
    problem = error("key", Billed.YES, pauses_batch=True, task_valid=has_task)
    decision = decide(problem, record, has_task=has_task, is_free=False)
    assert (decision.wait is not None, decision.pause is not None) == (has_task, has_task)
    without_task = error("key", Billed.YES, pauses_batch=True)
    assert decide(without_task, record, has_task=True, is_free=False).wait is None


@pytest.mark.parametrize(
    ("problem", "cause"),
    [
        (error("key", pauses_batch=True), PauseCause.KEY),
        (error("network"), PauseCause.NETWORK),
        (error("upload"), PauseCause.DISK),
    ],
)
def test_a_pause_has_the_cause_of_its_error(problem: ModelError, cause: PauseCause, record: Record) -> None:
    assert decide(problem, record, has_task=False, is_free=False).cause == cause


@pytest.mark.parametrize("cause", ["service", "moderation"])
def test_an_error_of_one_record_does_not_pause_its_batch(cause: str, record: Record) -> None:
    decision = decide(error(cause), record, has_task=False, is_free=False)
    assert (decision.pause, decision.blocks_fetches) == (None, False)


@pytest.mark.parametrize(("cause", "is_retried"), [("network", True), ("broken", True), ("storage", False)])
def test_a_request_that_is_never_charged_is_not_repeated_while_the_disk_refuses(
    cause: str, is_retried: bool, record: Record
) -> None:
    decision = decide(error(cause, Billed.UNKNOWN), record, has_task=False, is_free=True)
    assert decision.error is not None
    assert decision.error.retryable is is_retried
    assert decision.error.cause == ("service" if cause == "network" else cause)


def test_an_error_without_charge_stays_as_it_is(record: Record) -> None:
    problem = error("limit")
    for is_free in (False, True):
        assert decide(problem, record, has_task=False, is_free=is_free).error is problem


def test_a_lost_url_is_asked_for_again_before_it_is_given_up(record: Record) -> None:
    lost = error("download", Billed.YES, url_expired=True, retryable=True, task_valid=True)
    assert decide(lost, record, has_task=True, is_free=False).error is lost
    last = decide(lost, replace(record, retries=MAX_RETRIES), has_task=True, is_free=False).error
    assert last is not None
    assert (last.cause, last.billed) == ("expired", Billed.YES)


@pytest.mark.parametrize(
    ("throttled", "retries", "throttle_count", "seconds"),
    [(False, 0, 9, 1), (False, 3, 0, 8), (True, 9, 0, 1), (True, 0, 3, 8), (True, 0, 5_000, 60)],
)
def test_each_kind_of_try_has_delays_of_its_own(
    throttled: bool, retries: int, throttle_count: int, seconds: float, record: Record
) -> None:
    tried = replace(record, retries=retries, throttle_count=throttle_count)
    wait = decide(
        error("limit", retryable=True, throttled=throttled), tried, has_task=False, is_free=False
    ).wait
    assert wait is not None
    assert 0.8 * seconds <= wait <= 1.2 * seconds


def test_the_last_try_is_the_fifth(record: Record) -> None:
    waits = [
        decide(error(retryable=True), replace(record, retries=n), has_task=False, is_free=False).wait
        for n in (MAX_RETRIES - 1, MAX_RETRIES)
    ]
    assert [wait is not None for wait in waits] == [True, False]
