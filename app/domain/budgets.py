"""Spending limits: in all, in a calendar month, and for one batch. No I/O."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

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
