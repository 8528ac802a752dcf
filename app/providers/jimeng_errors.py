"""Translate Jimeng's responses: the message, whether it is billed, what to do next.

While polling, some errors mean something else:

    throttling, network, gateway failures      polled again
    keys, rights, entitlement                  pauses; the task id stays valid, billed unknown
    50215                                      the task id is invalid, billed unknown
    internal errors (50500, 50501, 5xx)        polled again, unless data.status is "done": then the task
                                               failed, and failures are not billed (see the price page)

A retry after 50520–50522 is documented as useless. Whether one helps after 50500 and 50501 the documents
disagree; a task may have been made.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from app.errors import Billed, Message, ModelError, message
from app.providers.error_rules import (
    REFUSED,
    ErrorRule,
    failed,
    find_rule,
    pausing,
    redacted,
    throttling,
    unrecognised,
)
from app.providers.http import Response
from app.providers.key_check import unreadable

LABEL = message("即梦")
SUCCESS = 10000
_UNKNOWN_TASK = 50215

_INTERNAL = failed(".*", "即梦出了内部错误，这一张可能已计费，请先到控制台核对，再决定是否重试")
_REJECTED = ErrorRule(".*", "即梦没有接受这个请求，请检查提示词和参数", "request")

_SERVICE_CODES = (
    throttling(LABEL, status=(429,)),
    throttling(LABEL, "50429|50430"),
    ErrorRule("50411", "参考图没有通过审核，请换一张参考图", "moderation"),
    ErrorRule("50412", "提示词没有通过审核，请修改提示词", "moderation"),
    ErrorRule("50413", "提示词含有敏感或受保护的词，请修改提示词", "moderation"),
    ErrorRule("50512", "生成的文字没有通过审核，请修改提示词", "moderation"),
    ErrorRule("50518", "参考图可能涉及版权，没有通过审核，请换一张参考图", "moderation"),
    ErrorRule("50218", "素材没有通过审核，请换一张参考图或修改提示词", "moderation"),
    ErrorRule("50511", "生成的图片没有通过审核，可以再试一次或修改提示词", "moderation", retryable=True),
    ErrorRule("50519", "生成的图片可能涉及版权，可以再试一次或修改提示词", "moderation", retryable=True),
    ErrorRule("50520|50521|50522", "即梦的内容审核出了内部错误，这张没有生成，请稍后再试", "service"),
    pausing("50400", "这个账号没有开通即梦的这个能力，请到火山引擎控制台开通后继续", "key"),
    pausing("50204", "即梦不认识设置里的 JIMENG_REQ_KEY，请改正后继续", "request"),
    ErrorRule("50200", "即梦没有接受这些参数，请修改提示词、尺寸或参考图", "request"),
    ErrorRule("50207", "参考图太小，请换一张大一些的", "request"),
    ErrorRule("50215", "即梦用不了这些输入，请检查参考图能否公开访问、格式是否为 JPEG 或 PNG", "request"),
    replace(_INTERNAL, code="50500|50501"),
)

_NOT_OPENED = "这个账号没有开通{model}，请到火山引擎控制台开通后再试"

_GATEWAY_CODES = (
    throttling(LABEL, status=(429,)),
    throttling(LABEL, "100018"),
    pausing(
        "100003|100005|100009|100010|100024|100025|100026",
        "火山引擎不接受这对密钥，请核对 Access Key ID 和 Secret Access Key",
        "key",
    ),
    pausing("100006", "这台电脑的时间不准，签名被拒绝，请先校准时间", "key"),
    pausing("100012|100013", "这对密钥没有调用即梦的权限，请在火山引擎访问控制里授权", "key"),
    pausing("100002|100004|100007|100008", "火山引擎不认识这个接口，请检查 JIMENG_ENDPOINT", "request"),
    ErrorRule("100015", "火山引擎的网关没有连上即梦", "service", retryable=True),
    replace(_INTERNAL, code="100014|100016|100019|100023"),
)


def submit_error(answer: Response, *secrets: str) -> ModelError | None:
    """Return why a submission was not accepted; None when it was."""
    fields = answer.fields
    metadata = fields.get("ResponseMetadata")
    if isinstance(metadata, dict):
        error = metadata.get("Error")
        return _gateway_error(answer.status, error if isinstance(error, dict) else {}, secrets)
    code = fields.get("code")
    if code == SUCCESS:
        return None
    if not isinstance(code, int):
        return unrecognised(LABEL, answer.status)
    return _service_error(answer.status, code, redacted(fields.get("message", ""), *secrets))


def edit_error(problem: ModelError, answer: Response, label: str) -> ModelError:
    """The error of a model that changes pictures: without it nothing else has to stop."""
    if problem.pauses_batch and (code := answer.fields.get("code")):
        text = message(_NOT_OPENED, model=message(label))
        return ModelError("{text}（{code}）", text=text, code=str(code), cause="request", billed=Billed.NO)
    return problem


def fetch_error(answer: Response, *secrets: str) -> ModelError | None:
    """Return the error that ends a task after a poll; None to read its data or poll again.

    Final errors are those of ``submit_error``. Errors of the poll itself (keys, rights) leave the task id
    valid and the billing unknown.
    """
    problem = submit_error(answer, *secrets)
    if problem is None or problem.throttled or (problem.retryable and problem.cause == "service"):
        return None
    if problem.billed is Billed.UNKNOWN and task_data(answer).get("status") != "done":
        return None  # only the poll failed
    code = answer.fields.get("code")
    if code == _UNKNOWN_TASK:
        return expired(message("即梦不认识这个任务编号（{code}）", code=_UNKNOWN_TASK))
    if problem.pauses_batch:
        return ModelError(
            problem.message, cause=problem.cause, billed=Billed.UNKNOWN, pauses_batch=True, task_valid=True
        )
    if problem.billed is Billed.UNKNOWN:  # the work is done and failed, and failures are not billed
        text = message("即梦没有生成这一张，请再试一次（{code}）", code=str(code))
        return ModelError(text, cause="service", billed=Billed.NO)
    return problem


def key_error(answer: Response, *secrets: str) -> ModelError | None:
    """Return why submissions would be refused, from the query of a nonexistent task; None when accepted.

    The expected response is ``not_found`` or 50215; a throttled call also proves that the key is valid.
    """
    problem = submit_error(answer, *secrets)
    if problem is None or problem.throttled or answer.fields.get("code") == _UNKNOWN_TASK:
        return None
    return problem if problem.pauses_batch else unreadable(LABEL, answer.status)


def timed_out() -> ModelError:
    """Return the error for a task that is still running."""
    text = "等了很久，即梦还没有生成完，可能已计费；可以稍后取回，不会重复下单"
    return ModelError(text, cause="timeout", billed=Billed.UNKNOWN, task_valid=True)


def not_given() -> ModelError:
    """Return the error for a finished task without an image."""
    text = "即梦说已完成，但没有给出图片，可能已计费；可以稍后取回"
    return ModelError(text, cause="service", billed=Billed.UNKNOWN, retryable=True, task_valid=True)


def gone(price: Decimal) -> ModelError:
    """Return the error for an image that is at none of its URLs, also when it is fetched again."""
    unpriced = "图片的下载地址已失效，图片取不回来了；这一张已计费，重新生成会再付一次"
    text = "再取也没有，可以再来一张，再付 ¥{price}" if price else unpriced
    return ModelError(text, price=f"{price:.2f}", cause="download", billed=Billed.YES, task_valid=True)


def expired(why: Message) -> ModelError:
    """Return the error for a task that can no longer be queried."""
    return ModelError(
        "{why}，图片取不回来了，可能已计费，请先到控制台核对，再决定是否重新生成",
        why=why,
        cause="expired",
        billed=Billed.UNKNOWN,
    )


def task_data(answer: Response) -> Mapping[str, Any]:
    """Return ``data`` of a response, empty when absent."""
    found = answer.fields.get("data")
    return found if isinstance(found, dict) else {}


def _gateway_error(status: int, error: Mapping[str, Any], secrets: tuple[str, ...]) -> ModelError:
    number, name = error.get("CodeN"), redacted(error.get("Code", ""), *secrets)
    rule = find_rule(_GATEWAY_CODES, status, str(number) if isinstance(number, int) else "")
    if rule is None:
        return unrecognised(LABEL, status)
    return rule.error(name if rule.throttled else f"{number} {name}".strip())


def _service_error(status: int, code: int, detail: str) -> ModelError:
    if code == 50200 and "req_key" in detail:
        code = 50204
    rule = find_rule(_SERVICE_CODES, status, str(code))
    if rule is not None:
        return rule.error(str(code))
    rule = _REJECTED if status in REFUSED else _INTERNAL
    return rule.error(f"{code} {detail}".strip())
