"""The moments around an order that costs money: room on the disk, the ledger's line, the ticket."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import database
from app import log
from app.domain import Record, whole_characters
from app.errors import Billed, ModelError, StorageError, StoreLost, WriteRefused

# For pictures that were delivered and cannot be had again, by cause.
NOT_AGAIN = {
    "broken": "收到的图片打不开，也不能再取一次，可能已计费，请决定是否重新生成",
    "storage": "图片已生成，但没能保存，也不能再取一次，可能已计费，请先腾出磁盘空间，再决定是否重新生成",
}


_T = TypeVar("_T")


class NotNoted(Exception):
    """The database did not take the ledger's line: nothing was sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLedger:
    """The ledger of one record: what generator must have written before it goes on."""

    db: database.Connection
    record: Record
    budget: Decimal | None
    insist_on_room: Callable[[], None]
    require_store: Callable[[], None]
    insist: Callable[[Callable[[], object]], object]

    def note_send(self, price: Decimal | None, *, is_free: bool) -> None:
        """Before the send; raises BudgetReached, BatchAtRest, DiskLow, StoreLost, NotNoted."""
        self.insist_on_room()
        self.require_store()
        try:
            send = database.open_charge(
                self.db, self.record, price=price, budget=self.budget, is_free=is_free
            )
        except WriteRefused as refused:
            raise NotNoted(refused.message) from refused
        log.record_event("sent", self.record, send=send, price=price)

    def keep_ticket(self, ticket: str) -> None:
        """Before the wait. With the database lost the log keeps it, and the picture is fetched anyway.

        Raises ModelError when it is no valid text, which no database keeps; then it stands in the log.
        """
        if whole_characters(ticket) != ticket:
            log.record_event("ticket_unreadable", self.record, ticket=ascii(ticket))
            raise _unreadable(ticket)

        def keep() -> str:
            try:
                database.save_task_id(self.db, self.record, ticket)
            except StoreLost as lost:
                return lost.message
            return ""

        if why := self.insist(keep):
            log.record_event("ticket_not_kept", self.record, ticket=ticket, why=why)
        else:
            log.record_event("ticket_kept", self.record)


def insist(write: Callable[[], _T], refusal: log.Condition, *, stops: Callable[[float], bool]) -> _T:
    """Write what must not be forgotten: each second anew while the database would not take it.

    ``stops`` waits that long -> whether to give up; then the StorageError is raised.
    """
    while True:
        try:
            written = write()
        except StorageError as error:
            refusal.begin(error.message)
            if stops(1.0):
                raise
        else:
            refusal.end()
            return written


def not_kept(error: StorageError) -> ModelError:
    """A picture that came and that the disk would not take."""
    told = f"图片已生成，但没能保存：{error.message}"
    return ModelError(told, cause="storage", billed=Billed.YES, task_valid=True)


def _unreadable(ticket: str) -> ModelError:
    shown = ascii(ticket.partition("?")[0])[1:-1][:100]  # what follows in an address may be its signature
    text = f"服务给的任务编号「{shown}」不是完整的文字，图片取不回来，可能已计费，请先到控制台核对"
    return ModelError(text, cause="service", billed=Billed.UNKNOWN)
