"""Translate Jimeng's responses: the message, whether it is billed, what to do next.

    code                       on submit                       on fetch
    10000                      accepted                        see data.status
    50411 50412 50413 50512    content refused:                the same: the task is over
    50518 50218                final, not billed
    50511 50519                output refused: not billed,     the same; may be resubmitted
                               may be resubmitted
    50520 50521 50522          their check failed: not billed, the same
                               final (documented: no retry)
    50429 50430, HTTP 429      too many: not billed, slower    polled again
    50400 50204                not entitled: pauses            pauses; the task id stays valid
    50200                      not billed, final; pauses when  the same
                               req_key is the cause
    50215                      input unusable, not billed      the task id is invalid, billed unknown
    50500 50501, 5xx           unknown: a task may have been   polled again, unless data.status is
                               made; the documents disagree    "done": then the task failed, and
                               about a retry                   failures are not billed
    gateway: keys, rights      pauses, not billed              pauses; the task id stays valid
    gateway: 100015            service not reached:            polled again
                               not billed, retried
    gateway: 100018            too many: not billed, slower    polled again
    gateway: 100014 100016     unknown                         polled again
             100019 100023
    HTTP 408 and similar with  unknown, see http.was_refused   polled again
    an unknown code
    no code in the response    see http.unrecognised           polled again

"Failures are not billed" is stated on the price page.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import Billed, ModelError
from app.providers.http import Response, redacted, too_many_calls, unrecognised, was_refused
from app.providers.key_check import unreadable

LABEL = "即梦"
SUCCESS = 10000
_TOO_MANY_AT_GATEWAY = 100018


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRule:
    text: str
    cause: str
    billed: Billed = Billed.NO
    retryable: bool = False
    pauses_batch: bool = False


_CHECK_FAILED = ErrorRule(text="即梦的内容审核出了内部错误，这张没有生成，请稍后再试", cause="service")
_NOT_ENTITLED = ErrorRule(
    text="这个账号没有开通即梦的这个能力，请到火山引擎控制台开通后继续", cause="key", pauses_batch=True
)
_INTERNAL = ErrorRule(
    text="即梦出了内部错误，这一张可能已计费，请先到控制台核对，再决定是否重试",
    cause="service",
    billed=Billed.UNKNOWN,
)

_CODES = {
    50411: ErrorRule(text="参考图没有通过审核，请换一张参考图", cause="moderation"),
    50412: ErrorRule(text="提示词没有通过审核，请修改提示词", cause="moderation"),
    50413: ErrorRule(text="提示词含有敏感或受保护的词，请修改提示词", cause="moderation"),
    50512: ErrorRule(text="生成的文字没有通过审核，请修改提示词", cause="moderation"),
    50518: ErrorRule(text="参考图可能涉及版权，没有通过审核，请换一张参考图", cause="moderation"),
    50218: ErrorRule(text="素材没有通过审核，请换一张参考图或修改提示词", cause="moderation"),
    50511: ErrorRule(
        text="生成的图片没有通过审核，可以再试一次或修改提示词", cause="moderation", retryable=True
    ),
    50519: ErrorRule(
        text="生成的图片可能涉及版权，可以再试一次或修改提示词", cause="moderation", retryable=True
    ),
    50520: _CHECK_FAILED,
    50521: _CHECK_FAILED,
    50522: _CHECK_FAILED,
    50400: _NOT_ENTITLED,
    50204: ErrorRule(
        text="即梦不认识设置里的 JIMENG_REQ_KEY，请改正后继续", cause="request", pauses_batch=True
    ),
    50200: ErrorRule(text="即梦没有接受这些参数，请修改提示词、尺寸或参考图", cause="request"),
    50215: ErrorRule(
        text="即梦用不了这些输入，请检查参考图能否公开访问、格式是否为 JPEG 或 PNG", cause="request"
    ),
    50500: _INTERNAL,
    50501: _INTERNAL,
}

_WRONG_KEY = ErrorRule(
    text="火山引擎不接受这对密钥，请检查 VOLCENGINE_AK 和 VOLCENGINE_SK", cause="key", pauses_batch=True
)
_NO_RIGHTS = ErrorRule(
    text="这对密钥没有调用即梦的权限，请在火山引擎访问控制里授权", cause="key", pauses_batch=True
)
_WRONG_ADDRESS = ErrorRule(
    text="火山引擎不认识这个接口，请检查 JIMENG_ENDPOINT", cause="request", pauses_batch=True
)
_GATEWAY_CODES = {
    100002: _WRONG_ADDRESS,
    100003: _WRONG_KEY,
    100004: _WRONG_ADDRESS,
    100005: _WRONG_KEY,
    100006: ErrorRule(text="这台电脑的时间不准，签名被拒绝，请先校准时间", cause="key", pauses_batch=True),
    100007: _WRONG_ADDRESS,
    100008: _WRONG_ADDRESS,
    100009: _WRONG_KEY,
    100010: _WRONG_KEY,
    100012: _NO_RIGHTS,
    100013: _NO_RIGHTS,
    100014: _INTERNAL,
    100015: ErrorRule(text="火山引擎的网关没有连上即梦，稍后会自动重试", cause="service", retryable=True),
    100016: _INTERNAL,
    100019: _INTERNAL,
    100023: _INTERNAL,
    100024: _WRONG_KEY,
    100025: _WRONG_KEY,
    100026: _WRONG_KEY,
}


def submit_error(answer: Response, *secrets: str) -> ModelError | None:
    """Return why a submission was not accepted; None when it was."""
    fields = answer.fields
    gateway = _gateway_error(fields)
    if gateway is not None:
        return _of_gateway(answer, gateway, secrets)
    code = fields.get("code")
    if code == SUCCESS:
        return None
    if not isinstance(code, int):
        return unrecognised(LABEL, answer)
    return _of_service(answer, code, fields, secrets)


def fetch_error(answer: Response, *secrets: str) -> ModelError | None:
    """Return the error that ends a task after a poll; None to read its data or poll again.

    Final errors are those of ``submit_error``. Errors of the poll itself (keys, rights) leave the task id
    valid and the billing unknown.
    """
    problem = submit_error(answer, *secrets)
    if problem is None or _is_poll_failure(answer, problem):
        return None
    code = answer.fields.get("code")
    if code == 50215:
        return expired(f"即梦不认识这个任务号（{code}）")
    if problem.pauses_batch:
        return ModelError(
            problem.message,
            cause=problem.cause,
            billed=Billed.UNKNOWN,
            pauses_batch=True,
            task_valid=True,
        )
    if problem.billed is Billed.UNKNOWN:  # the work is done and failed, and failures are not billed
        return ModelError(f"即梦没有画成这一张，请再试一次（{code}）", cause="service", billed=Billed.NO)
    return problem


def key_error(answer: Response, *secrets: str) -> ModelError | None:
    """Return why submissions would be refused, from the query of a nonexistent task; None when accepted.

    The expected response is ``not_found`` or 50215; a throttled call also proves that the key is valid.
    """
    problem = submit_error(answer, *secrets)
    if problem is None or problem.throttled or answer.fields.get("code") == 50215:
        return None
    return problem if problem.pauses_batch else unreadable(LABEL, answer)


def expired(why: str) -> ModelError:
    """Return the error for a task that can no longer be queried."""
    return ModelError(
        f"{why}，图片取不回来了，可能已计费，请先到控制台核对，再决定是否重新生成",
        cause="expired",
        billed=Billed.UNKNOWN,
    )


def _is_poll_failure(answer: Response, problem: ModelError) -> bool:
    """Return whether only the poll failed, temporarily, and not the task."""
    if problem.throttled or (problem.retryable and problem.cause == "service"):
        return True
    return problem.billed is Billed.UNKNOWN and _status(answer.fields) != "done"


def _status(fields: Mapping[str, Any]) -> object:
    found = fields.get("data")
    return found.get("status") if isinstance(found, dict) else None


def _gateway_error(fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
    metadata = fields.get("ResponseMetadata")
    if not isinstance(metadata, dict):
        return None
    error = metadata.get("Error")
    return error if isinstance(error, dict) else {}


def _of_gateway(answer: Response, error: Mapping[str, Any], secrets: tuple[str, ...]) -> ModelError:
    number, name = error.get("CodeN"), redacted(error.get("Code", ""), *secrets)
    if answer.status == 429 or number == _TOO_MANY_AT_GATEWAY:
        return too_many_calls(LABEL, name)
    rule = _GATEWAY_CODES.get(number) if isinstance(number, int) else None
    if rule is None:
        return unrecognised(LABEL, answer)
    return _error(rule, f"{number} {name}".strip())


def _of_service(
    answer: Response, code: int, fields: Mapping[str, Any], secrets: tuple[str, ...]
) -> ModelError:
    if code in (50429, 50430) or answer.status == 429:
        return too_many_calls(LABEL, str(code))
    words = redacted(fields.get("message", ""), *secrets)
    if code == 50200 and "req_key" in words:
        code = 50204
    rule = _CODES.get(code)
    if rule is None and was_refused(answer.status):
        rule = ErrorRule(text="即梦没有接受这个请求，请检查提示词和参数", cause="request")
    rule = rule or _INTERNAL
    return _error(rule, str(code) if code in _CODES else f"{code} {words}".strip())


def _error(rule: ErrorRule, code: str) -> ModelError:
    return ModelError(
        f"{rule.text}（{code}）",
        cause=rule.cause,
        billed=rule.billed,
        retryable=rule.retryable,
        pauses_batch=rule.pauses_batch,
    )
