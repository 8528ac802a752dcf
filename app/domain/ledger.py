"""What is spent and what may be: charges, their totals, unresolved charges, and budgets. No I/O.

A charge is one call that may cost money. ``outcome`` is a key of OUTCOMES; times are UTC.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum

from app.domain.records import Record, Status
from app.errors import Message, message

OUTCOMES = {
    "open": "进行中",
    "billed": "已计费",
    "not_billed": "没有计费",
    "unknown": "结果未知，可能已计费",
}


def known_amount(amount: Decimal, unpriced: int) -> Decimal | None:
    """The amount to display: None when it is 0 and some of its charges have no known price."""
    return None if unpriced and not amount else amount


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedUsage:
    """What a service reports of one submission: numbers by its own names, empty when it reports none.

    ``references`` is how many reference images were sent. ``cost`` is CNY, if the service that bills says so.
    """

    charge_id: int
    counts: Mapping[str, int]
    references: int
    cost: Decimal | None = None

    @property
    def differs(self) -> bool:
        """Whether it reports another number of pictures or references than was ordered."""
        ordered = {"generated_images": 1, "input_images": self.references}
        return any(self.counts.get(name, number) != number for name, number in ordered.items())


def usage_text(counts: Mapping[str, int]) -> Message:
    """What was reported of a differing charge, as a sentence."""
    made, used = counts.get("generated_images", 1), counts.get("input_images")
    if used is None:
        return message("服务报告画了 {made} 张", made=made)
    return message("服务报告画了 {made} 张，用了 {used} 张参考图", made=made, used=used)


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """One line of the ledger. Its record may be deleted; ``resolved_at`` is set when it was resolved by hand.

    ``price`` is CNY; None if unknown. ``task_id`` is the provider's task id, ``usage`` what it reported.
    ``columns`` are the user's own of the row, kept when its record is deleted; ``person`` is a name.
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
    task_id: str
    opened_at: str
    closed_at: str | None
    resolved_at: str | None
    table_name: str = ""
    filename: str = ""
    person: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    usage: Mapping[str, int] = field(default_factory=dict)

    @property
    def billed(self) -> Decimal | None:
        """CNY charged; None if the price is unknown."""
        return self.price if self.outcome == "billed" else Decimal(0)

    @property
    def at_stake(self) -> Decimal | None:
        """CNY possibly charged; None if the price is unknown."""
        return self.price if self.outcome in ("unknown", "open") else Decimal(0)

    def own_text(self, column: str) -> str:
        """The text of one of the user's own columns, by which charges are grouped; empty without one."""
        text = self.columns.get(column)
        return text.strip(" ") if isinstance(text, str) else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendTotals:
    """Totals of charges in CNY, and their numbers; unpriced charges count in the numbers only."""

    billed: Decimal = Decimal(0)
    pictures: int = 0
    unpriced_pictures: int = 0
    unknown: Decimal = Decimal(0)
    unknown_charges: int = 0
    unpriced_unknown: int = 0
    open: Decimal = Decimal(0)
    open_charges: int = 0
    unpriced_open: int = 0
    unpaid_charges: int = 0

    @classmethod
    def of(cls, charge: Charge) -> "SpendTotals":
        """The totals of a single charge."""
        unpriced = int(charge.price is None)
        return cls.of_outcome(charge.outcome, charge.price or Decimal(0), number=1, unpriced=unpriced)

    @classmethod
    def of_outcome(cls, outcome: str, amount: Decimal, *, number: int, unpriced: int) -> "SpendTotals":
        """The totals of charges with the same outcome."""
        if outcome == "billed":
            return cls(billed=amount, pictures=number, unpriced_pictures=unpriced)
        if outcome == "unknown":
            return cls(unknown=amount, unknown_charges=number, unpriced_unknown=unpriced)
        if outcome == "open":
            return cls(open=amount, open_charges=number, unpriced_open=unpriced)
        return cls(unpaid_charges=number)

    def __add__(self, other: "SpendTotals") -> "SpendTotals":
        sums = {each.name: getattr(self, each.name) + getattr(other, each.name) for each in fields(self)}
        return SpendTotals(**sums)

    @property
    def charges(self) -> int:
        """Number of charges."""
        return self.pictures + self.unknown_charges + self.open_charges + self.unpaid_charges

    @property
    def unconfirmed(self) -> Decimal:
        """CNY of open and unknown charges."""
        return self.unknown + self.open

    @property
    def unpriced_unconfirmed(self) -> int:
        """Number of open and unknown charges without a known price."""
        return self.unpriced_unknown + self.unpriced_open

    @property
    def unpriced(self) -> int:
        """Number of charged, open or unknown charges without a known price."""
        return self.unpriced_pictures + self.unpriced_unconfirmed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSpend:
    """A batch and its totals; ``number_in_minute`` as in Batch."""

    id: str
    name: str
    created_at: str
    spent: SpendTotals
    number_in_minute: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendGroup:
    """The totals of the charges that share a value: the id of a model, batch, table or person, or the text
    of an own column; empty without one.

    ``name`` is that of the batch, table or person, or the first prompt of a table without a name;
    ``created_at`` is empty when it is there no more. ``number_in_minute`` as in Batch.
    """

    key: str
    name: str = ""
    created_at: str = ""
    number_in_minute: int = 1
    spent: SpendTotals


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedCharge:
    """A record with charges of unknown outcome; ``record`` is None when it was deleted permanently.

    ``batch_paused``: no record of its batch is being started. ``charges`` is the number of charges.
    """

    record_id: int
    record: Record | None
    batch_name: str
    batch_paused: bool
    opened_at: str
    charges: int
    at_stake: Decimal | None

    @property
    def is_unknown(self) -> bool:
        """Whether the record's own status is unknown; if not, it was resubmitted since."""
        return self.record is not None and self.record.status is Status.UNKNOWN

    @property
    def collectable(self) -> bool:
        """Whether its result can be fetched by its task id."""
        return self.is_unknown and bool(self.record and self.record.task_id and self.record.batch_id)

    @property
    def orderable(self) -> bool:
        """Whether it can be resubmitted."""
        return self.is_unknown and bool(self.record and self.record.batch_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnresolvedCounts:
    """How many records are unresolved, can be fetched, or can only be resubmitted, and the amounts.

    Amounts are CNY, None when a price in them is unknown.
    """

    records: int
    at_stake: Decimal | None
    collectable: int
    orderable: int
    orderable_at_stake: Decimal | None


MAX_BUDGET = Decimal(10_000_000)  # CNY
_NEAR = Decimal("0.8")


class BudgetScope(StrEnum):
    """What a budget limits."""

    TOTAL = "total"
    MONTH = "month"  # the calendar month of the machine's time zone
    BATCH = "batch"  # each batch


BUDGET_LABELS = {
    BudgetScope.TOTAL: "总预算",
    BudgetScope.MONTH: "本月预算",
    BudgetScope.BATCH: "每批预算",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit and what counts against it: charges that are charged, possibly charged or under way.

    Amounts are CNY; ``limit`` is None without one, ``spent`` of ``batch`` is that of the batch asked for.
    With ``person``, a name, and its id it is the limit of that person in a month.
    """

    scope: BudgetScope
    limit: Decimal | None
    spent: Decimal
    person: str = ""
    person_id: int | None = None

    @property
    def label(self) -> str:
        """Its name on the pages; of a limit for that person."""
        return "我的每月上限" if self.person else BUDGET_LABELS[self.scope]

    @property
    def limit_text(self) -> str:
        """The limit as it is typed: ``500``, ``12.50``; empty without one."""
        if self.limit is None:
            return ""
        return f"{self.limit:.0f}" if self.limit == self.limit.to_integral_value() else f"{self.limit:.2f}"

    @property
    def left(self) -> Decimal | None:
        """What may still be spent, at least 0; None without a limit."""
        return None if self.limit is None else max(self.limit - self.spent, Decimal(0))

    @property
    def is_near(self) -> bool:
        """Whether 80 % of it are spent."""
        return self.limit is not None and self.spent >= _NEAR * self.limit

    @property
    def percent(self) -> int:
        """The share that is spent, rounded down, at most 100; 0 without a limit."""
        if self.limit is None:
            return 0
        return min(int(100 * self.spent / self.limit), 100) if self.limit else 100
