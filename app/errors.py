"""The exception tree. Each error carries one Chinese sentence for the user.

    AppError                     .message: what happened and what to do
    ├── SettingError             .variable: invalid setting; startup is aborted
    ├── InvalidRequest           .field: invalid value in a request
    ├── SpreadsheetError         .row, .column: unreadable workbook
    ├── TooLarge                 upload exceeds its limit
    ├── Forbidden                caller not permitted
    ├── NotFound                 no such record, batch or picture
    ├── Conflict                 not possible in the present state
    ├── KeyReused                request key already used for another request
    ├── TryLater                 .retry_after: temporarily not possible
    ├── ModelError               .billed, .retryable, .cause, …: the image model returned no picture
    └── StorageError             disk or database error
        ├── WriteRefused         the database is not writable for now: locked, full, read-only
        ├── StoreLost            the database file is missing or replaced: nothing is submitted
        │   └── StoreDamaged     the database file is corrupt, until the restart
        └── BucketError          .transient: bucket (OSS) error; retry, or fix a setting

Knows nothing of HTTP and imports no other module of the project.
"""

from enum import StrEnum


class AppError(Exception):
    """Base class; ``message`` is one Chinese sentence that says what to do."""

    def __init__(self, message: str) -> None:
        self.message = message.encode("utf-8", "replace").decode()  # a service may return a lone surrogate
        super().__init__(self.message)


class SettingError(AppError):
    """Invalid setting; ``variable`` is its name, which also starts the message."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable}：{message}")
        self.variable = variable


class InvalidRequest(AppError):
    """Invalid field of a request; ``field`` is its name in the API."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SpreadsheetError(AppError):
    """A workbook cannot be read; ``row`` and ``column`` give the place, None if there is none."""

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class TooLarge(AppError):
    """An upload exceeds its limit."""


class Forbidden(AppError):
    """The caller is not permitted: unknown host, cross-site request, no password."""


class NotFound(AppError):
    """There is no such record, batch or picture."""


class Conflict(AppError):
    """The operation is not possible in the present state."""


class KeyReused(AppError):
    """The request key was already used for another request."""


class TryLater(AppError):
    """Temporarily not possible; ``retry_after`` is in seconds, 0 if unknown."""

    def __init__(self, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Display names of the causes of failure.
CAUSES = {
    "moderation": "内容审核没有通过",
    "key": "密钥、权限或余额",
    "limit": "服务限流",
    "network": "网络",
    "request": "参数不被接受",
    "service": "服务出错",
    "timeout": "超时",
    "download": "图片下载失败",
    "broken": "图片不完整",
    "expired": "已过期",
    "interrupted": "程序中断",
    "storage": "磁盘写不进去",
    "oss": "参考图取不到（OSS）",
    "dropped": "已放弃",
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
    gone           the picture was made but its URL is not available; lost if that persists to the last try
    cause          groups failures: a key of CAUSES
    """

    def __init__(
        self,
        message: str,
        *,
        cause: str,
        billed: Billed,
        retryable: bool = False,
        throttled: bool = False,
        pauses_batch: bool = False,
        task_valid: bool = False,
        gone: bool = False,
    ) -> None:
        super().__init__(message)
        self.cause = cause
        self.billed = billed
        self.retryable = retryable
        self.throttled = throttled
        self.pauses_batch = pauses_batch
        self.task_valid = task_valid
        self.gone = gone


class StorageError(AppError):
    """A disk or database error."""


class WriteRefused(StorageError):
    """The database is not writable for now (locked, full, read-only); nothing was changed."""


class StoreLost(StorageError):
    """The database file is missing, or is not the one that was opened."""


class StoreDamaged(StoreLost):
    """The database file is corrupt, or not a database."""


class BucketError(StorageError):
    """OSS returned an error. ``transient``: a retry may succeed; otherwise a setting must be changed."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient
