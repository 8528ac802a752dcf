"""Who makes a request: what may still be spent for them, and the log of what they change."""

from collections.abc import Mapping
from contextlib import suppress

import database
from app import log
from app.domain import Budget, BudgetScope
from app.errors import DatabaseError, Message
from app.web.middleware.login import current_person
from app.web.services import connection, services


def list_budgets(db: database.Connection, batch_id: str | None = None) -> dict[BudgetScope, Budget]:
    """The budgets, BUDGET included, and what is spent of them."""
    return database.list_budgets(db, default=services().settings.budget, batch_id=batch_id)


def limit_of_me() -> Budget | None:
    """The monthly limit of who makes this request."""
    return next(iter(database.person_budget(connection(), current_person().id)), None)


def budgets_of_me(budgets: Mapping[BudgetScope, Budget]) -> list[Budget]:
    """What may refuse the next order of who makes this request, but that of a batch; the least left first."""
    shown = (budgets[BudgetScope.TOTAL], budgets[BudgetScope.MONTH], limit_of_me())
    return sorted((each for each in shown if each and each.left is not None), key=lambda each: each.left or 0)


def note_change(event: str, what: Message, **facts: object) -> None:
    """Log what was changed, without values of secrets, and store the sentence; a lost database only logs."""
    me = current_person()
    log.event("web", event, person=me.id, **facts)
    with suppress(DatabaseError, database.Error):
        database.add_setting_change(connection(), what, me.id)
