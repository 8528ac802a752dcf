"""Budgets: what is left of one, and when it is nearly spent."""

from dataclasses import replace
from decimal import Decimal

import pytest

from app.domain import BudgetScope
from app.domain.ledger import Budget


def budget(limit: str | None, spent: str = "0") -> Budget:
    return Budget(
        scope=BudgetScope.TOTAL, limit=None if limit is None else Decimal(limit), spent=Decimal(spent)
    )


@pytest.mark.parametrize(("limit", "text"), [(None, ""), ("500", "500"), ("12.5", "12.50"), ("0", "0")])
def test_a_limit_is_shown_as_it_is_typed(limit: str | None, text: str) -> None:
    assert budget(limit).limit_text == text


@pytest.mark.parametrize(("limit", "left"), [(None, None), ("5", Decimal(2)), ("2", Decimal(0))])
def test_what_is_left_is_never_negative(limit: str | None, left: Decimal | None) -> None:
    assert budget(limit, "3").left == left


@pytest.mark.parametrize(
    ("limit", "spent", "is_near"), [("10", "7.99", False), ("10", "8", True), (None, "8", False)]
)
def test_a_budget_is_near_once_80_percent_are_spent(limit: str | None, spent: str, is_near: bool) -> None:
    assert budget(limit, spent).is_near is is_near


@pytest.mark.parametrize(
    ("limit", "spent", "percent"),
    [("3", "1", 33), ("3", "4", 100), ("0", "0", 100), (None, "4", 0)],
)
def test_the_share_that_is_spent_is_rounded_down(limit: str | None, spent: str, percent: int) -> None:
    assert budget(limit, spent).percent == percent


def test_the_limit_of_a_person_has_a_name_of_its_own() -> None:
    one = budget("5")
    assert (one.label, replace(one, person="小周").label) == ("总预算", "我的每月上限")
