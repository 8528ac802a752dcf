"""The steps around a paid call: the disk check, the charge in the ledger, the task id."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import database
from app import log
from app.domain import Record, whole_characters
from app.errors import Billed, ModelError, StorageError, StoreLost, WriteRefused

# Messages for images that were delivered and cannot be fetched again, by cause.
NOT_AGAIN = {
    "broken": "收到的图片打不开，也不能再取一次，可能已计费，请决定是否重新生成",
    "storage": "图片已生成，但没能保存，也不能再取一次，可能已计费，请先腾出磁盘空间，再决定是否重新生成",
}


_T = TypeVar("_T")


class NotNoted(Exception):
    """The database did not save the charge: nothing was submitted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLedger:
    """Writes what ``generator`` needs saved before it continues with one record."""

    db: database.Connection
    record: Record
    budget: Decimal | None
    insist_on_room: Callable[[], None]
    require_store: Callable[[], None]
    insist: Callable[[Callable[[], object]], object]

    def note_send(self, price: Decimal | None, *, is_free: bool) -> None:
        """Open the charge before submitting.

        Raises BudgetReached, BatchNotActive, DiskLow, StoreLost, NotNoted.
        """
        self.insist_on_room()
        self.require_store()
        try:
            send = database.open_charge(
                self.db, self.record, price=price, budget=self.budget, is_free=is_free
            )
        except WriteRefused as refused:
            raise NotNoted(refused.message) from refused
        log.record_event("sent", self.record, send=send, price=price)

    def keep_ticket(self, task_id: str) -> None:
        """Save the task id before polling; when the database is lost it is only logged, and polling goes on.

        Raises ModelError when the id is not valid Unicode and cannot be stored; it is logged.
        """
        if whole_characters(task_id) != task_id:
            log.record_event("ticket_unreadable", self.record, task_id=ascii(task_id))
            raise _unreadable(task_id)

        def keep() -> str:
            try:
                database.save_task_id(self.db, self.record, task_id)
            except StoreLost as lost:
                return str(lost)
            return ""

        if why := self.insist(keep):
            log.record_event("ticket_not_kept", self.record, task_id=task_id, why=why)
        else:
            log.record_event("ticket_kept", self.record)


def insist(write: Callable[[], _T], refusal: log.Condition, *, stops: Callable[[float], bool]) -> _T:
    """Call ``write`` every second until the database accepts it.

    ``stops`` sleeps that many seconds -> whether to give up; then the StorageError is raised.
    """
    while True:
        try:
            written = write()
        except StorageError as error:
            refusal.begin(str(error))
            if stops(1.0):
                raise
        else:
            refusal.end()
            return written


def not_kept(error: StorageError) -> ModelError:
    """The error for an image that was received and could not be saved to disk."""
    sentence = f"图片已生成，但没能保存：{error.message}"
    return ModelError(sentence, cause="storage", billed=Billed.YES, task_valid=True)


def _unreadable(task_id: str) -> ModelError:
    shown = ascii(task_id.partition("?")[0])[1:-1][:100]  # the query of a URL may contain its signature
    text = f"服务给的任务编号「{shown}」不是完整的文字，图片取不回来，可能已计费，请先到控制台核对"
    return ModelError(text, cause="service", billed=Billed.UNKNOWN)
