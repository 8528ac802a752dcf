"""The family of errors. Each carries one sentence, in Chinese, for the person at the screen.

    AppError                     .message: what happened and what to do
    ├── SettingError             .variable: a wrong setting; the start stops
    ├── InvalidRequest           .field: what was asked for cannot be asked for
    ├── SpreadsheetError         .row, .column: a workbook that cannot be read
    ├── TooLarge                 an upload beyond its bound
    ├── Forbidden                a caller that may not do this
    ├── NotFound                 no such record, batch, picture
    ├── Conflict                 not possible in the present state
    ├── KeyReused                a request key that stands for another request
    ├── Busy                     .retry_after: possible, but not at this moment
    ├── ModelError               .billed, .retryable, .cause, …: the image model did not deliver
    └── StorageError             disk or database would not take it
        ├── WriteRefused         the database takes no writes for now: locked, full, read-only
        ├── StoreLost            the database file is gone or another one: nothing is ordered
        │   └── StoreDamaged     … or its contents are broken, until the restart
        └── BucketError          .passing: the bucket (OSS) would not; waiting may help, or a setting is wrong

This room knows nothing of HTTP and imports nothing of ours.
"""

from enum import StrEnum


class AppError(Exception):
    """Root of the family; ``message`` is one Chinese sentence that says what to do."""

    def __init__(self, message: str) -> None:
        self.message = message.encode("utf-8", "replace").decode()  # a service may send half a character
        super().__init__(self.message)


class SettingError(AppError):
    """A setting is wrong; ``variable`` names it and the message repeats the name."""

    def __init__(self, variable: str, message: str) -> None:
        super().__init__(f"{variable}：{message}")
        self.variable = variable


class InvalidRequest(AppError):
    """A field of a request is outside what is possible; ``field`` is its name as in the API."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class SpreadsheetError(AppError):
    """A workbook cannot be read at all; ``row`` and ``column`` say where, when there is a where."""

    def __init__(self, message: str, *, row: int | None = None, column: str | None = None) -> None:
        super().__init__(message)
        self.row = row
        self.column = column


class TooLarge(AppError):
    """An upload is larger than its bound."""


class Forbidden(AppError):
    """The caller may not do this: an unknown host, another site, no password."""


class NotFound(AppError):
    """There is no such record, batch or picture."""


class Conflict(AppError):
    """The present state does not allow it."""


class KeyReused(AppError):
    """The key of a request was used before, for another request."""


class TryLater(AppError):
    """It is possible, but not at this moment; ``retry_after`` seconds later it may be, 0: not known."""

    def __init__(self, message: str, *, retry_after: int = 0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


# Why a picture did not come, for people.
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
    """What is known of the money after a send."""

    NO = "no"
    YES = "yes"
    UNKNOWN = "unknown"


class ModelError(AppError):
    """The image model did not deliver, with what the worker needs to know to go on.

    billed         whether the send that failed may have been charged
    retryable      a later try of the same step may succeed
    slow_down      the service asked for fewer calls (429, 50429, 50430)
    pauses_batch   nothing else would succeed either: wrong key, missing entitlement, empty account
    ticket_usable  the ticket (if there was one) can still be collected
    gone           the picture was made, and its address is dead: if it still is at the last try, it is lost
    cause          one word to group failures by: a key of CAUSES
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
    """The disk or the database would not take it."""


class WriteRefused(StorageError):
    """The database takes no writes for now (locked, full, read-only); nothing was changed."""


class StoreLost(StorageError):
    """The path of the database leads to no file, or to another one than was opened."""


class StoreDamaged(StoreLost):
    """The database file is broken, or no database at all."""


class BucketError(StorageError):
    """OSS would not do it. ``passing``: a later try may succeed; else a setting has to be changed."""

    def __init__(self, message: str, *, transient: bool) -> None:
        super().__init__(message)
        self.transient = transient
