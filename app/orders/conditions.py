"""What orders are made with, and whether they can be made at all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import database
from app.domain import ImageRequest, Models, ModelSpec
from app.errors import Conflict, Message, message
from app.library.library import Library
from app.orders.read import RowReader

_UNPRICED = "设了预算，又不知道 {model} 每张多少钱：请在「模型与密钥」里填价格，或在「用量」里去掉预算"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What this installation orders with.

    models_now      the models that can be ordered from; settings may change while rows are read
    budget          the one of the settings, in CNY
    model_problem   why a model cannot be ordered from: its key is missing, or its service ended it
    saving_problem  why no picture could be saved now: the disk is full, OSS is out of reach
    """

    db: database.Connection
    reader: RowReader
    models_now: Callable[[], Models]
    output_dir: Path
    budget: Decimal | None
    model_problem: Callable[[ModelSpec], Message | None]
    saving_problem: Callable[[], Message | None]

    @property
    def models(self) -> Models:
        """The models that can be ordered from."""
        return self.models_now()

    @property
    def library(self) -> Library:
        """The reference images."""
        return self.reader.library

    def require_models(self, specs: Iterable[ModelSpec]) -> None:
        """Raises Conflict when one of these models cannot be ordered from.

        An API key is missing, its service ended it, or there is a budget and its price is not known.
        """
        budgets = database.list_budgets(self.db, default=self.budget).values()
        is_limited = any(budget.limit is not None for budget in budgets)
        for spec in specs:
            if problem := self.model_problem(spec):
                raise Conflict(problem)
            if is_limited and not spec.is_priced:
                raise Conflict(_UNPRICED, model=message(spec.label))

    def require_models_of(self, requests: Iterable[ImageRequest]) -> None:
        """Raises Conflict when a model of these requests cannot be ordered from; see ``require_models``.

        The default makes the images of a model that is not there any more.
        """
        specs = [self.models.get(request.model, self.models.default) for request in requests]
        self.require_models({spec.model_id: spec for spec in specs}.values())

    def require_resumable(self, batch_id: str, *, released: ImageRequest | None = None) -> None:
        """Raises Conflict when a resumed batch would be paused again at once; see ``check_affordable``."""
        used = database.list_queued_models(self.db, batch_id)
        self.require_models(spec for spec in self.models.all if spec.model_id in used)
        if problem := self.saving_problem():
            raise Conflict(problem)
        database.check_affordable(
            self.db, batch_id, models=self.models, budget=self.budget, released=released
        )
