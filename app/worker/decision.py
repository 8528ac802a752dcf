"""What an error of ``Pipeline.produce`` means for its record and its batch. Does no I/O."""

import random
from dataclasses import dataclass

from app.domain import PauseCause, Record
from app.errors import AppError, Billed, BucketError, Conflict, InvalidRequest, Message, ModelError
from app.worker.availability import DiskLow

MAX_RETRIES = 5
MAX_FREE_RETRIES = 2  # the service may still be working on the abandoned request
BLOCKED_RETRY_SECONDS = 60.0  # a cancelled batch is not paused, so only this delays the next fetch
_MAX_DELAY = 60.0
_MAX_DOUBLINGS = 10  # bounds the exponent: a service may throttle a call a thousand times

# Messages for images that were received and cannot be fetched again, by cause.
_UNRECOVERABLE = {
    "broken": "收到的图片打不开，也不能取回，可能已计费，请决定是否重新生成",
    "storage": "图片已生成，但没能保存，也不能取回，可能已计费，请先腾出磁盘空间，再决定是否重新生成",
}
# Causes for which a service makes no image of a request, whether or not it bills the try.
_REFUSALS = ("moderation", "request")
# What to check when a request that is never charged fails, by cause.
_ADVICE = {
    "network": "图片服务的答复不完整（断线或超时），请检查它是否还在运行，生成得慢就调大 MODEL_TIMEOUT",
    "service": "图片服务的答复无法识别，请检查它是否还在运行",
    "broken": "图片服务返回的图片打不开，请检查它是否正常",
}

_PAUSE_CAUSES = {
    "network": PauseCause.NETWORK,
    **dict.fromkeys(("storage", "upload", "oss"), PauseCause.DISK),
}


class ModelRetired(Conflict):
    """The service takes no more orders for the model: nothing was submitted."""


_PAUSED_BEFORE_SUBMISSION = {DiskLow: PauseCause.DISK, ModelRetired: PauseCause.MODEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What to do with a record after an error, and with its batch.

    error           the error to store; None: requeue the record as it was
    wait            seconds until the next try; None: end the record as failed, or unknown if possibly charged
    pause           why to pause the batch; None: do not
    cause           the same in a word
    blocks_fetches  the cause prevents fetching submitted images too
    """

    error: ModelError | None = None
    wait: float | None = None
    pause: Message | None = None
    cause: PauseCause = PauseCause.OTHER
    blocks_fetches: bool = False


def decide(error: AppError, record: Record, *, has_task: bool, is_free: bool) -> Decision:
    """Decide what an error of ``produce`` means for its record.

    ``has_task``: the provider's task id is stored, so that fetching can be repeated. ``is_free``: the request
    is never charged. Without either, a possibly charged error ends as unknown and is never retried, but a
    refusal that was charged is final.
    """
    for kind, cause in _PAUSED_BEFORE_SUBMISSION.items():
        if isinstance(error, kind):
            return Decision(pause=error.message, cause=cause)
    problem = _as_model_error(error)
    is_final = problem.billed is Billed.YES and problem.cause in _REFUSALS
    if problem.billed is not Billed.NO and not has_task and not is_final:
        problem = _as_not_billed(problem, record) if is_free else _as_unknown(problem)
    wait = seconds_before_retry(problem, retries=record.retries, throttled=record.throttle_count)
    if wait is not None:
        return Decision(error=problem, wait=wait)
    is_blocked = problem.pauses_batch or problem.cause in _PAUSE_CAUSES
    if is_blocked and (problem.billed is Billed.NO or problem.task_valid):
        return Decision(
            error=problem,
            wait=BLOCKED_RETRY_SECONDS,
            pause=problem.message,
            cause=_PAUSE_CAUSES.get(problem.cause, PauseCause.KEY),
            blocks_fetches=problem.cause != "oss"
            or has_task,  # before submission only references are missing
        )
    if problem.url_expired:  # after the last retry of a lost result: only a user may submit again
        text = "图片的下载地址已失效，图片取不回来了；这一张已计费，重新生成会再付一次"
        problem = ModelError(text, cause="expired", billed=Billed.YES)
    return Decision(error=problem)


def seconds_before_retry(error: ModelError, *, retries: int, throttled: int) -> float | None:
    """Return the seconds to wait before retrying the step; None: do not retry.

    Throttling is retried without limit, any other error MAX_RETRIES times.
    """
    if not error.retryable or (not error.throttled and retries >= MAX_RETRIES):
        return None
    earlier = min(throttled if error.throttled else retries, _MAX_DOUBLINGS)
    return float(min(2.0**earlier, _MAX_DELAY) * random.uniform(0.8, 1.2))  # noqa: S311 - only spreads calls


def _as_model_error(error: AppError) -> ModelError:
    """The errors before submission as ModelErrors: nothing was charged. OSS is tried again without limit, and
    one that only another setting mends pauses the batch.
    """
    if isinstance(error, BucketError):
        return ModelError(
            error.message, cause="oss", billed=Billed.NO, retryable=error.transient, throttled=True
        )
    if isinstance(error, InvalidRequest):
        return ModelError(error.message, cause="request", billed=Billed.NO)
    assert isinstance(error, ModelError)
    return error


def _as_unknown(error: ModelError) -> ModelError:
    is_quarantined = error.cause == "broken" and not error.retryable
    text = error.message if is_quarantined else _UNRECOVERABLE.get(error.cause, error.message)
    pauses = error.pauses_batch and not error.task_valid
    return ModelError(text, cause=error.cause, billed=Billed.UNKNOWN, pauses_batch=pauses)


def _as_not_billed(error: ModelError, record: Record) -> ModelError:
    """The error of a request that is never charged: retryable up to MAX_FREE_RETRIES times.

    A network error becomes a service error: the connection was made, so the batch need not pause.
    """
    return ModelError(
        _ADVICE.get(error.cause, error.message),
        cause="service" if error.cause == "network" else error.cause,
        billed=Billed.NO,
        retryable=error.cause != "storage" and record.retries < MAX_FREE_RETRIES,
    )
