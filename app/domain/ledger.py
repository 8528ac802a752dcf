"""The nouns of money: a line of the ledger, what lines come to, and what nobody knows yet. No I/O.

A *send* is one call that may have cost money. ``outcome`` is a key of OUTCOMES; times are UTC.
"""

from dataclasses import dataclass, fields
from decimal import Decimal

from app.domain import Record, Status

OUTCOMES = {
    "open": "进行中",
    "billed": "已计费",
    "not_billed": "没有计费",
    "unknown": "结果未知，可能已计费",
}


def known_amount(amount: Decimal, unpriced: int) -> Decimal | None:
    """What sends came to as it may be told: None when none of them has a price that anybody knows."""
    return None if unpriced and not amount else amount


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A line of the ledger; the record may be gone. ``settled_at`` is set when a person said the outcome.

    ``price`` is CNY; None: nobody knew it, so what was spent by it is not known either.
    """

    id: int
    record_id: int
    batch_id: str | None
    batch_name: str
    row_number: int | None
    prompt: str
    model: str
    price: Decimal | None
    outcome: str
    cause: str
    ticket: str
    sent_at: str
    closed_at: str | None
    settled_at: str | None

    @property
    def billed(self) -> Decimal | None:
        """CNY that were spent by it."""
        return self.price if self.outcome == "billed" else Decimal(0)

    @property
    def at_stake(self) -> Decimal | None:
        """CNY that may have been spent by it."""
        return self.price if self.outcome in ("unknown", "open") else Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendTotals:
    """What sends come to: CNY, and how many they are; unpriced ones are in the numbers, not in the money."""

    billed: Decimal = Decimal(0)
    pictures: int = 0
    unpriced_pictures: int = 0
    unknown: Decimal = Decimal(0)
    unknown_sends: int = 0
    unpriced_unknown: int = 0
    open: Decimal = Decimal(0)
    open_sends: int = 0
    unpriced_open: int = 0
    unpaid_sends: int = 0

    @classmethod
    def of(cls, send: Charge) -> "SpendTotals":
        """What one line comes to."""
        price, unpriced = send.price or Decimal(0), int(send.price is None)
        if send.outcome == "billed":
            return cls(billed=price, pictures=1, unpriced_pictures=unpriced)
        if send.outcome == "unknown":
            return cls(unknown=price, unknown_sends=1, unpriced_unknown=unpriced)
        if send.outcome == "open":
            return cls(open=price, open_sends=1, unpriced_open=unpriced)
        return cls(unpaid_sends=1)

    def __add__(self, other: "SpendTotals") -> "SpendTotals":
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return SpendTotals(**sums)

    @property
    def sends(self) -> int:
        """How many sends there are in it."""
        return self.pictures + self.unknown_sends + self.open_sends + self.unpaid_sends

    @property
    def unpriced(self) -> int:
        """How many sends cost, or may have cost, what nobody knows."""
        return self.unpriced_pictures + self.unpriced_unknown + self.unpriced_open


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpend:
    """A batch and what it came to."""

    id: str
    name: str
    created_at: str
    spent: SpendTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedCharge:
    """A record with sends that nobody knows the outcome of; ``record`` is None when it is gone for good.

    ``batch_paused`` says that nothing of its batch is started at the moment.
    """

    record_id: int
    record: Record | None
    batch_name: str
    batch_paused: bool
    sent_at: str
    sends: int
    at_stake: Decimal | None

    @property
    def is_unknown(self) -> bool:
        """Whether the picture itself is what nobody knows of; else a later order brought it, or will."""
        return self.record is not None and self.record.status is Status.UNKNOWN

    @property
    def collectable(self) -> bool:
        """Whether its ticket is still there."""
        return self.is_unknown and bool(self.record and self.record.ticket and self.record.batch_id)

    @property
    def orderable(self) -> bool:
        """Whether it can be ordered again."""
        return self.is_unknown and bool(self.record and self.record.batch_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedCounts:
    """How many records are in doubt, how many can be collected or only ordered again, and the money.

    Money is None when some of it has no known price.
    """

    records: int
    at_stake: Decimal | None
    collectable: int
    orderable: int
    orderable_at_stake: Decimal | None
