"""What an error of a service means: each service has one table of ``ErrorRule``, the first match counts."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass
from functools import partial
from typing import Any

from app.domain import KEY, whole_characters
from app.errors import Billed, Message, ModelError, message

# A proxy may return these after forwarding: timeout, failed dependency, closed connection.
AFTER_SENDING = frozenset({408, 424, 444, 460, 499})
# From the service or a proxy, these prove that a request was not accepted.
REFUSED = frozenset(range(400, 500)) - AFTER_SENDING


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """A row of a service's error table: the errors it matches, and the ModelError they become.

    code    regular expression for the whole error code
    text    the sentence for the user, followed by the service's message if ``quotes``, then by the code
    status  HTTP statuses; any if empty
    """

    code: str
    text: str | Message
    cause: str
    _: KW_ONLY
    status: Container[int] = ()
    billed: Billed = Billed.NO
    retryable: bool = False
    throttled: bool = False
    pauses_batch: bool = False
    quotes: bool = False

    def matches(self, status: int, code: str) -> bool:
        """Whether an error with this HTTP status and code is meant."""
        return (not self.status or status in self.status) and bool(re.fullmatch(self.code, code))

    def error(self, code: str, detail: str = "") -> ModelError:
        """Return the error, with the code and the service's message."""
        text = message(self.text)
        if self.quotes and detail:
            text = message("{text}：{detail}", text=text, detail=detail)
        return ModelError(
            "{text}（{code}）",
            text=text,
            code=code,
            cause=self.cause,
            billed=self.billed,
            retryable=self.retryable,
            throttled=self.throttled,
            pauses_batch=self.pauses_batch,
        )


def find_rule(rules: Iterable[ErrorRule], status: int, code: str) -> ErrorRule | None:
    """Return the first rule that matches, or None."""
    return next((rule for rule in rules if rule.matches(status, code)), None)


pausing = partial(ErrorRule, pauses_batch=True)
failed = partial(ErrorRule, cause="service", billed=Billed.UNKNOWN)  # the service, billed or not


def throttling(label: Message, code: str = ".*", *, status: Container[int] = ()) -> ErrorRule:
    """Return the rule for calls that a service throttles."""
    text = message("{label}说请求太多", label=label)
    return ErrorRule(code, text, "limit", status=status, retryable=True, throttled=True)


def unrecognised(label: Message, status: int) -> ModelError:
    """Return the error for a response to a submission that is not in the service's format.

    Redirects and the statuses of ``REFUSED`` mean "not accepted"; others leave that open.
    """
    if status == 429:
        return throttling(label).error("HTTP 429")
    billed, pauses, cause = Billed.NO, False, "request"
    if status in (301, 302, 303, 307, 308, 404, 405):
        text, pauses = "{label}的地址不对（HTTP {status}），请检查设置里的服务地址", True
    elif status in (401, 403, 407):
        text, pauses, cause = "{label}拒绝了访问（HTTP {status}），请检查密钥和权限", True, "key"
    elif status in REFUSED:
        text = "{label}没有接受这个请求（HTTP {status}），请检查提示词和参数"
    else:
        text = "{label}的答复无法识别（HTTP {status}），可能已计费，请先到服务商的控制台核对，再决定是否重试"
        billed, cause = Billed.UNKNOWN, "service"
    return ModelError(text, label=label, status=status, cause=cause, billed=billed, pauses_batch=pauses)


def outcome_unknown(label: str | Message, reason: str | Message) -> ModelError:
    """Return the error for a submission with an unknown outcome."""
    return ModelError(
        "请求已发给{label}，但没有收到完整的答复（{reason}），可能已计费，请先到服务商的控制台核对，再决定是否重试",
        label=label,
        reason=reason,
        cause="network",
        billed=Billed.UNKNOWN,
    )


def at_least_unknown(problem: ModelError, status: int, usage: Mapping[str, int] | None = None) -> ModelError:
    """The error of a submission: possibly billed when HTTP status 200 or ``usage`` say that it was accepted;
    what would be retried, or meet every row, then pauses the batch."""
    if problem.billed is not Billed.NO or not (status == 200 or (usage or {}).get("generated_images")):
        return problem
    return ModelError(
        "{problem}；服务收下了请求，可能已计费，请先到服务商的控制台核对",
        problem=problem.message,
        cause=problem.cause,
        billed=Billed.UNKNOWN,
        throttled=problem.throttled,
        pauses_batch=problem.pauses_batch or problem.throttled,
    )


def parse_error(fields: Mapping[str, Any]) -> tuple[str, str]:
    """Return code and message of an error in the OpenAI format or a variant; empty when absent.

    Servers send ``error`` as an object or as text, or ``detail`` (text or a list) or ``errors``.
    """
    error = fields.get("error")
    if isinstance(error, dict):
        code = error.get("code") or error.get("type") or ""
        return str(code), str(error.get("message") or "")
    detail = fields.get("detail") or fields.get("errors") or fields.get("message") or ""
    if isinstance(detail, list):
        detail = "；".join(str(each.get("msg", each) if isinstance(each, dict) else each) for each in detail)
    return ("", f"{error or ''} {detail}".strip())


def redacted(text: Any, *secrets: str) -> str:
    """Return a service's message on one line, at most 160 characters, without our keys."""
    line = " ".join(whole_characters(str(text)).split())
    for secret in filter(None, secrets):
        line = line.replace(secret, "***")
    return re.sub(KEY, "***", line)[:160]
