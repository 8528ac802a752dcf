"""The ways into the queue of what was not sent yet: a new batch, one more picture of a row, held rows.

What ended is queued again by ``repeats``.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Any

import database
from app.domain import (
    MAX_PICTURES_A_BATCH,
    ImageRequest,
    Record,
    RowExtras,
    Status,
    choose_sample,
    read_aspect_ratio,
    read_resolution,
)
from app.domain.batches import ONE_FIRST, choose_products
from app.domain.tables import Row, Table
from app.errors import Conflict, InvalidRequest, Message, message
from app.orders.place import BatchOptions, Conditions, Order, plan_rows
from app.orders.plan import OrderRow, Plan, repeated_row
from app.orders.read import RowErrors

_MAX_PICTURE_NUMBER = 99  # file names end with two digits at most


@dataclass(frozen=True, slots=True, kw_only=True)
class NewBatch(Order):
    """Rows to queue as one batch; none when all their pictures are bought.

    ``read_rows`` returns them; ``new_table`` the table to make of them. Raises InvalidRequest for an unknown
    workbook.
    """

    read_rows: Callable[[], Sequence[OrderRow]]
    options: BatchOptions = field(default_factory=BatchOptions)
    new_table: Callable[[], tuple[Table, Sequence[Row]]] | None = None

    @property
    def table_id(self) -> str:
        """The table whose rows these are."""
        return self.new_table()[0].id if self.new_table else self.options.table_id

    def rows(self, seen: object) -> Sequence[OrderRow]:
        """What is ordered."""
        rows = self.read_rows()
        if self.new_table:
            self.new_table()  # may read a file
        return rows

    def hold(self, db: database.Connection, planned: Plan) -> tuple[Collection[int], Message | None]:
        """All rows to make but the sample, or but one whose model may not look at its references."""
        options, why = self.options, None
        ordered = [each for each in planned.rows if each.numbers]
        requests = [each.row.request for each in ordered]
        made = partial(database.has_images_of_references, db, self.table_id)
        if self.table_id and (first := self.models.first_trial(requests, made)) is not None:
            tried, why = {first}, ONE_FIRST
        elif options.sample is None or not ordered:
            return (), None
        elif options.products:
            tried = choose_products([options.products[each.row.number] for each in ordered], options.sample)
        else:
            tried = choose_sample(requests, options.sample)
        return {each.row.number for index, each in enumerate(ordered) if index not in tried}, why

    def open(self, db: database.Connection, planned: Plan, warning: Message | None) -> str:
        """Insert the table and the batch."""
        options = self.options
        database.check_workbook(db, options.workbook_id)
        if self.new_table:
            database.add_table(db, *self.new_table(), self.person_id)
        ordered = [each for each in planned.rows if each.numbers]
        if not ordered:
            return ""
        names = ("source", "workbook_id", "filled_on", "name")
        fields = {name: getattr(options, name) for name in names}
        fields |= {
            "stop_after": options.stop_rule.to_json() if options.stop_rule else "",
            "total": sum(len(each.numbers) for each in ordered),
            "is_priced": planned.price is not None,
            "table_id": self.table_id or None,
            "person_id": self.person_id,
        }
        price = sum((each.price or Decimal(0) for each in ordered), Decimal(0))
        batch_id = database.insert_batch(db, fields, price=price, unique_name=options.unique_name)
        if name := database.name_of_buyer(db, self.person_id):
            database.add_log(db, batch_id, "info", message("{name} 下的单，花费算在{name}名下", name=name))
        if warning:
            database.add_log(db, batch_id, "warning", warning)
        return batch_id


@dataclass(frozen=True, slots=True, kw_only=True)
class OneMore(Order):
    """One more picture of the row of a record, made with this request.

    It has the next picture number of the row. An ended batch becomes active, also one whose sample is done;
    another paused one stays paused. ``stem_for`` is the preferred file name of the row, without extension and
    number. Raises Conflict when the record is no made picture any more, and when the batch or the row cannot
    take more.
    """

    batch_id: str
    record_id: int
    request: ImageRequest
    skips: bool
    stem_for: Callable[[Record], str]

    def read(self, db: database.Connection) -> tuple[Sequence[Record], tuple[int, int]]:
        """The record, how many pictures its batch has, and the last picture number of its row."""
        return database.records_of(db, [self.record_id]), database.count_pictures(db, self.record_id)

    def rows(self, seen: tuple[Sequence[Record], tuple[int, int]]) -> Sequence[OrderRow]:
        """The row of the record, with one picture."""
        records, (total, last) = seen
        if not records or records[0].deleted_at or records[0].status is not Status.SUCCESS:
            raise Conflict("只有做好的图片可以改")
        (record,) = records
        if total >= MAX_PICTURES_A_BATCH:
            text = "一个批次最多 {limit} 张，再做就有 {n} 张了，请另起一批"
            raise Conflict(text, limit=MAX_PICTURES_A_BATCH, n=total + 1)
        if last >= _MAX_PICTURE_NUMBER:
            text, row = "{place}：一行最多 {limit} 张，请另起一批", record.label
            raise Conflict(text, place=row, limit=_MAX_PICTURE_NUMBER)
        return [
            OrderRow(
                number=record.row_number,
                request=self.models.accept(self.request),
                numbers=[last + 1],
                stem=self.stem_for(record),
                extras=RowExtras(columns=record.columns),  # its words are not those of the row
                skips=self.skips,
                origin=record,
            )
        ]

    def open(self, db: database.Connection, planned: Plan, warning: Message | None) -> str:
        """The batch of the record."""
        return self.batch_id

    def close(self, db: database.Connection, planned: Plan, new: Sequence[int]) -> int:
        """Count the picture in the batch, and activate it."""
        if not new:
            return 0
        database.check_models(db, self.batch_id, self.models.ids)
        price = planned.price
        database.count_added(
            db, self.batch_id, number=len(new), price=price or Decimal(0), is_priced=price is not None
        )
        is_paused = database.activate_batch(db, self.batch_id)
        text = "再做 {n} 张，等批次继续" if is_paused else "再做 {n} 张"
        database.add_log(db, self.batch_id, "info", message(text, n=len(new)))
        return len(new) if is_paused else 0


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

    def read(self, db: database.Connection) -> database.HeldRows:
        """What the batch holds, of the roles."""
        held = database.read_held(db, self.batch_id)
        if not self.roles:
            return held
        numbers = database.rows_of_roles(db, self.batch_id, self.roles)
        return replace(held, rows=[each for each in held.rows if each[0].row_number in numbers])

    def rows(self, seen: database.HeldRows) -> Sequence[OrderRow]:
        """The held rows with the changes. Raises RowErrors and Conflict."""
        if not seen.rows:
            raise Conflict("这个批次没有等放行的图片，可能已经放行或取消了，请刷新后再看")
        rows, problems = list[OrderRow](), list[tuple[int, InvalidRequest]]()
        for records in seen.rows:
            first, request = records[0], records[0].row_request
            is_changed = first.row_number in seen.changed
            if not is_changed:
                request = request.sized(self.changes.aspect_ratio, self.changes.resolution)
                facts = self.conditions.library.facts(request.sample_images)
                found = self.models.of(request).validate(request, facts)
                problems += [(first.row_number, problem) for problem in found]
                request = self.models.accept(request)
            row = repeated_row(records, request, extras=first.extras, skips=True, cancels=True)
            rows.append(replace(row, numbers=()) if is_changed else row)
        if problems:
            raise RowErrors(problems, number=problems[0][0])
        return rows

    def check(self, planned: Plan) -> None:
        """Raises Conflict when a row that is to be made cannot be, or the batch cannot go on."""
        made = self._to_make(planned)
        self.conditions.require_models_of(made)
        self.conditions.require_resumable(self.batch_id, released=next(iter(made), None))

    def preview(self) -> dict[str, Any]:
        """What the release would do, as JSON; changes nothing."""
        db = self.conditions.db
        _, planned = plan_rows(db, self.rows(self.read(db)), self.models)
        self._to_make(planned)
        return {
            "rows": sum(bool(each.numbers) for each in planned.rows),
            "pictures": sum(len(each.numbers) for each in planned.rows),
            "price": planned.price,
            "skipped": planned.skipped,
        }

    def _to_make(self, planned: Plan) -> list[ImageRequest]:
        """The rows to make. Raises InvalidRequest when another model than the expected one would make one."""
        made = [each.row.request for each in planned.rows if each.numbers]
        if others := {request.model for request in made} - {self.model or request.model for request in made}:
            text = "等放行的行用 {others} 做，不是 {model}；要都放行就不写 model"
            raise InvalidRequest("model", text, others=tuple(sorted(others)), model=self.model)
        return made

    def close(self, db: database.Connection, planned: Plan, new: Sequence[int]) -> int:
        """Resume the batch, or finish it when nothing is left; update its estimated cost."""
        database.check_models(db, self.batch_id, self.models.ids)
        number = sum(len(each.numbers) for each in planned.rows)
        database.add_log(db, self.batch_id, "info", message("放行 {n} 张", n=number))
        changed = sum(len(each.left_out) for each in planned.rows if not each.row.numbers)
        bought = sum(len(each.left_out) for each in planned.rows) - changed
        for text, n in (
            ("{n} 张已经做过或正在做，没有再做", bought),
            ("{n} 张的行后来改过，没有照原来的做", changed),
        ):
            if n:
                database.add_log(db, self.batch_id, "info", message(text, n=n))
        held = [record for each in planned.rows for record in each.row.records]
        same = [record for record in held if record.model in self.models]
        before = sum((self.models.price(record.request) or Decimal(0) for record in same), Decimal(0))
        after = sum((each.price or Decimal(0) for each in planned.rows), Decimal(0))
        database.count_released(
            db,
            self.batch_id,
            others=len(held) - len(same),
            change=after - before,
            is_priced=planned.price is not None,
        )
        database.resume_in_transaction(db, self.batch_id)
        database.finish_if_done(db, self.batch_id)
        return 0
