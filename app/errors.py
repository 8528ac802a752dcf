"""Sentences for people, and the exception tree: each error carries one sentence.

    AppError                     .message: what happened and what to do
    ├── SettingError             .variable: invalid setting; startup is aborted
    ├── InvalidRequest           .field: invalid value in a request
    ├── SpreadsheetError         .row, .column: unreadable workbook
    ├── TooLarge                 upload exceeds its limit
    ├── Forbidden                caller not permitted
    │   ├── LoginRequired        no login, or it has expired
    │   └── TokenRefused         no such token, or it has expired
    ├── NotFound                 no such record, batch or picture
    ├── Conflict                 not possible in the present state
    ├── KeyReused                request key already used for another request
    ├── TryLater                 .retry_after: temporarily not possible
    │   └── TooManyAttempts      this address tried too often
    ├── ModelError               .billed, .retryable, .cause, …: the image model returned no picture
    └── StorageError
        ├── DiskError            a file cannot be read or written
        ├── DatabaseError        the database cannot be read or written
        │   ├── WriteRefused     for now: locked, full, read-only
        │   └── StoreLost        the database file is missing or replaced: nothing is submitted
        │       └── StoreDamaged the database file is corrupt, until the restart
        └── BucketError          .transient: bucket (OSS) error; retry, or fix a setting

Knows nothing of HTTP and imports no other module of the project.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

PLACEHOLDER = re.compile(r"\{(\w+)(?::([^{}|]*)\|([^{}|]*))?\}")


@dataclass(frozen=True, slots=True)
class Message:
    """One sentence: ``id`` is Chinese with ``{name}`` placeholders, and the key of its translations.

    A value is shown as text, unless it is a message, or a tuple: a list of values.
    """

    id: str
    values: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.render(str)

    def __bool__(self) -> bool:
        return bool(self.id)

    def render(self, translate: Callable[[str], str]) -> str:
        """The sentence in the language of ``translate``, which maps ids, and the ``、`` of a list.

        A translation may select a plural, ``{n:picture|pictures}``. Placeholders without a value stay.
        """

        def text_of(value: object) -> str:
            if isinstance(value, tuple):
                return translate("、").join(map(text_of, value))
            return value.render(translate) if isinstance(value, Message) else str(value)

        def fill(found: re.Match[str]) -> str:
            name, one, many = found.groups()
            if name not in self.values:
                return found[0]
            text = text_of(self.values[name])
            return text if one is None else one if text == "1" else many

        text = PLACEHOLDER.sub(fill, translate(self.id))
        return text.encode("utf-8", "replace").decode()  # a service may return a lone surrogate

    def to_json(self) -> str:
        """The message as JSON text, for storing."""
        return to_json(self)

    @classmethod
    def from_json(cls, text: str) -> "Message":
        """The message that ``to_json`` has written."""
        return _message_from(json.loads(text))


def to_json(value: object) -> str:
    """JSON text of what has messages in it, for storing."""
    text = json.dumps(value, default=_json_value, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()


def from_json(text: str) -> Any:
    """What ``to_json`` has written, with lists for tuples. Raises ValueError."""
    return json.loads(text, object_hook=_value_from)


Translate = Callable[[str | Message], str]  # into the language of the user; ``str`` is Chinese


def message(text: str | Message, /, **values: object) -> Message:
    """A message outside of an error: a line of a log, a note, a label; a message is returned as it is."""
    return text if isinstance(text, Message) else Message(text, values)


def _json_value(value: object) -> object:
    return {"id": value.id, "values": {**value.values}} if isinstance(value, Message) else str(value)


def _message_from(fields: Any) -> Message:
    return Message(fields["id"], {name: _value_from(value) for name, value in fields["values"].items()})


def _value_from(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_value_from, value))
    is_message = isinstance(value, dict) and value.keys() == {"id", "values"}
    return _message_from(value) if is_message else value


class AppError(Exception):
    """Base class; ``message`` is one sentence that says what happened and what to do."""

    def __init__(self, text: str | Message, /, **values: object) -> None:
        self.message = message(text, **values)
        super().__init__(str(self.message))


class SettingError(AppError):
    """Invalid setting; ``variable`` is its name, which also starts the message, before the ``problem``."""

    def __init__(self, variable: str, text: str | Message, /, **values: object) -> None:
        self.variable, self.problem = variable, message(text, **values)
        super().__init__("{variable}：{problem}", variable=variable, problem=self.problem)


class InvalidRequest(AppError):
    """Invalid field of a request; ``field`` is its name in the API."""

    def __init__(self, field: str, text: str | Message, /, **values: object) -> None:
        super().__init__(text, **values)
        self.field = field


class SpreadsheetError(AppError):
    """A workbook cannot be read; ``row`` and ``column`` give the place, None if there is none."""

    def __init__(
        self, text: str | Message, /, *, row: int | None = None, column: str | None = None, **values: object
    ) -> None:
        super().__init__(text, **values)
        self.row = row
        self.column = column


class TooLarge(AppError):
    """An upload exceeds its limit."""


class Forbidden(AppError):
    """The caller is not permitted: unknown host, cross-site request, no password."""


class LoginRequired(Forbidden):
    """The caller has not logged in, or the login has expired."""


class TokenRefused(Forbidden):
    """The token of a call is none, or has expired, or its person is switched off."""


class NotFound(AppError):
    """There is no such record, batch or picture."""


class Conflict(AppError):
    """The operation is not possible in the present state."""


class KeyReused(AppError):
    """The request key was already used for another request."""


class TryLater(AppError):
    """Temporarily not possible; ``retry_after`` is in seconds, 0 if unknown."""

    def __init__(self, text: str | Message, /, *, retry_after: int = 0, **values: object) -> None:
        super().__init__(text, **values)
        self.retry_after = retry_after


class TooManyAttempts(TryLater):
    """This address has tried too often what is not known."""


# Regular expression for the repr of a failed call -> its reason.
_NETWORK_REASONS = {
    "Name or service|NameResolution|getaddrinfo|nodename": message("域名解析失败"),
    "refused|10061": message("连接被拒绝"),
    "CERTIFICATE|certificate": message("证书无效"),
    "SOCKS": message("用不了 SOCKS 代理"),
    "Tunnel connection failed": message("代理没有放行"),
    "ConnectTimeout": message("连接超时"),
    "timed out|Timeout": message("等待答复超时"),
    "ResponseTooLarge": message("内容过大"),
}


def network_reason(problem: BaseException) -> Message:
    """A short reason for a failed call, without its URL or content."""
    text = repr(problem)
    found = (why for pattern, why in _NETWORK_REASONS.items() if re.search(pattern, text))
    return next(found, message("连接中断"))


# Display names of the causes of failure.
CAUSES = {
    "moderation": "内容审核没有通过",
    "key": "密钥、权限或余额",
    "limit": "服务限流",
    "network": "网络连接中断",
    "request": "参数不被接受",
    "service": "服务出错",
    "timeout": "超时",
    "download": "图片下载失败",
    "broken": "图片不完整",
    "expired": "结果已过期",
    "interrupted": "程序中断",
    "storage": "磁盘写不进去",
    "oss": "参考图取不到（OSS）",
    "upload": "没存进 OSS",
    "dropped": "已放弃",
    "restored": "备份以后做的",
    "returning": "正在收回来",
}


class Billed(StrEnum):
    """Whether a failed call was charged."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class ModelError(AppError):
    """The image model returned no picture; the attributes drive the worker's decision.

    billed         whether the failed call was charged
    retryable      retrying the same step may succeed
    throttled      the service asked for fewer calls (429, 50429, 50430)
    pauses_batch   every other record would fail too: wrong key, missing entitlement, empty account
    task_valid     the task id (if any) can still be fetched
    url_expired    the image exists but its URL does not work; lost if that persists to the last try
    cause          groups failures: a key of CAUSES
    """

    def __init__(
        self,
        text: str | Message,
        /,
        *,
        cause: str,
        billed: Billed,
        retryable: bool = False,
        throttled: bool = False,
        pauses_batch: bool = False,
        task_valid: bool = False,
        url_expired: bool = False,
        **values: object,
    ) -> None:
        super().__init__(text, **values)
        self.cause = cause
        self.billed = billed
        self.retryable = retryable
        self.throttled = throttled
        self.pauses_batch = pauses_batch
        self.task_valid = task_valid
        self.url_expired = url_expired


class StorageError(AppError):
    """A disk, database or bucket error."""


class DiskError(StorageError):
    """A file cannot be read or written."""


class DatabaseError(StorageError):
    """The database cannot be read or written."""


class WriteRefused(DatabaseError):
    """The database is not writable for now (locked, full, read-only); nothing was changed."""


class StoreLost(DatabaseError):
    """The database file is missing, or is not the one that was opened."""


class StoreDamaged(StoreLost):
    """The database file is corrupt, or not a database."""


class BucketError(StorageError):
    """OSS returned an error. ``transient``: a retry may succeed; otherwise a setting must be changed."""

    def __init__(self, text: str | Message, /, *, transient: bool, **values: object) -> None:
        super().__init__(text, **values)
        self.transient = transient
