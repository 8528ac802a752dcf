"""Releases the held rows of a batch, validated anew with the sizes chosen since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar

import database
from app.domain import (
    ImageRequest,
    read_aspect_ratio,
    read_resolution,
)
from app.errors import Conflict, InvalidRequest, message
from app.orders.place import Conditions, Order, plan_rows
from app.orders.plan import OrderRow, PlannedRow, repeated_row, summary, total_price
from app.orders.read import RowErrors


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChanges:
    """What a release changes of all held rows; None leaves it as it is."""

    aspect_ratio: str | None = None
    resolution: str | None = None

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> "ReleaseChanges":
        """The changes in an untrusted body. Raises InvalidRequest."""
        ratio, resolution = (
            None if body.get(name) in (None, "") else read(body[name])
            for name, read in (("aspect_ratio", read_aspect_ratio), ("resolution", read_resolution))
        )
        return cls(aspect_ratio=ratio, resolution=resolution)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Order):
    """Queues all that a batch holds, and resumes it. Pictures that are bought are cancelled instead.

    So are those of rows that were changed in their table since, or removed. With ``roles`` only the rows of
    these roles of a recipe are released.
    ``model`` is the id of the model that the caller expects all rows to be made by; empty: any. Raises
    InvalidRequest when another would make one, RowErrors with nothing released, and Conflict when nothing is
    held or the batch cannot go on.
    """

    conditions: Conditions
    batch_id: str
    changes: ReleaseChanges
    model: str = ""
    roles: Sequence[str] = ()
    cancels_bought: ClassVar[bool] = True

    def read(self, db: database.Connection) -> database.HeldRows:
        """What the batch holds, of the roles."""
        held = database.read_held(db, self.batch_id)
        if not self.roles:
            return held
        numbers = database.rows_of_roles(db, self.batch_id, self.roles)
        return replace(held, rows=[each for each in held.rows if each[0].row_number in numbers])

    def rows(self, seen: database.HeldRows) -> Sequence[OrderRow]:
        """The held rows as they are to be made."""
        return self.held_rows(seen)

    def check(self, planned: Sequence[PlannedRow]) -> None:
        """Raises Conflict when a row that is to be made cannot be, or the batch cannot go on."""
        made = self._to_make(planned)
        self.conditions.require_models_of(made)
        self.conditions.require_resumable(self.batch_id, released=next(iter(made), None))

    def preview(self) -> dict[str, Any]:
        """What the release would do, as JSON; changes nothing."""
        db = self.conditions.db
        _, planned = plan_rows(db, self.held_rows(self.read(db)))
        self._to_make(planned)
        return summary(planned, self.models)

    def _to_make(self, planned: Sequence[PlannedRow]) -> list[ImageRequest]:
        """The rows to make. Raises InvalidRequest when another model than the expected one would make one."""
        made = [each.row.request for each in planned if each.numbers]
        if others := {request.model for request in made} - {self.model or request.model for request in made}:
            text = "等放行的行用 {others} 做，不是 {model}；要都放行就不写 model"
            raise InvalidRequest("model", text, others=tuple(sorted(others)), model=self.model)
        return made

    def held_rows(self, held: database.HeldRows) -> list[OrderRow]:
        """The held rows with the changes. Raises RowErrors and Conflict."""
        if not held.rows:
            raise Conflict("这个批次没有等放行的图片，可能已经放行或取消了，请刷新后再看")
        rows, problems = list[OrderRow](), list[tuple[int, InvalidRequest]]()
        for records in held.rows:
            first, request = records[0], records[0].row_request
            is_changed = first.row_number in held.changed
            if not is_changed:
                request = request.sized(self.changes.aspect_ratio, self.changes.resolution)
                facts = self.conditions.library.facts(request.sample_images)
                found = self.models.of(request).validate(request, facts)
                problems += [(first.row_number, problem) for problem in found]
                request = self.models.accept(request)
            row = repeated_row(records, request, extras=first.extras, skips=True)
            rows.append(replace(row, numbers=()) if is_changed else row)
        if problems:
            raise RowErrors(problems, number=problems[0][0])
        return rows

    def close(self, db: database.Connection, planned: Sequence[PlannedRow], new: Sequence[int]) -> int:
        """Resume the batch, or finish it when nothing is left; update its estimated cost."""
        database.check_models(db, self.batch_id, self.models.ids)
        number = sum(len(each.numbers) for each in planned)
        database.add_log(db, self.batch_id, "info", message("放行 {n} 张", n=number))
        changed = sum(len(each.left_out) for each in planned if not each.row.numbers)
        bought = sum(len(each.left_out) for each in planned) - changed
        for text, n in (
            ("{n} 张已经做过或正在做，没有再做", bought),
            ("{n} 张的行后来改过，没有照原来的做", changed),
        ):
            if n:
                database.add_log(db, self.batch_id, "info", message(text, n=n))
        held = [record for each in planned for record in each.row.records]
        same = [record for record in held if record.model in self.models]
        before = sum((self.models.price(record.request) or Decimal(0) for record in same), Decimal(0))
        after = sum((each.price(self.models) or Decimal(0) for each in planned), Decimal(0))
        database.count_released(
            db,
            self.batch_id,
            others=len(held) - len(same),
            change=after - before,
            is_priced=total_price(planned, self.models) is not None,
        )
        database.resume_in_transaction(db, self.batch_id)
        database.finish_if_done(db, self.batch_id)
        return 0
