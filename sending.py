"""The moments around an order that costs money: room on the disk, the ledger's line, the ticket."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

import database
import journal
from domain import Record
from errors import StoreLost


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
        """Before the send; raises BudgetReached, BatchAtRest, DiskLow, StoreLost."""
        self.insist_on_room()
        self.require_store()
        send = database.add_send(self.db, self.record, price=price, budget=self.budget, is_free=is_free)
        journal.tell("sent", self.record, send=send, price=price)

    def keep_ticket(self, ticket: str) -> None:
        """Before the wait. When the database is lost the log keeps it, and the picture is fetched all the same."""

        def keep() -> str:
            try:
                database.keep_ticket(self.db, self.record, ticket)
            except StoreLost as lost:
                return lost.message
            return ""

        if why := self.insist(keep):
            journal.tell("ticket_not_kept", self.record, ticket=ticket, why=why)
        else:
            journal.tell("ticket_kept", self.record)
