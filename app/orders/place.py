"""Places an order: what is planned is written in one transaction, the only one that queues records.

``Conditions`` are what orders are made with, and whether they can be made at all.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import database
from app.domain import ImageRequest, Models, ModelSpec, SkippedRow, StopRule
from app.errors import Conflict, Message, message
from app.library.library import Library
from app.orders.plan import MAKE, OrderLine, OrderRow, Pictures, Plan, order_lines, plan
from app.orders.read import AGAIN, RowReader

_UNPRICED = "设了预算，又不知道 {model} 每张多少钱：请在「模型与密钥」里填价格，或在「用量」里去掉预算"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What this installation orders with.

    models_now      the models that can be ordered from; settings may change while rows are read
    budget          the one of the settings, in CNY
    person_id       who orders; None: the person at the machine
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
    person_id: int | None = None

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
        budgets = database.list_budgets(self.db, default=self.budget)
        of_person = database.person_budget(self.db, self.person_id)
        is_limited = bool(of_person) or any(each.limit is not None for each in budgets.values())
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
            self.db,
            batch_id,
            models=self.models,
            budget=self.budget,
            person_id=self.person_id,
            released=released,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOptions:
    """What applies to all rows of a batch.

    ``model``: the id of the model of the rows that name none; empty for the default. ``repeats``: whether
    rows that were bought are queued again; a row's own ``repeats`` takes precedence. ``sample``: how many
    rows are queued, the others being held; None for all. ``stop_rule``: when the batch pauses by itself; None
    for never. ``filled_on``: the date that ``{日期}`` stands for, by default today. ``unique_name``: whether
    a counter is added to a name that a batch has. ``products``: (product, category) by row number where a
    recipe made the rows, for a sample of products. ``previews``: only what it comes to is asked for.
    ``table_id``: the table whose rows these are; without it a table is made of them, unless they are single.
    """

    name: str = ""
    source: str = "batch"
    workbook_id: str | None = None
    repeats: str = AGAIN
    sample: int | None = None
    stop_rule: StopRule | None = None
    model: str = ""
    filled_on: str = ""
    unique_name: bool = False
    table_id: str = ""
    previews: bool = False
    products: Mapping[int, tuple[int, str]] = field(default_factory=dict)


SINGLE = BatchOptions(source="single")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """What an order queued.

    batch_id  of a new batch; empty when there is none, because all pictures were left out
    ids       of the records that are queued, or held until they are released
    skipped   the rows with pictures that were left out, and the records that have these
    shared    those of the table that show such pictures; what was charged without one is none
    waiting   how many of the records wait because their batch is paused
    number    how many they are; an answer of an earlier version has only this
    table_id  the table whose rows are made or left out; empty: of none
    lines     of a new batch: what it comes to; an answer of an earlier version has none
    """

    batch_id: str = ""
    ids: list[int] = field(default_factory=list)
    skipped: list[SkippedRow] = field(default_factory=list)
    shared: list[SkippedRow] = field(default_factory=list)
    waiting: int = 0
    number: int = 0
    table_id: str = ""
    lines: list[OrderLine] = field(default_factory=list)

    @property
    def price(self) -> float | None:
        """CNY for what a new batch makes now; None: unknown."""
        nothing = None if self.batch_id and not self.lines else 0
        return next((line.price for line in self.lines if line.what == MAKE), nothing)

    @classmethod
    def before(cls, answer: Mapping[str, Any]) -> "Placed":
        """What was queued with a request key, from the answer stored with it, by an earlier version too."""
        records = answer.get("records", [])
        ids = records if isinstance(records, list) else []
        return cls(
            batch_id=answer.get("batch_id", ""),
            ids=ids,
            skipped=[SkippedRow(**row) for row in answer.get("skipped", ())],
            shared=[SkippedRow(**row) for row in answer.get("shared", answer.get("skipped", ()))],
            waiting=answer.get("waiting", 0),
            number=answer.get("number", len(ids) or records or 0),
            table_id=answer.get("table_id", ""),
            lines=[OrderLine(**line) for line in answer.get("lines", ())],
        )

    @property
    def answer(self) -> dict[str, Any]:
        """What is stored with a request key."""
        fields = asdict(self)
        return {"records": fields.pop("ids"), **fields}


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One way into the queue. ``place`` calls its methods in the order of their definition.

    models     that make the pictures
    key        a used one queues nothing
    require    raises Conflict when the models of these requests cannot be ordered from
    is_taken   whether a file on disk has this name
    person_id  who pays for what it queues; None: the person at the machine
    submits    whether something may be bought
    """

    models: Models
    key: database.RequestKey | None = None
    require: Callable[[Iterable[ImageRequest]], None] = lambda _requests: None
    is_taken: Callable[[str], bool] = lambda _stem: False
    person_id: int | None = None
    submits: ClassVar[bool] = True

    @property
    def table_id(self) -> str:
        """The table whose rows a new batch makes; empty: of none."""
        return ""

    def read(self, db: database.Connection) -> Any:
        """What the order depends on; ``place`` begins anew when it has changed inside the transaction."""

    def rows(self, seen: Any) -> Sequence[OrderRow]:
        """What is ordered; may read a disk. Raises AppError with nothing changed."""
        raise NotImplementedError

    def check(self, planned: Plan) -> None:
        """Raises AppError when what is to be made cannot be, with nothing changed; may read a disk."""
        self.require(each.row.request for each in planned.rows if each.numbers and not each.row.is_kept)

    def hold(self, db: database.Connection, planned: Plan) -> tuple[Collection[int], Message | None]:
        """(the numbers of the rows that are held, a warning if nobody asked for it)."""
        return (), None

    def open(self, db: database.Connection, planned: Plan, warning: Message | None) -> str:
        """The batch of the new records, with this in its log; in the transaction."""
        return ""

    def close(self, db: database.Connection, planned: Plan, new: Sequence[int]) -> int:
        """Update batches and logs; in the transaction -> how many records wait for a paused batch."""
        return 0


def place(db: database.Connection, order: Order) -> Placed:
    """Queue what is ordered, in one transaction: all or nothing, and nothing twice.

    It begins anew when what was planned with has changed meanwhile. A used key queues nothing and returns
    what it queued then.
    """
    while True:
        with database.read_transaction(db):  # no other call with this key changes what is seen in between
            if answer := database.find_answer(db, order.key):
                return Placed.before(answer)
            seen = order.read(db)
        rows = order.rows(seen)
        known, planned = plan_rows(db, rows, order.models)
        order.check(planned)
        wanted = []
        for row, numbers in planned.to_add:
            is_more = row.origin is not None
            is_alone = row.request.num_images == 1 and not is_more
            endings = ["" if is_alone else f"_{number}" for number in numbers]
            wanted.append(database.WantedName(row.stem, endings, is_more=is_more))
        names = database.choose_names(db, wanted, order.is_taken)
        with database.transaction(db):
            if answer := database.find_answer(db, order.key):
                return Placed.before(answer)
            if any(row.compares for row in rows) and database.lacks_fingerprints(db):
                continue
            if order.read(db) != seen or known_pictures(db, rows) != known or database.are_taken(db, names):
                continue
            placed = _write(db, order, planned, names)
            database.save_answer(db, order.key, placed.answer)
        return placed


def preview(db: database.Connection, order: Order) -> Placed:
    """What placing it would come to now; changes nothing. Raises AppError where that does."""
    _, planned = plan_rows(db, order.rows(order.read(db)), order.models)
    order.check(planned)
    held, _ = order.hold(db, planned)
    return Placed(lines=order_lines(planned, held))


def plan_rows(
    db: database.Connection, rows: Sequence[OrderRow], models: Models
) -> tuple[tuple[Pictures, Pictures], Plan]:
    """(the recorded pictures, the plan with them)."""
    if any(row.compares for row in rows):
        database.complete_fingerprints(db)
    known = known_pictures(db, rows)
    return known, plan(rows, models, *known)


def known_pictures(db: database.Connection, rows: Sequence[OrderRow]) -> tuple[Pictures, Pictures]:
    """The recorded pictures that ``plan`` takes; complete when every record has its fingerprint."""
    own = [record.id for row in rows for record in row.records]
    compared = [row for row in rows if row.compares]
    unchanged = [row for row in compared if row.is_unchanged]
    prints = {row.fingerprint for row in compared if not row.is_unchanged}
    batch_id = unchanged[0].records[0].batch_id if unchanged else None
    later = {row.fingerprint for row in unchanged}
    return (
        database.known_pictures(db, prints, without=own),
        database.known_pictures(db, later, without=own, without_batch=batch_id),
    )


def _write(
    db: database.Connection, order: Order, planned: Plan, names: Sequence[Sequence[database.FileName]]
) -> Placed:
    new = list[tuple[database.RowColumns, int, database.FileName]]()
    for (row, numbers), chosen in zip(planned.to_add, names, strict=True):
        columns = _columns_of(row)
        new += [(columns, number, name) for number, name in zip(numbers, chosen, strict=True)]
    held, warning = order.hold(db, planned)
    batch_id = order.open(db, planned, warning)
    added = database.insert_pictures(db, batch_id, new, held)
    skipped, shared = (
        [replace(each, records=[added[-i - 1] if i < 0 else i for i in each.records]) for each in rows]
        for rows in (planned.skipped, planned.to_show)
    )
    if added:
        database.link_new_pictures(db, added)
    records = [record for each in planned.rows for record in each.row.records]
    table_id = order.table_id
    if records:
        _repair_rows(db, [each.row for each in planned.rows if each.row.is_changed and each.row.origin])
        table_id = database.table_of_batch(db, records[0].batch_id) if skipped else table_id
    shared = shared if table_id else []
    if shared:
        run = records[0].batch_id if records else batch_id
        database.link_shared_pictures(db, table_id, run or "", {row.row: row.records for row in shared})
    kept = [record for row, record in planned.to_queue if row.is_kept]
    again = [(_columns_of(row), record) for row, record in planned.to_queue if not row.is_kept]
    database.requeue_as_they_are(db, kept)
    database.queue_records_again(db, again)
    database.cancel_bought(db, [(_columns_of(row), record, ids) for row, record, ids in planned.to_cancel])
    database.touch(db, [record.id for record in records])
    waiting = order.close(db, planned, added)
    queued = [record.id for _, record in planned.to_queue]
    if order.submits:
        repeats = [record.id for _, record in again]
        more = added if any(row.origin for row, _ in planned.to_add) else []
        database.set_payer(db, order.person_id, ids=[*repeats, *more])
        database.note_pictures(db, order.person_id, run=added + queued)
    return Placed(
        batch_id=batch_id,
        ids=added + queued,
        skipped=skipped,
        shared=shared,
        waiting=waiting,
        number=len(added) + len(queued),
        table_id=table_id,
        lines=order_lines(planned, held) if order.table_id else [],
    )


def _repair_rows(db: database.Connection, changed: Sequence[OrderRow]) -> None:
    """Give the rows of tables what is asked of their records now, so that nothing is offered again."""
    repairs: dict[int, database.RowRepair] = {}
    for row in changed:
        first = row.records[0]
        before = _columns_of(replace(row, request=first.row_request, extras=first.extras))
        repairs[row.number] = database.RowRepair(before=before, now=_columns_of(row))
    if changed:
        database.repair_rows(db, changed[0].records[0].batch_id, repairs)


def _columns_of(row: OrderRow) -> database.RowColumns:
    origin, images = row.origin, row.request.sample_images
    if origin and images == origin.request.sample_images:
        images = origin.sample_images  # as they were written: where the row's own address of them leads
    return database.RowColumns(
        number=row.number,
        request=row.request,
        images=images,
        extras=row.extras,
        fingerprint=row.fingerprint,
    )
